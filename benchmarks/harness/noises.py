"""Clips of noise by kind, and how loud a waveform is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import NotFound

CHUNK_SAMPLES = 512  # 32 ms, what Silero judges at a time
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
HUMAN_SOUNDS = ("baby-cry", "breathing", "coughing", "laughing", "person-sneeze", "snoring")


def is_human(kind: str) -> bool:
    """Whether people make this sound."""
    return any(sound in kind for sound in HUMAN_SOUNDS)


def noise_files(folder: Path) -> dict[str, list[Path]]:
    """Files by kind, the middle part of a name such as ``<corpus>_<kind>_<id>.opus``.

    Raises
    ------
    NotFound
        If there is no noise but sounds that people make.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.opus")):
        parts = path.stem.split("_")
        files.setdefault(parts[min(1, len(parts) - 1)], []).append(path)
    if all(is_human(kind) for kind in files):
        raise NotFound(
            f"{folder}: no noise", expected="opus files of noise", do="name another --data"
        )
    return files


def things(folder: Path, fold: int | None = None) -> list[Path]:
    """The files of noise that no people make, of one of the data set's folds or of all."""
    files = noise_files(folder)
    paths = [path for kind in files if not is_human(kind) for path in files[kind]]
    return [path for path in paths if fold in (None, fold_of(path))]


def at_speed(clip: Waveform, speed: float) -> Waveform:
    """Faster and higher, or slower and lower."""
    at = np.arange(0, len(clip) - 1, speed)
    heard: Waveform = np.interp(at, np.arange(len(clip)), clip).astype(np.float32)
    return heard


def chunk_levels_dbfs(waveform: Waveform) -> NDArray[np.float64]:
    """The level of each whole chunk of 32 ms, ``[chunks]``."""
    n_chunks = len(waveform) // CHUNK_SAMPLES
    chunks = waveform[: n_chunks * CHUNK_SAMPLES].reshape(n_chunks, CHUNK_SAMPLES)
    power = np.square(chunks, dtype=np.float64).mean(axis=1) + 1e-12
    levels_dbfs: NDArray[np.float64] = 10 * np.log10(power)
    return levels_dbfs


def loudest(clip: Waveform, seconds: float) -> Waveform:
    """The part of ``clip`` of that length with the most energy; all of a shorter clip."""
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    if len(clip) <= n_samples:
        return clip
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip, dtype=np.float64))])
    start = int(np.argmax(energy[n_samples:] - energy[:-n_samples]))
    return clip[start : start + n_samples]


def fold_of(path: Path) -> int:
    """The fold in a name of ESC's, ``<corpus>_<kind>_<fold>-<clip>-<take>.opus``."""
    return int(path.stem.split("_")[-1].split("-")[0])
