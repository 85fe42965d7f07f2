"""Teacher vectors for distillation, from Resemblyzer (Apache-2.0, `pip install resemblyzer`).

    python -m benchmarks.model.teacher --data DIR [--out runs/teacher] [--beside MODEL.onnx]

Writes two tables of embeddings that are baselines for `accuracy.py`: `resemblyzer.npz`,
Resemblyzer's 256-vector of every clip; and `resemblyzer_lda.npz`, the same through a linear
discriminant projection to 192 dimensions that is estimated on the training speakers (never on
held-out or test speakers). And the folder `teacher`, what the bundled model is distilled from:
the projected vectors of the clips that training may hear, played at each of its speeds. With
`--beside`, the vectors of an earlier model of ours stand beside them with the same weight, and
the 192 principal axes of both are kept, turned towards those of that model, which training may
then start from. A known speaker's vectors are drawn towards the speaker's mean.
About twenty minutes on two cores; a stopped run goes on.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.harness.kept import RUNS
from spkid.audio.reading import load_audio
from spkid.data.manifest import read_manifest
from spkid.encoder.base import Encoder
from spkid.encoder.encoder import SpeakerEncoder
from spkid.files import whole_file
from spkid.training.data.corpus import is_held_out
from spkid.training.data.speeds import SPEEDS, resample
from spkid.training.processes import computes_in_half

Floats = NDArray[Any]  # float32 or float64
N_RESEMBLYZER = 256  # dimensions
N_DIMENSIONS = 192
CHUNK = 32  # clips in one pass
CHANGED_SAMPLES = 80_000  # of a clip at a changed speed, so many are heard
SHRINKAGE = 1.0  # of the within-speaker covariance; chosen on held-out training speakers


def at_speed(waveform: Floats, speed: float) -> Floats:
    """The clip as training plays it, float32 ``[samples / speed]``; its beginning if changed."""
    if speed == 1.0:
        return waveform
    begun = torch.from_numpy(waveform[:CHANGED_SAMPLES])
    return resample(begun[None], speed, int(len(begun) / speed))[0].numpy()


@cache
def resemblyzer() -> Any:
    """Resemblyzer's encoder, on the processor."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def resemblyzer_vectors(waveforms: list[Floats], *, exact: bool) -> Floats:
    """``VoiceEncoder.embed_utterance`` of each waveform, ``[clips, 256]``, all in one pass.

    If not ``exact``, with half as many windows, and in bfloat16 where the processor has it
    (cosine 0.9996 to single precision).
    """
    from resemblyzer import preprocess_wav
    from resemblyzer.audio import wav_to_mel_spectrogram

    encoder, windows = resemblyzer(), []
    for waveform in waveforms:
        trimmed = preprocess_wav(waveform, 16_000)
        heard = trimmed if len(trimmed) >= 4_000 else waveform
        sounds, frames = encoder.compute_partial_slices(len(heard), 1.3 if exact else 0.7, 0.75)
        mel = wav_to_mel_spectrogram(np.pad(heard, (0, max(0, sounds[-1].stop - len(heard)))))
        windows.append(np.stack([mel[span] for span in frames]))
    half = not exact and computes_in_half(torch.device("cpu"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        found = encoder(torch.from_numpy(np.concatenate(windows))).float().numpy()
    ends = np.cumsum([len(own) for own in windows])[:-1]
    return unit(np.stack([own.mean(axis=0) for own in np.split(found, ends)]))


@cache
def encoder_at(model: Path) -> Encoder:
    """An earlier model, loaded once in each process."""
    return SpeakerEncoder.load(model)


def both_vectors(paths: list[Path], *, speed: float, model: Path | None) -> Floats:
    """Resemblyzer's vectors of the clips at ``speed``, then those of ``model``, side by side."""
    waveforms = [at_speed(load_audio(path), speed) for path in paths]
    vectors = resemblyzer_vectors(waveforms, exact=speed == 1.0)
    if model is None:
        return vectors
    return np.concatenate([vectors, [encoder_at(model).embed(own) for own in waveforms]], axis=1)


def kept_vectors(out: Path, paths: list[Path], *, speed: float, model: Path | None) -> Floats:
    """:func:`both_vectors` of all ``paths``, from ``out`` where an earlier run left them."""
    file = out / f"heard-{speed:g}.npy"
    if not file.exists():
        chunks = [paths[first : first + CHUNK] for first in range(0, len(paths), CHUNK)]
        with ProcessPoolExecutor(
            mp_context=multiprocessing.get_context("spawn"),
            initializer=torch.set_num_threads,
            initargs=(1,),
        ) as pool:
            found = pool.map(partial(both_vectors, speed=speed, model=model), chunks)
            vectors = np.concatenate(list(track(found, f"speed {speed:g}", total=len(chunks))))
        with whole_file(file) as stream:
            np.save(stream, vectors.astype(np.float32))
    kept: Floats = np.load(file)
    return kept


def unit(vectors: Floats) -> Floats:
    """Each vector ``[..., dim]`` at length one."""
    lengths: Floats = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths


def discriminant_projection(vectors: Floats, speakers: Floats, *, shrinkage: float) -> Floats:
    """Fisher's linear discriminants as columns, ``[dim, 192]``, of the rows with a speaker.

    ``shrinkage`` times its mean is added to the within-speaker covariance.
    """
    dim = vectors.shape[1]
    within, weight, means = np.zeros((dim, dim)), 0.0, []
    for speaker in sorted(set(speakers) - {""}):
        own = vectors[speakers == speaker]
        means.append(own.mean(axis=0))
        if len(own) >= 2:
            spread = own - own.mean(axis=0)
            share = min(len(own), 8) ** 0.5
            within += share * spread.T @ spread / (len(own) - 1)
            weight += share
    within /= weight
    within += shrinkage * np.trace(within) / dim * np.eye(dim)
    values, axes = np.linalg.eigh(within)
    whiten = axes / np.sqrt(values)
    between = np.cov(np.array(means).T)
    _, axes = np.linalg.eigh(whiten.T @ between @ whiten)
    found: Floats = whiten @ axes[:, ::-1][:, :N_DIMENSIONS]
    return found


def projected(table: pd.DataFrame, vectors: Floats, shaping: Floats) -> Callable[[Floats], Floats]:
    """The projection to unit vectors ``[clips, 192]``, made from the rows that are ``shaping``."""
    speakers, mean = table["speaker"].to_numpy()[shaping], vectors[shaping].mean(axis=0)
    axes = discriminant_projection(unit(vectors[shaping] - mean), speakers, shrinkage=SHRINKAGE)
    return lambda others: unit(unit(others - mean) @ axes)


def turn_towards(own: Floats, others: Floats) -> Floats:
    """The rotation of ``others`` ``[clips, dim]`` that comes nearest to ``own`` (Procrustes).

    Cosines stay as they are, and an encoder that begins with the vectors ``own`` need not unlearn
    where its axes point.
    """
    left, _, right = np.linalg.svd(others.T @ own)
    rotation: Floats = left @ right
    return rotation


def shapes_the_teacher(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows that training hears: of its splits, and of nobody who is held out."""
    held_out = np.asarray(table["speaker"].map(is_known_held_out), dtype=np.bool_)
    return heard_in_training(table) & ~held_out


def heard_in_training(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows of the splits that training may use."""
    return np.asarray(table["split"].isin(["train", "unlabelled"]), dtype=np.bool_)


def is_known_held_out(speaker: str) -> bool:
    """Whether this is somebody, who is held out."""
    return speaker != "" and is_held_out(speaker)


def drawn_to_speaker_means(vectors: Floats, speakers: Floats) -> Floats:
    """Each known speaker's unit vectors plus their mean, unit again, ``[clips, dim]``."""
    targets = vectors.copy()
    for speaker in set(speakers) - {""}:
        rows = speakers == speaker
        targets[rows] = unit(vectors[rows] + vectors[rows].mean(axis=0))
    return targets


def save(path: Path, table: pd.DataFrame, vectors: Floats) -> None:
    """A table of embeddings."""
    paths = table["path"].to_numpy(dtype=str)
    with whole_file(path) as file:
        np.savez(file, paths=paths, embeddings=vectors.astype(np.float32))


def main(data: Data, out: Path = RUNS / "teacher", beside: Path | None = None) -> None:
    """Write Resemblyzer's vectors, their projection and what training is drawn to into ``out``."""
    speech = data / "speech"
    (out / "teacher").mkdir(parents=True, exist_ok=True)
    table = read_manifest(speech / "manifest.csv", required=("path", "speaker", "split"))
    taught = heard_in_training(table)

    def heard(speed: float) -> tuple[Floats, Floats]:
        """Resemblyzer's vectors and those of the model beside it, ``[clips, dim]`` each."""
        rows = table if speed == 1.0 else table[taught]
        paths = [speech / path for path in rows["path"]]
        both = kept_vectors(out, paths, speed=speed, model=beside)
        return both[:, :N_RESEMBLYZER], both[:, N_RESEMBLYZER:]

    vectors, others = heard(1.0)
    shaping = shapes_the_teacher(table)
    project = projected(table, vectors, shaping)
    reduced = project(vectors)
    save(out / "resemblyzer.npz", table, vectors)
    save(out / "resemblyzer_lda.npz", table, reduced)
    both = np.concatenate([reduced, others], axis=1)[shaping]
    axes = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, :N_DIMENSIONS]
    if beside:
        axes = axes @ turn_towards(others[shaping], both @ axes)
    for speed in SPEEDS:
        vectors, others = heard(speed)
        if speed == 1.0:
            vectors, others = vectors[taught], others[taught]
        targets = unit(np.concatenate([project(vectors), others], axis=1) @ axes)
        targets = drawn_to_speaker_means(targets, table["speaker"].to_numpy()[taught])
        save(out / "teacher" / f"speed-{speed:g}.npz", table[taught], targets)


if __name__ == "__main__":
    run_command(main, words=__doc__)
