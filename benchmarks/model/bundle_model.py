"""Make a finished training run the bundled model: export the graph, fit its calibration.

    python -m benchmarks.model.bundle_model --run runs/bundled --data DIR
    python -m benchmarks.model.bundle_model --calibrate-only --data DIR

Writes `spkid/models/spkid.onnx`, `spkid.calibration.json` and `spkid.training.json`, and keeps the
torch weights in `benchmarks/model/checkpoints/` (not part of the wheel). With `--calibrate-only`,
only the calibration of the model that is bundled now. The calibration is fitted on the held-out
training speakers (one in ten, by name), which the encoder never heard, with clips cut to several
lengths of speech, its landmarks on the other training speakers; the `test` split is not touched.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from spkid.audio.reading import load_audio
from spkid.audio.speech import cut_to_speech
from spkid.data.manifest import read_manifest
from spkid.encoder.encoder import BUNDLED_MODEL, SpeakerEncoder
from spkid.encoder.vectors import mean_vectors
from spkid.scoring.calibration import BUNDLED_CALIBRATION, SPEECH_S, Calibration
from spkid.scoring.fit import ENROL_CLIPS, Pool, fit_calibration, landmarks_of
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpus import is_held_out
from spkid.training.export import export_onnx

CHECKPOINT = Path(__file__).with_name("checkpoints") / "bundled.safetensors"
TRAINING = BUNDLED_MODEL.with_name("spkid.training.json")
CLIPS_FOR_LANDMARKS = 3
MAX_CLIPS = 16  # a speaker's clips beyond these add nothing
LEAST_SPEAKERS = 10  # corpora with fewer held-out speakers of three clips are left out


# the vectors ``[1 + cuts, dim]`` of the clip at a path, whole and then cut to so many seconds of
# speech; NaN where it holds less
Embed = Callable[[str, Sequence[float]], np.ndarray]


def held_out_pools(data: Path, embed: Embed) -> dict[str, Pool]:
    """Vectors of the held-out training speakers by corpus."""
    table = read_manifest(data / "manifest.csv", required=("path", "speaker", "split", "corpus"))
    table = table[(table["split"] == "train") & table["speaker"].map(is_held_out)]
    table = table.groupby("speaker").head(MAX_CLIPS)
    counts = table.groupby(["corpus", "speaker"]).size()
    able = (counts > ENROL_CLIPS).groupby("corpus").sum()
    pools = {}
    for corpus in able.index[able >= LEAST_SPEAKERS]:
        own = table[table["corpus"] == corpus]
        with ThreadPoolExecutor() as pool:
            vectors = np.stack(list(pool.map(lambda path: embed(path, SPEECH_S), own["path"])))
        speakers = own["speaker"].to_numpy()
        pools[corpus] = Pool({name: vectors[speakers == name] for name in sorted(set(speakers))})
    return pools


def training_landmarks(data: Path, embed: Embed, *, seed: int) -> tuple[tuple[float, ...], ...]:
    """Of the training speakers but those held out, from up to three whole clips of each."""
    table = read_manifest(data / "manifest.csv", required=("path", "speaker", "split"))
    known = (table["split"] == "train") & (table["speaker"] != "")
    table = table[known & ~table["speaker"].map(is_held_out)]
    table = table.groupby("speaker").head(CLIPS_FOR_LANDMARKS)
    with ThreadPoolExecutor() as pool:
        vectors = np.concatenate(list(pool.map(lambda path: embed(path, ()), table["path"])))
    return landmarks_of(mean_vectors(table, vectors)[1], seed=seed)


def fitted_calibration(data: Path, embed: Embed, *, model: str, seed: int) -> Calibration:
    """What is shipped with a model, or would be with another one."""
    pools = held_out_pools(data, embed)
    words = ", ".join(f"{len(pool.clips_of)} of {name}" for name, pool in pools.items())
    return fit_calibration(
        list(pools.values()),
        landmarks=training_landmarks(data, embed, seed=seed),
        model=model,
        trained_on=f"held-out training speakers: {words}",
        seed=seed,
    )


def export_run(runs: list[Path]) -> None:
    """Put the last leg's weights, graph and history where the package keeps them."""
    checkpoint = runs[-1] / "encoder.safetensors"
    export_onnx(load_encoder(checkpoint), BUNDLED_MODEL)
    shutil.copy(checkpoint, CHECKPOINT)
    legs = [json.loads((run / "run.json").read_text()) for run in runs]
    TRAINING.write_text(json.dumps(legs, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, nargs="+", help="folders of the legs, the last one last")
    what.add_argument("--calibrate-only", action="store_true", help="keep the bundled graph")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    arguments = parser.parse_args()
    if arguments.run:
        export_run(arguments.run)
    encoder = SpeakerEncoder.load()

    def embed(path: str, cuts_s: Sequence[float]) -> np.ndarray:
        waveform = load_audio(arguments.data / path)
        vectors = np.full((1 + len(cuts_s), encoder.dim), np.nan, dtype=np.float32)
        vectors[0] = encoder.embed(waveform)
        for row, speech_s in enumerate(cuts_s, start=1):
            cut = cut_to_speech(waveform, speech_s)
            if cut is not None:
                vectors[row] = encoder.embed(cut)
        return vectors

    calibration = fitted_calibration(
        arguments.data,
        embed,
        model=encoder.fingerprint,
        seed=json.loads(TRAINING.read_text())[0]["train"]["seed"],
    )
    calibration.save(BUNDLED_CALIBRATION)
    print(f"{BUNDLED_MODEL.stat().st_size / 1e6:.1f} MB, {calibration.trained_on}")


if __name__ == "__main__":
    main()
