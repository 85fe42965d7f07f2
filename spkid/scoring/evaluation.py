"""The usual figures of one score file."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from spkid.errors import BadTable
from spkid.scoring.metrics import (
    equal_error_rate,
    log_likelihood_ratio_cost,
    min_detection_cost,
    min_log_likelihood_ratio_cost,
)


@dataclass(frozen=True)
class ScoreFigures:
    """Rates in 0..1, costs normalised, Cllr in bits (meaningful for log-likelihood ratios)."""

    n_target: int
    n_impostor: int
    equal_error_rate: float
    min_dcf_001: float
    min_dcf_005: float
    cllr: float
    min_cllr: float


def evaluate_scores(table: pd.DataFrame) -> ScoreFigures:
    """Figures of a table with ``score`` and ``label``, as ``score_files.read_scores`` gives.

    Raises
    ------
    BadTable
        Without trials of both kinds.
    """
    label = table["label"].to_numpy(dtype=bool)
    target, impostor = table["score"].to_numpy()[label], table["score"].to_numpy()[~label]
    if not len(target) or not len(impostor):
        raise BadTable(
            f"{len(target)} same-speaker and {len(impostor)} different-speaker trials",
            expected="both kinds",
            do="give a score file with both",
        )
    return ScoreFigures(
        n_target=len(target),
        n_impostor=len(impostor),
        equal_error_rate=equal_error_rate(target, impostor),
        min_dcf_001=min_detection_cost(target, impostor, target_prior=0.01),
        min_dcf_005=min_detection_cost(target, impostor, target_prior=0.05),
        cllr=log_likelihood_ratio_cost(target, impostor),
        min_cllr=min_log_likelihood_ratio_cost(target, impostor),
    )
