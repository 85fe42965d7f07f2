"""Export the accurate model from its kept weights and fit its calibration.

    python -m benchmarks.model.bundle_accurate --data DIR --export
    python -m benchmarks.model.bundle_accurate --data DIR

With `--export`, reads `benchmarks/model/checkpoints/accurate.safetensors` and `accurate.json` and
writes `spkid/models/accurate.onnx` and `accurate.training.json`; the bytes of the graph, which name
the model, differ in some last digits from processor to processor. With or without it, writes the
calibration, `accurate.calibration.json`; its landmarks go with the graph. A quarter of an hour on
one core.

The calibration is fitted on training speakers, in pools of one corpus and one gender, since a home
may be of one kind; with clips cut to several lengths of speech. Not on the held-out ones alone,
which are few: strangers whom the network heard come no nearer to one another than those it did
not. The corpora that were left out of training stay out, to check it. The `test` split is not
touched.

Afterwards `benchmarks.model.bundle_both` fits when the small model's answer stands: what it wrote
before belongs to the earlier model, and is refused.
"""

from __future__ import annotations

import shutil

import pandas as pd

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.model.bundle_model import cuts_embedded, training_landmarks
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, all_clips
from spkid.encoder.encoder import BUNDLED, SpeakerEncoder
from spkid.scoring.calibration import Calibration
from spkid.scoring.model import calibration_beside
from spkid.scoring.pools import ENROLL_CLIPS
from spkid.scoring.scale import SPEECH_S
from spkid.training.checkpoint import load_encoder
from spkid.training.export import export_onnx

GRAPH = BUNDLED["accurate"]
SEED = 1
CLIPS_A_SPEAKER = 10


def clips_of_one_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Clips of the training speakers who have enough, in a ``pool`` by corpus and gender."""
    clips = table[(table["split"] == "train") & (table["speaker"] != "")]
    clips = clips[~clips["corpus"].isin(LEFT_OUT.split(","))]
    by_speaker = clips.groupby("speaker")
    enough = by_speaker["path"].transform("size") > ENROLL_CLIPS
    clips = clips[enough & (by_speaker.cumcount() < CLIPS_A_SPEAKER)]
    return clips.assign(pool=(clips["corpus"] + " " + clips["gender"]).str.strip())


def main(data: Data, export: bool = False) -> None:
    """Export the graph if asked to, and calibrate what is bundled."""
    place = calibration_beside("accurate")
    if export:
        export_onnx(load_encoder(CHECKPOINTS / "accurate.safetensors"), GRAPH)
        shutil.copy(CHECKPOINTS / "accurate.json", GRAPH.with_suffix(".training.json"))
    encoder = SpeakerEncoder.load("accurate")
    embed = cuts_embedded(encoder, data)
    table = all_clips(data)
    table["path"] = [str(own.relative_to(data)) for own in table["place"]]
    if export:
        landmarks = training_landmarks(table, embed, seed=SEED)
    else:  # they belong to the graph
        landmarks = Calibration.load(place).landmarks
    clips = clips_of_one_kind(table)
    calibration = Calibration.fit(
        embed(list(clips["path"]), SPEECH_S),
        list(clips["speaker"]),
        model=encoder.fingerprint,
        pools=list(clips["pool"]),
        landmarks=landmarks,
        trained_on="training speakers, held out or not",
        seed=SEED,
    )
    calibration.save(place)
    print(f"{GRAPH.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
