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
from spkid.encoder.vectors import Floats
from spkid.errors import BadTable

MEMBERSHIP = "membership"
SHARPNESS = 10.0  # of the membership: a cosine higher by 0.1 is e times as much


def soft_membership(vectors: Floats, centroids: Floats) -> Floats:
    """How much each of ``vectors`` ``[n, dim]`` is of each cohort, ``[n, cohorts]``; sums to 1."""
    closeness = SHARPNESS * vectors @ centroids.T
    weights = np.exp(closeness - closeness.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


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
        The mean of both sides of each trial.
    choosing : iterable of str
        The map is fitted on trials whose two speakers are among these.

    Raises
    ------
    BadTable
        If there are fewer than ``MIN_SPEAKERS`` speakers to fit it on, or no strangers.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = list(choosing)
    sides = [trials[f"{side}_speaker"].astype(object).to_numpy() for side in ("enroll", "test")]
    usable = np.isin(sides[0], chosen) & np.isin(sides[1], chosen)
    label = trials["label"].to_numpy(bool)
    n_speakers = len(set(sides[0][usable & label]))
    if n_speakers < MIN_SPEAKERS or not (usable & ~label).any():
        raise BadTable(
            f"{n_speakers} speakers to fit a calibration on",
            expected=f"{MIN_SPEAKERS} or more among those for choosing, with trials of both kinds",
            do="give more speakers",
            code="small_cohort",
        )
    scaled = (scores - scores.mean()) / scores.std()
    apart = (membership - membership[usable].mean(axis=0))[:, 1:]  # the first follows from these
    inputs = np.column_stack([scaled, apart, scaled[:, None] * apart])
    # the usual penalty: where cohorts say nothing of the scores, their weights stay small
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit(inputs[usable], label[usable])
    return np.asarray(model.decision_function(inputs), dtype=np.float64)
