"""Calibration that knows which voices a voice is like, and no label of any person.

After Dheram et al., Interspeech 2022, whose second mitigation gives a model the membership in
cohorts that were found by voice alone. Here the map from scores to log-likelihood ratios has it as
an input: its level and its slope go over smoothly from one kind of voice to the next. Nobody's
group has to be known or asked for. It still treats people by how they sound.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.encoder.vectors import EmbeddingTable, Floats, mean_vectors, spherical_k_means
from spkid.errors import BadTable

MEMBERSHIP = "membership"
SIDES = ("enroll", "test")
N_COHORTS = 6
SHARPNESS = 10.0  # of the membership: a cosine higher by 0.1 is e times as much


def soft_membership(vectors: Floats, centroids: Floats) -> Floats:
    """How much each of ``vectors`` ``[n, dim]`` is of each cohort, ``[n, cohorts]``; sums to 1."""
    closeness = SHARPNESS * vectors @ centroids.T
    weights = np.exp(closeness - closeness.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def trial_membership(
    trials: pd.DataFrame, table: EmbeddingTable, *, choosing: Iterable[str], seed: int = 0
) -> Floats:
    """How much the two voices of each trial are of each cohort, ``[trials, cohorts]``.

    The cohorts are found by voice among the speakers in ``choosing``, with no label.

    Raises
    ------
    BadTable
        If ``table`` has no vector for a clip of the trials, or ``choosing`` fewer than
        ``MIN_SPEAKERS`` speakers.
    """
    sides = [
        trials[[side, f"{side}_speaker"]].set_axis(["path", "speaker"], axis=1) for side in SIDES
    ]
    clips = pd.concat(sides).astype(str).drop_duplicates("path")
    names, means = mean_vectors(clips, table.vectors[table.rows(clips["path"])])
    chosen = np.isin(names, list(choosing))
    check_enough(int(chosen.sum()))
    centroids = spherical_k_means(means[chosen], N_COHORTS, seed=seed)
    heard = (table.vectors[table.rows(trials[side].astype(str))] for side in SIDES)
    one, other = (soft_membership(own.astype(np.float64), centroids) for own in heard)
    return (one + other) / 2


def check_enough(n_speakers: int) -> None:
    """Refuse to fit a calibration on fewer than ``MIN_SPEAKERS`` speakers."""
    if n_speakers < MIN_SPEAKERS:
        raise BadTable(
            f"{n_speakers} speakers to fit a calibration on",
            expected=f"{MIN_SPEAKERS} or more among those for choosing, with trials of both kinds",
            do="give more speakers",
            code="small_cohort",
        )


def membership_calibration(
    trials: pd.DataFrame,
    scores: Floats,
    membership: Floats,
    *,
    choosing: Iterable[str],
) -> Floats:
    """Log-likelihood ratios by a map that changes with the membership of both voices.

    Parameters
    ----------
    trials : DataFrame
        ``enroll_speaker``, ``test_speaker`` and ``label`` (bool).
    scores : float64 ``[trials]``
    membership : float64 ``[trials, cohorts]``
        As :func:`trial_membership` gives it.
    choosing : iterable of str
        The map is fitted on trials whose two speakers are among these.

    Raises
    ------
    BadTable
        If fewer than ``MIN_SPEAKERS`` speakers have trials of both kinds to fit it on.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = list(choosing)
    sides = [trials[f"{side}_speaker"].astype(object).to_numpy() for side in SIDES]
    usable = np.isin(sides[0], chosen) & np.isin(sides[1], chosen)
    label = trials["label"].to_numpy(bool)
    check_enough(len(set(sides[0][usable & label])) if (usable & ~label).any() else 0)
    scaled = (scores - scores.mean()) / scores.std()
    apart = (membership - membership[usable].mean(axis=0))[:, 1:]  # the first follows from these
    inputs = np.column_stack([scaled, apart, scaled[:, None] * apart])
    # the usual penalty: where cohorts say nothing of the scores, their weights stay small
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit(inputs[usable], label[usable])
    return np.asarray(model.decision_function(inputs), dtype=np.float64)
