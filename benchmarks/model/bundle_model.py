"""Make a finished training run the small model: export the graph, fit its calibration.

    python -m benchmarks.model.bundle_model --data DIR --run runs/first --run runs/last
    python -m benchmarks.model.bundle_model --data DIR

Writes `spkid/models/small.onnx`, `small.calibration.json` and `small.training.json`, and keeps the
torch weights in `benchmarks/model/checkpoints/` (not part of the wheel). Without `--run`, writes
only the calibration of the model that is bundled now. The calibration is fitted on the held-out
training speakers (one in ten, by name), which the encoder never heard, with clips cut to several
lengths of speech, its landmarks on the other training speakers; the `test` split is not touched.

Afterwards `benchmarks.model.bundle_both` fits when the small model's answer stands: what it wrote
before belongs to the earlier model, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Data, run_command
from spkid.data.manifest import read_manifest
from spkid.encoder.base import Encoder
from spkid.encoder.batch import embed_cuts
from spkid.encoder.encoder import BUNDLED, SpeakerEncoder
from spkid.encoder.vectors import mean_vectors
from spkid.errors import SpkidError
from spkid.files import whole_file, write_text
from spkid.scoring.calibration import Calibration
from spkid.scoring.fit import landmarks_of
from spkid.scoring.model import calibration_beside
from spkid.scoring.pools import clips_to_fit
from spkid.scoring.scale import SPEECH_S, Landmarks
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpus import is_held_out
from spkid.training.export import export_onnx

CHECKPOINT = Path(__file__).with_name("checkpoints") / "small.safetensors"
GRAPH = BUNDLED["small"]
TRAINING = GRAPH.with_suffix(".training.json")
CLIPS_FOR_LANDMARKS = 3
Legs = Annotated[list[Path] | None, typer.Option(help="folder of a leg, the last one last")]

# vectors ``[clips, 1 + cuts, dim]`` of the clips at these paths, whole and then cut to so many
# seconds of speech; ``[clips, dim]`` of whole clips alone
Embed = Callable[[Sequence[str], Sequence[float]], NDArray[np.floating]]


def training_landmarks(table: pd.DataFrame, embed: Embed, *, seed: int) -> Landmarks:
    """Of the training speakers but those held out, from up to three whole clips of each."""
    known = (table["split"] == "train") & (table["speaker"] != "")
    table = table[known & ~table["speaker"].map(is_held_out)]
    table = table.groupby("speaker").head(CLIPS_FOR_LANDMARKS)
    vectors = embed(list(table["path"]), ())
    whole = vectors.reshape(len(table), vectors.shape[-1])
    return landmarks_of(mean_vectors(table, whole)[1], seed=seed)


def training_clips(data: Path) -> pd.DataFrame:
    """The manifest of a data folder."""
    return read_manifest(data / "manifest.csv", required=("path", "speaker", "split", "corpus"))


def fitted_calibration(table: pd.DataFrame, embed: Embed, *, model: str, seed: int) -> Calibration:
    """What is shipped with a model, or would be with another one; ``table`` has a row a clip."""
    held_out = table[(table["split"] == "train") & table["speaker"].map(is_held_out)]
    clips = clips_to_fit(held_out)
    return Calibration.fit(
        embed(list(clips["path"]), SPEECH_S),
        list(clips["speaker"]),
        model=model,
        pools=list(clips["corpus"]),
        landmarks=training_landmarks(table, embed, seed=seed),
        trained_on="held-out training speakers",
        seed=seed,
    )


def export_run(runs: list[Path]) -> None:
    """Put the last leg's weights, graph and history where the package keeps them."""
    checkpoint = runs[-1] / "encoder.safetensors"
    export_onnx(load_encoder(checkpoint), GRAPH)
    with whole_file(CHECKPOINT) as file:
        file.write(checkpoint.read_bytes())
    legs = [json.loads((run / "run.json").read_text()) for run in runs]
    write_text(TRAINING, json.dumps(legs, indent=2) + "\n")


def cuts_embedded(encoder: Encoder, root: Path) -> Embed:
    """How clips below ``root`` are embedded, whole and cut."""

    def embed(paths: Sequence[str], speech_s: Sequence[float]) -> NDArray[np.floating]:
        clips = [(root / path, None) for path in paths]
        vectors = []
        for found in embed_cuts(clips, encoder, speech_s):
            if isinstance(found, SpkidError):
                raise found
            vectors.append(found)
        return np.stack(vectors)

    return embed


def main(data: Data, run: Legs = None) -> None:
    """Export the run, if there is one, and calibrate what is bundled."""
    if run:
        export_run(run)
    speech = data / "speech"
    encoder = SpeakerEncoder.load("small")
    calibration = fitted_calibration(
        training_clips(speech),
        cuts_embedded(encoder, speech),
        model=encoder.fingerprint,
        seed=json.loads(TRAINING.read_text())[0]["train"]["seed"],
    )
    calibration.save(calibration_beside("small"))
    print(f"{GRAPH.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
