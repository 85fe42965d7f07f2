"""How many of what is heard is true, and how much of what is true is heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.model.ears.mixtures import NOT_COUNTED, Mixture
from spkid.audio.ears import Frames

NEAR_FRAMES = 12  # 0.25 s


def several_scores(
    mixtures: Sequence[Mixture], heard: Sequence[NDArray[Any]], probability: float
) -> dict[str, float]:
    """F1, precision and recall of the frames in which several speak, ``heard`` ``[frames, 3]``."""
    truth = np.concatenate([mixture.n_voices() for mixture in mixtures])
    said = np.concatenate([voices[:, 2] >= probability for voices in heard])
    said &= truth != NOT_COUNTED
    n_both, n_said, n_true = int((said & (truth == 2)).sum()), int(said.sum()), (truth == 2).sum()
    return {
        "f1": round(2 * n_both / max(n_said + int(n_true), 1), 4),
        "precision": round(n_both / max(n_said, 1), 4),
        "recall": round(n_both / max(int(n_true), 1), 4),
    }


def change_scores(
    mixtures: Sequence[Mixture], heard: Sequence[Frames], probability: float
) -> dict[str, float]:
    """How many changes of voice are found within 0.25 s, and how many of those said are true."""
    n_true = n_found = n_said = n_right = 0
    for mixture, frames in zip(mixtures, heard, strict=True):
        said, true = frames.new_voices(probability), np.array(mixture.onsets, dtype=np.int64)
        near = np.abs(said[:, None] - true[None]) <= NEAR_FRAMES
        n_true, n_said = n_true + len(true), n_said + len(said)
        n_found += int(near.any(axis=0).sum())
        n_right += int(near.any(axis=1).sum())
    return {
        "changes": n_true,
        "found": round(n_found / max(n_true, 1), 4),
        "right_of_those_said": round(n_right / max(n_said, 1), 4),
    }
