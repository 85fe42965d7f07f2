"""Teacher vectors for distillation, from Resemblyzer (Apache-2.0, `pip install resemblyzer`).

    python benchmarks/teacher.py --data DIR --out teacher.npz

Every clip of the manifest that training may hear (splits `train` and `unlabelled`) gets
Resemblyzer's 256-vector; a linear discriminant projection estimated on the training speakers
(never on held-out ones) makes 192 dimensions of it, and a known speaker's clips are drawn
towards the speaker's mean. About eight minutes on two cores.
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
    """Fisher's linear discriminants as columns, ``[256, 192]``; rows without a speaker are skipped."""
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


def teacher_targets(table: pd.DataFrame, vectors: np.ndarray) -> np.ndarray:
    """Unit targets float32 ``[clips, 192]`` for the clips of ``table``, held-out ones too."""
    speakers = table["speaker"].to_numpy()
    trained = np.array([not (name and is_held_out(name)) for name in speakers])
    centred = unit(vectors - vectors[trained].mean(axis=0))
    projected = unit(centred @ discriminant_projection(centred[trained], speakers[trained]))
    targets = projected.copy()
    for speaker in set(speakers) - {""}:
        rows = speakers == speaker
        targets[rows] = unit(projected[rows] + projected[rows].mean(axis=0))
    return targets.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    table = read_manifest(arguments.data / "manifest.csv", required=("path", "speaker", "split"))
    table = table[table["split"].isin(["train", "unlabelled"])]
    vectors = resemblyzer_vectors(arguments.data, list(table["path"]))
    np.savez(
        arguments.out,
        paths=table["path"].to_numpy(dtype=str),
        embeddings=teacher_targets(table, vectors),
    )


if __name__ == "__main__":
    main()
