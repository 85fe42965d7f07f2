"""Trial lists and score files as pandas tables, and vectors in npz files."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.calibration import Calibration


def score_trials(trials: pd.DataFrame, embeddings: EmbeddingTable) -> NDArray[np.float64]:
    """Cosine of each trial's two vectors, float64 ``[trials]``."""
    enroll = embeddings.vectors[embeddings.rows(trials["enroll"])]
    test = embeddings.vectors[embeddings.rows(trials["test"])]
    return np.einsum("ij,ij->i", enroll, test, dtype=np.float64)


def calibrated_trials(
    trials: pd.DataFrame, embeddings: EmbeddingTable, calibration: Calibration
) -> NDArray[np.float64]:
    """Log-likelihood ratio of each trial's two clips, of unknown length; float64 ``[trials]``."""
    by_clip = calibration.crowding(embeddings.vectors)
    sides = [by_clip[embeddings.rows(trials[side])] for side in ("enroll", "test")]
    cosines = score_trials(trials, embeddings)
    return calibration.log_likelihood_ratio(cosines, 1, crowding=np.mean(sides, axis=0))
