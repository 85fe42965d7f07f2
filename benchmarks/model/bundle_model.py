"""Export a bundled model from its kept weights and fit its calibration.

    python -m benchmarks.model.bundle_model --data DIR --model accurate --export
    python -m benchmarks.model.bundle_model --data DIR --model accurate

With `--export`, reads `benchmarks/model/checkpoints/NAME.safetensors` and `NAME.json` and writes
`spkid/models/NAME.onnx` and `NAME.training.json`; the bytes of the graph, which name the model,
differ in some last digits from processor to processor. With or without it, writes the calibration,
`NAME.calibration.json`; its landmarks go with the graph. Half an hour on one core.

The calibration is fitted on training speakers, in pools of one corpus and one gender, since a home
may be of one kind; with clips cut to several lengths of speech. The same clips at 8 kHz say how
much nearer strangers come where everybody calls by telephone. Not on the held-out speakers alone,
which are few: strangers whom the network heard come no nearer to one another than those it did
not. The corpora that were left out of training stay out, to check it. The `test` split is not
touched.

Afterwards `benchmarks.model.bundle_both` fits when the small model's answer stands: what it wrote
before belongs to the earlier model, and is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.harness.carriers import AcrossTelephone
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, all_clips
from spkid.encoder.base import Encoder
from spkid.encoder.batch import embed_cuts
from spkid.encoder.encoder import BUNDLED, SpeakerEncoder
from spkid.encoder.vectors import mean_vectors
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.fit import landmarks_of
from spkid.scoring.model import calibration_beside
from spkid.scoring.pools import ENROLL_CLIPS
from spkid.scoring.scale import SPEECH_S, Landmarks
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpus import is_held_out
from spkid.training.export import export_onnx

SEED = 1
CLIPS_A_SPEAKER = 10
CLIPS_FOR_LANDMARKS = 3
IN_BYTES = ("small",)  # for the space that they take
Name = Annotated[Literal["accurate", "small"], typer.Option(help="of the bundled model")]

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


def clips_of_one_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Clips of the training speakers who have enough, in a ``pool`` by corpus and gender."""
    clips = table[(table["split"] == "train") & (table["speaker"] != "")]
    clips = clips[~clips["corpus"].isin(LEFT_OUT.split(","))]
    by_speaker = clips.groupby("speaker")
    enough = by_speaker["path"].transform("size") > ENROLL_CLIPS
    clips = clips[enough & (by_speaker.cumcount() < CLIPS_A_SPEAKER)]
    return clips.assign(pool=(clips["corpus"] + " " + clips["gender"]).str.strip())


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


def fitted_calibration(
    data: Path,
    embed: Embed,
    *,
    model: str,
    landmarks: Landmarks | None = None,
    across: Embed | None = None,
) -> Calibration:
    """Of the model that ``embed`` asks; ``across`` asks it by telephone."""
    table = all_clips(data)
    table["path"] = [str(own.relative_to(data)) for own in table["place"]]
    clips = clips_of_one_kind(table)
    paths = list(clips["path"])
    return Calibration.fit(
        embed(paths, SPEECH_S),
        list(clips["speaker"]),
        model=model,
        pools=list(clips["pool"]),
        landmarks=training_landmarks(table, embed, seed=SEED) if landmarks is None else landmarks,
        narrowband=across(paths, SPEECH_S) if across else None,
        trained_on="training speakers, held out or not",
        seed=SEED,
    )


def main(data: Data, model: Name, export: bool = False) -> None:
    """Export the graph if asked to, and calibrate what is bundled."""
    graph, place = BUNDLED[model], calibration_beside(model)
    if export:
        network = load_encoder(CHECKPOINTS / f"{model}.safetensors")
        export_onnx(network, graph, in_bytes=model in IN_BYTES)
        shutil.copy(CHECKPOINTS / f"{model}.json", graph.with_suffix(".training.json"))
    encoder = SpeakerEncoder.load(model)
    calibration = fitted_calibration(
        data,
        cuts_embedded(encoder, data),
        model=encoder.fingerprint,
        # they belong to the graph
        landmarks=None if export else Calibration.load(place).landmarks,
        across=cuts_embedded(AcrossTelephone(encoder), data),
    )
    calibration.save(place)
    print(f"{graph.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
