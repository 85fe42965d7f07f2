"""Make a finished training run the bundled model: export the graph, fit its calibration.

    python benchmarks/bundle_model.py --run runs/bundled --data DIR

Writes `spkid/models/spkid.onnx`, `spkid.calibration.json` and `spkid.training.json`, and keeps
the torch weights in `benchmarks/checkpoints/` (not part of the wheel). The
calibration is fitted on the held-out training speakers (one in ten, by name), which the
encoder never heard; the `test` split is not touched.
"""

from __future__ import annotations

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from spkid.calibration import BUNDLED_CALIBRATION
from spkid.embedder import BUNDLED_MODEL, SpeakerEncoder
from spkid.manifest import read_manifest
from spkid.training.calibrate import Pool, fit_calibration
from spkid.training.checkpoint import load_encoder
from spkid.training.corpus import is_held_out
from spkid.training.export import export_onnx

CHECKPOINT = Path(__file__).with_name("checkpoints") / "bundled.safetensors"
MAX_CLIPS = 16  # a speaker's clips beyond these add nothing
LEAST_SPEAKERS = 10  # corpora with fewer held-out speakers of three clips are left out


def held_out_pools(data: Path, encoder: SpeakerEncoder) -> dict[str, Pool]:
    """Vectors of the held-out training speakers by corpus."""
    table = read_manifest(data / "manifest.csv", required=("path", "speaker", "split", "corpus"))
    table = table[(table["split"] == "train") & table["speaker"].map(is_held_out)]
    table = table.groupby("speaker").head(MAX_CLIPS)
    with ThreadPoolExecutor() as pool:
        vectors = np.stack(list(pool.map(encoder.embed_file, data / table["path"])))
    pools = {}
    for corpus in sorted(table["corpus"].unique()):
        rows = (table["corpus"] == corpus).to_numpy()
        speakers = table["speaker"].to_numpy()[rows]
        clips = vectors[rows]
        own = Pool({name: clips[speakers == name] for name in sorted(set(speakers))})
        if len(own.with_clips(4)) >= LEAST_SPEAKERS:
            pools[corpus] = own
    return pools


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, nargs="+", required=True, help="folders of the legs, the last one last"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    arguments = parser.parse_args()
    checkpoint = arguments.run[-1] / "encoder.safetensors"
    export_onnx(load_encoder(checkpoint), BUNDLED_MODEL)
    shutil.copy(checkpoint, CHECKPOINT)
    legs = [json.loads((run / "run.json").read_text()) for run in arguments.run]
    BUNDLED_MODEL.with_name("spkid.training.json").write_text(json.dumps(legs, indent=2) + "\n")
    encoder = SpeakerEncoder.load()
    pools = held_out_pools(arguments.data, encoder)
    n_speakers = {name: len(pool.clips_of) for name, pool in pools.items()}
    words = ", ".join(f"{count} of {name}" for name, count in n_speakers.items())
    calibration = fit_calibration(
        list(pools.values()),
        model=encoder.fingerprint,
        trained_on=f"held-out training speakers: {words}",
        seed=legs[0]["train"]["seed"],
    )
    calibration.save(BUNDLED_CALIBRATION)
    print(f"{BUNDLED_MODEL.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    main()
