"""Teacher vectors for distillation, from Resemblyzer (Apache-2.0, `pip install resemblyzer`).

    python benchmarks/teacher.py --data DIR --out runs/teacher

Writes three tables of embeddings: `resemblyzer.npz`, Resemblyzer's 256-vector of every clip;
`resemblyzer_lda.npz`, the same through a linear discriminant projection to 192 dimensions
that is estimated on the training speakers (never on held-out or test speakers); and
`teacher.npz`, the projected vectors of the clips that training may hear, a known speaker's
drawn towards the speaker's mean. The first two are baselines for `accuracy.py`, the third is
what the bundled model is distilled from. About fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from spkid.audio import load_audio
from spkid.manifest import read_manifest
from spkid.training.corpus import is_held_out

N_DIMENSIONS = 192
SHRINKAGE = 1.0  # of the within-speaker covariance; chosen on held-out training speakers


def resemblyzer_vectors(root: Path, paths: list[str]) -> np.ndarray:
    """Resemblyzer's utterance vectors, float32 ``[clips, 256]``."""
    from resemblyzer import VoiceEncoder, preprocess_wav
    from rich.progress import track

    encoder = VoiceEncoder("cpu", verbose=False)
    vectors = []
    for path in track(paths, description="Resemblyzer"):
        waveform = load_audio(root / path)
        trimmed = preprocess_wav(waveform, 16_000)
        heard = trimmed if len(trimmed) >= 4_000 else waveform
        vectors.append(encoder.embed_utterance(heard))
    return np.stack(vectors).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def discriminant_projection(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Fisher's linear discriminants as columns, ``[256, 192]``, of the rows with a speaker."""
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
    within += SHRINKAGE * np.trace(within) / dim * np.eye(dim)
    values, axes = np.linalg.eigh(within)
    whiten = axes / np.sqrt(values)
    between = np.cov(np.array(means).T)
    _, axes = np.linalg.eigh(whiten.T @ between @ whiten)
    return whiten @ axes[:, ::-1][:, :N_DIMENSIONS]


def projected(table: pd.DataFrame, vectors: np.ndarray) -> np.ndarray:
    """Unit vectors ``[clips, 192]`` of all rows; only trained-on rows shape the projection."""
    speakers = table["speaker"].to_numpy()
    trained = heard_in_training(table) & ~table["speaker"].map(is_known_held_out).to_numpy()
    centred = unit(vectors - vectors[trained].mean(axis=0))
    return unit(centred @ discriminant_projection(centred[trained], speakers[trained]))


def heard_in_training(table: pd.DataFrame) -> np.ndarray:
    """Rows of the splits that training may use."""
    return table["split"].isin(["train", "unlabelled"]).to_numpy()


def is_known_held_out(speaker: str) -> bool:
    return speaker != "" and is_held_out(speaker)


def drawn_to_speaker_means(vectors: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Each known speaker's unit vectors plus their mean, unit again, ``[clips, dim]``."""
    targets = vectors.copy()
    for speaker in set(speakers) - {""}:
        rows = speakers == speaker
        targets[rows] = unit(vectors[rows] + vectors[rows].mean(axis=0))
    return targets


def save(path: Path, table: pd.DataFrame, vectors: np.ndarray) -> None:
    paths = table["path"].to_numpy(dtype=str)
    np.savez(path, paths=paths, embeddings=vectors.astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    table = read_manifest(arguments.data / "manifest.csv", required=("path", "speaker", "split"))
    vectors = resemblyzer_vectors(arguments.data, list(table["path"]))
    arguments.out.mkdir(parents=True, exist_ok=True)
    save(arguments.out / "resemblyzer.npz", table, vectors)
    reduced = projected(table, vectors)
    save(arguments.out / "resemblyzer_lda.npz", table, reduced)
    heard = heard_in_training(table)
    targets = drawn_to_speaker_means(reduced[heard], table["speaker"].to_numpy()[heard])
    save(arguments.out / "teacher.npz", table[heard], targets)


if __name__ == "__main__":
    main()
