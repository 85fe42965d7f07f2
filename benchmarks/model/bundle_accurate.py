"""Export the accurate model from its kept weights and fit its calibration.

    python -m benchmarks.model.bundle_accurate --data DIR

Reads `benchmarks/model/checkpoints/accurate.safetensors` and `accurate.json` and writes
`spkid/models/accurate.onnx`, `accurate.training.json` and `accurate.calibration.json`. The
calibration is fitted on the held-out training speakers of all corpora, with clips cut to several
lengths of speech. (The corpora that were left out of training have too few speakers, or too few
clips of each.) The `test` split is not touched.
"""

from __future__ import annotations

import shutil

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.model.bundle_model import cuts_embedded, fitted_calibration
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import all_clips
from spkid.encoder.encoder import BUNDLED, SpeakerEncoder
from spkid.scoring.model import calibration_beside
from spkid.training.checkpoint import load_encoder
from spkid.training.export import export_onnx

GRAPH = BUNDLED["accurate"]
SEED = 1


def main(data: Data) -> None:
    """Write the three files."""
    export_onnx(load_encoder(CHECKPOINTS / "accurate.safetensors"), GRAPH)
    shutil.copy(CHECKPOINTS / "accurate.json", GRAPH.with_suffix(".training.json"))
    encoder = SpeakerEncoder.load("accurate")
    clips = all_clips(data)
    clips["path"] = [str(place.relative_to(data)) for place in clips["place"]]
    calibration = fitted_calibration(
        clips,
        cuts_embedded(encoder, data),
        model=encoder.fingerprint,
        seed=SEED,
    )
    calibration.save(calibration_beside("accurate"))
    print(f"{GRAPH.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
