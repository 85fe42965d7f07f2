"""Scores of the trials of a list, and of all pairs of clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.scale import UNKNOWN_SPEECH_S, Floats, Scale


def score_trials(trials: pd.DataFrame, embeddings: EmbeddingTable) -> Floats:
    """Cosine of each trial's two vectors, float64 ``[trials]``."""
    enroll = embeddings.vectors[embeddings.rows(trials["enroll"])]
    test = embeddings.vectors[embeddings.rows(trials["test"])]
    return np.asarray(np.einsum("ij,ij->i", enroll, test, dtype=np.float64))


def calibrated_trials(trials: pd.DataFrame, embeddings: EmbeddingTable, scale: Scale) -> Floats:
    """Log-likelihood ratio of each trial's two clips, float64 ``[trials]``.

    A clip of unknown length counts as a whole sentence.

    Raises
    ------
    ModelMismatch
        If another model made the vectors than ``scale`` is for.
    """
    embeddings.check_model(scale.model)
    rows = np.stack([embeddings.rows(trials[side]) for side in ("enroll", "test")])
    crowding = scale.crowding(embeddings.vectors)[rows].mean(axis=0)
    speech_s = embeddings.seconds(rows, unknown=UNKNOWN_SPEECH_S).min(axis=0)
    cosines = score_trials(trials, embeddings)
    return scale.log_likelihood_ratio(cosines, 1, speech_s, crowding=crowding)


def all_pairs(
    vectors: NDArray[np.floating], speakers: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Cosines of all pairs of clips, each pair once.

    Parameters
    ----------
    vectors : float ``[clips, dim]``
        Unit vectors.
    speakers : ``[clips]``
        Who speaks in each clip.

    Returns
    -------
    target, impostor : float ``[pairs]``
        Of two clips of one speaker, and of two speakers; either may be empty.
    """
    cosines, names = vectors @ vectors.T, np.asarray(speakers)
    same = names[:, None] == names
    upper = np.triu(np.ones_like(same), k=1)
    return cosines[same & upper], cosines[~same & upper]
