"""Error rates under resampled speakers, by weighing trials: for changes from one system to another.

The audit's intervals (`spkid.audit`) are of one figure; what becomes of two systems' figures is
resampled here in pairs. Trials of two speakers weigh by the product of both draws (the pigeonhole
bootstrap), which makes intervals too wide rather than too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.audit import speaker_draws

Floats = NDArray[np.float64]


def trial_weights(
    enroll: NDArray[np.intp], test: NDArray[np.intp], *, n_resamples: int, seed: int
) -> NDArray[np.int64]:
    """Weight of each trial as measured (1) and in each resample, ``[1 + resamples, trials]``.

    ``enroll`` and ``test`` number the speakers. A trial of one speaker counts as often as the
    speaker is drawn, a trial of two as often as the product says.
    """
    n_speakers = int(max(enroll.max(), test.max())) + 1
    draws = speaker_draws(n_speakers, n_resamples, seed=seed)
    draws = np.concatenate([np.ones_like(draws[:1]), draws])
    return np.where(enroll == test, draws[:, enroll], draws[:, enroll] * draws[:, test])


def weighted_share(hits: NDArray[np.bool_], weights: NDArray[np.int64]) -> Floats:
    """Share of the weight on ``hits`` ``[trials]``, one value a resample; NaN without weight."""
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share: Floats = (weights @ hits) / np.where(total > 0, total, np.nan)
    return share


def weighted_equal_error_rates(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.int64]
) -> Floats:
    """Equal error rate of each resample, ``[resamples]``; as ``metrics.equal_error_rate``."""
    order = np.argsort(scores, kind="stable")
    ordered, is_target = scores[order], labels[order]
    # position where each distinct score starts, and one past the end: nothing accepted
    starts = np.append(np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0), len(ordered))
    rates = np.full(len(weights), np.nan)
    for row, weight in enumerate(weights[:, order]):
        below_target = np.concatenate([[0], np.cumsum(weight * is_target)])[starts]
        below_impostor = np.concatenate([[0], np.cumsum(weight * ~is_target)])[starts]
        if below_target[-1] == 0 or below_impostor[-1] == 0:
            continue
        false_non_match = below_target / below_target[-1]
        false_match = 1 - below_impostor / below_impostor[-1]
        closest = np.argmin(np.abs(false_match - false_non_match))
        rates[row] = (false_match[closest] + false_non_match[closest]) / 2
    return rates
