"""What can be done about a cohort: the methods, and calibration by group, which needs no torch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.encoder.vectors import Floats
from spkid.errors import BadTable

TRAINED = ("reweighting", "oversampling", "ewc")  # these need clips, an encoder and torch
CALIBRATION = "calibration"

CAVEAT = (
    "Calibration by group decides by group membership: of two people with the same score, one "
    "may be accepted and the other rejected. The group of the enrolled person must be known "
    "whenever it decides, and treating people differently by age, gender, origin or language may "
    "be unlawful where you are. It is shown for comparison and never chosen."
)


def groupwise_calibration(
    trials: pd.DataFrame, scores: Floats, *, cohort: Iterable[str], choosing: Iterable[str]
) -> Floats:
    """Log-likelihood ratios by a map for those enrolled from the cohort and one for all others.

    Both maps are fitted on trials whose two speakers are among ``choosing``; see ``CAVEAT``.

    Raises
    ------
    BadTable
        If one of the two has fewer than ``MIN_SPEAKERS`` speakers to fit on, or its strangers
        score as high as its own.
    """
    enrolled = trials["enroll_speaker"].astype(object).to_numpy()
    tested = trials["test_speaker"].astype(object).to_numpy()
    of_cohort = np.isin(enrolled, list(cohort))
    usable = np.isin(enrolled, list(choosing)) & np.isin(tested, list(choosing))
    label = trials["label"].to_numpy(bool)
    calibrated = np.empty(len(trials))
    # any system's scale: the fit stops too early where the scores hardly differ
    scores = (scores - scores.mean()) / scores.std()
    for part, words in ((of_cohort, "in the cohort"), (~of_cohort, "outside the cohort")):
        n_speakers = len(set(enrolled[part & usable & label]))
        if n_speakers < MIN_SPEAKERS or not (part & usable & ~label).any():
            raise BadTable(
                f"{n_speakers} speakers {words} to fit a calibration on",
                expected=f"{MIN_SPEAKERS} or more among those for choosing, with trials of both "
                "kinds",
                do="give more speakers, or leave out the calibration by group",
                code="small_cohort",
            )
        fitted = part & usable
        calibrated[part] = log_likelihood_ratios(scores[part], scores[fitted], label[fitted])
    return calibrated


def log_likelihood_ratios(scores: Floats, fitted: Floats, label: NDArray[np.bool_]) -> Floats:
    """``scores`` through the logistic map of the ``fitted`` ones, both labels weighing the same."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6, class_weight="balanced").fit(fitted[:, None], label)
    if model.coef_[0, 0] <= 0:
        raise BadTable(
            "strangers who score as high as the speakers themselves",
            expected="higher scores for trials of one speaker",
            do="check the labels and the sign of the scores",
        )
    return np.asarray(model.decision_function(scores[:, None]), dtype=np.float64)
