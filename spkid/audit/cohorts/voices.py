"""Speakers who sound alike: spherical k-means on mean vectors, as many cohorts as are stable."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import halves
from spkid.encoder.vectors import Floats, nearest, spherical_k_means

MAX_COHORTS = 12
N_STABILITY_PAIRS = 10  # pairs of half-samples for each number of cohorts
N_TYPICAL = 3  # clips to listen to, each of another speaker


def stability_of(vectors: Floats, n_cohorts: int, *, seed: int) -> Floats:
    """Adjusted Rand index of two searches on disjoint halves, for each pair of halves.

    Both searches assign all of ``vectors``; 1 means that they found the same cohorts.
    """
    from sklearn.metrics import adjusted_rand_score

    found = []
    for pair in range(N_STABILITY_PAIRS):
        first = halves(len(vectors), seed=seed + pair)
        parts = (vectors[first], vectors[~first])
        assigned = [
            nearest(vectors, spherical_k_means(part, n_cohorts, seed=seed + pair)) for part in parts
        ]
        found.append(adjusted_rand_score(*assigned))
    return np.array(found)


def choose_n_cohorts(vectors: Floats, *, seed: int) -> tuple[int, pd.DataFrame]:
    """The largest number of cohorts that is as stable as the most stable one.

    As stable means within one standard error. The gap between cohorts has no say.
    """
    most = max(2, min(MAX_COHORTS, len(vectors) // MIN_SPEAKERS))
    rows = []
    for n_cohorts in range(2, most + 1):
        values = stability_of(vectors, n_cohorts, seed=seed)
        rows.append((n_cohorts, float(values.mean()), float(values.std(ddof=1))))
    table = pd.DataFrame(rows, columns=["n_cohorts", "mean", "deviation"])
    best = table.loc[table["mean"].idxmax()]
    least = best["mean"] - best["deviation"] / np.sqrt(N_STABILITY_PAIRS)
    return int(table["n_cohorts"][table["mean"] >= least].max()), table


def typical_clips(
    clips: pd.DataFrame, vectors: NDArray[np.float32], centroids: Floats
) -> pd.DataFrame:
    """For each centroid the nearest clips, one of a speaker."""
    tables = []
    for number, closeness in enumerate(centroids @ vectors.T):
        ranked = clips.assign(cohort=number, cosine=closeness).sort_values(
            "cosine", ascending=False, kind="stable"
        )
        tables.append(ranked.drop_duplicates("speaker").head(N_TYPICAL))
    columns = ["cohort", "speaker", "path", "cosine"]
    return pd.concat(tables, ignore_index=True)[columns]


def main_directions(vectors: Floats) -> Floats:
    """The two principal components, ``[speakers, dim]`` -> ``[speakers, 2]``."""
    from sklearn.decomposition import PCA

    return np.asarray(PCA(n_components=2, svd_solver="full").fit_transform(vectors))
