"""Adaptive symmetric score normalisation (s-norm) against a cohort of strangers.

A cosine is judged by how near strangers come to either side: with ``m`` and ``d`` the mean and
the standard deviation of a side's ``n_top`` highest cosines against the cohort, the score is
``((s - m_enrolled) / d_enrolled + (s - m_test) / d_test) / 2``. After Cumani et al.,
"Comparison of speaker recognition approaches for real applications", Interspeech 2011, and
Matejka et al., "Analysis of score normalization in multilingual speaker recognition",
Interspeech 2017. Off unless asked for: a cohort is voices of real people, so none comes with
spkid, and no calibration or threshold holds for such scores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable, ModelMismatch
from spkid.scoring.scale import Floats
from spkid.scoring.trials import score_trials

BLOCK_ROWS = 1024  # vectors held against the whole cohort at once


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the highest cosines against a cohort, ``[vectors]``."""

    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class Cohort:
    """Unit vectors ``[strangers, dim]`` of nobody who is scored, best one for each speaker."""

    vectors: Floats = field(repr=False)
    n_top: int

    @classmethod
    def load(cls, path: str | Path, *, like: EmbeddingTable, n_top: int) -> Cohort:
        """A file of embeddings as a cohort for the vectors of ``like``.

        Raises
        ------
        BadTable
            If the file is no table of embeddings or holds fewer than ``n_top`` vectors; if
            ``n_top`` is below two.
        ModelMismatch
            If it is of another model than ``like``.
        """
        table = EmbeddingTable.load(path)
        table.check_model(
            like.model,
            name=f"{path}: a cohort",
            expected="the model of the vectors that are scored",
            do="embed the cohort with the same model",
        )
        if table.vectors.shape[1] != like.vectors.shape[1]:
            raise ModelMismatch(
                f"{path}: a cohort of {table.vectors.shape[1]} dimensions",
                expected=f"{like.vectors.shape[1]}, as the vectors that are scored have",
                do="embed the cohort with the same model",
            )
        if not 2 <= n_top <= len(table.vectors):
            raise BadTable(
                f"{path}: the {n_top} nearest of a cohort of {len(table.vectors)}",
                expected="two or more, and no more than the cohort has",
                do="give a larger cohort, or another n_top=",
            )
        return cls(table.vectors.astype(np.float64), n_top)

    def moments(self, vectors: NDArray[np.floating]) -> Moments:
        """Of the ``n_top`` highest cosines of each of ``vectors`` ``[n, dim]``.

        Raises
        ------
        BadTable
            If these cosines are all alike.
        """
        mean, deviation = np.empty(len(vectors)), np.empty(len(vectors))
        for start in range(0, len(vectors), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            cosines = np.asarray(vectors[block], dtype=np.float64) @ self.vectors.T
            top = np.partition(cosines, -self.n_top, axis=1)[:, -self.n_top :]
            mean[block], deviation[block] = top.mean(axis=1), top.std(axis=1)
        if not (deviation >= 1e-9).all():
            raise BadTable(
                f"a cohort whose {self.n_top} nearest vectors are all equally near",
                expected="voices of different people",
                do="give a cohort without copies",
            )
        return Moments(mean, deviation)


def normalized(cosines: NDArray[np.floating], enrolled: Moments, test: Moments) -> Floats:
    """``cosines`` with the moments of both sides, which broadcast to it."""
    by_enrolled = (cosines - enrolled.mean) / enrolled.deviation
    return np.asarray((by_enrolled + (cosines - test.mean) / test.deviation) / 2)


def normalized_trials(trials: pd.DataFrame, embeddings: EmbeddingTable, cohort: Cohort) -> Floats:
    """:func:`spkid.scoring.trials.score_trials`, normalised; float64 ``[trials]``."""
    moments = cohort.moments(embeddings.vectors)

    def side(paths: pd.Series) -> Moments:
        rows = embeddings.rows(paths)
        return Moments(moments.mean[rows], moments.deviation[rows])

    cosines = score_trials(trials, embeddings)
    return normalized(cosines, side(trials["enroll"]), side(trials["test"]))
