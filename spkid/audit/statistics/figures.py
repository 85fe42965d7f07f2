"""The figures of a set of trials, each with what every single trial adds to it.

To first order every figure is a mean over target trials plus a mean over impostor trials of a
cost a trial. That is exact for error rates at a given threshold, for Cllr and for the mean
score; for minDCF and minCllr it follows from the envelope theorem (at the minimum, moving the
threshold or the calibration changes nothing); for the EER the costs of both kinds are weighed
by the slope of the error curve where they meet. The intervals need nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spkid.encoder.vectors import Floats
from spkid.scoring.metrics import LEAST_AND_MOST, ErrorCurve

Scale = Literal["logit", "log", "identity"]


@dataclass(frozen=True)
class Figure:
    """``words`` is its name for people, ``scale`` the one on which it is closest to normal.

    ``is_rate``: one of the rates in 0..1 on which the verdict rests.
    """

    name: str
    words: str
    scale: Scale
    is_rate: bool = False


FIGURES = (
    Figure("false_match_rate", "FMR", "logit", is_rate=True),
    Figure("false_non_match_rate", "FNMR", "logit", is_rate=True),
    Figure("equal_error_rate", "EER, own threshold", "logit", is_rate=True),
    Figure("min_dcf", "minDCF, own threshold", "log"),
    Figure("cllr", "Cllr, bit", "log"),
    Figure("calibration_loss", "Cllr - minCllr, bit", "identity"),
    Figure("target_mean", "mean own score", "identity"),
    Figure("impostor_mean", "mean strangers' score", "identity"),
)


@dataclass(frozen=True)
class Costed:
    """A figure's value, and the cost of each target and impostor trial; None adds nothing.

    ``optimism``: how much too high the value is on average for having been fitted.
    """

    name: str
    value: float
    target: Floats | None
    impostor: Floats | None
    optimism: float = 0.0


class Curve(ErrorCurve):
    """The figures of a set of trials, and what every trial costs."""

    def __init__(self, target: Floats, impostor: Floats) -> None:
        super().__init__(target, impostor)
        self.target, self.impostor = target, impostor

    def equal_error(self) -> Costed:
        """The equal error rate."""
        apart = self.false_match - self.false_non_match
        at, value = self.closest(), self.equal_error_rate()
        # the slope of the error curve, between where one error is about half and twice the other
        width = max(value / 2, 1 / len(self.target))
        left, right = np.searchsorted(-apart, [-width, width])
        right = min(right, len(apart) - 1)
        rise = self.false_non_match[right] - self.false_non_match[left]
        fall = self.false_match[left] - self.false_match[right]
        share = fall / (rise + fall) if rise + fall > 0 else 0.5
        threshold = self.thresholds[at]
        return Costed(
            "equal_error_rate",
            value,
            share * (self.target < threshold),
            (1 - share) * (self.impostor >= threshold),
        )

    def detection_cost(self, target_prior: float) -> Costed:
        """The minimum detection cost."""
        weights = np.array([target_prior, 1 - target_prior])
        weights /= weights.min()
        cost = self.detection_costs(target_prior)
        at = int(cost.argmin())
        threshold = self.thresholds[at]
        return Costed(
            "min_dcf",
            float(cost[at]),
            weights[0] * (self.target < threshold),
            weights[1] * (self.impostor >= threshold),
        )

    def posteriors(self) -> tuple[Floats, Floats, float]:
        """Probability of "same speaker" after the best monotone calibration, classes even.

        For target trials, for impostor trials, and by how many bits the fit makes minCllr look
        lower than it is: to second order, half of ``(1 - q) / (2 n_target) + q / (2 n_impostor)``
        for each level ``q`` that was fitted, an isotonic fit having as many free values as levels.
        """
        each = 0.5 / len(self.target), 0.5 / len(self.impostor)
        fitted = self.calibrated()
        levels = np.unique(fitted.round(9))  # rounding alone makes no two levels of one
        levels = levels[(levels > 0) & (levels < 1)]
        optimism = float(((1 - levels) * each[0] + levels * each[1]).sum() / 2 / np.log(2))
        of_trial = np.clip(fitted, *LEAST_AND_MOST)[self.position]
        return of_trial[: len(self.target)], of_trial[len(self.target) :], optimism


def costed_figures(
    target: Floats, impostor: Floats, threshold: float, *, target_prior: float
) -> Iterator[Costed]:
    """Each of :data:`FIGURES` that the scores of one set of trials define.

    Parameters
    ----------
    target, impostor : float64 ``[trials]``
        Finite scores; either may be empty, which leaves out the figures that need it.
    threshold : float
        The shared threshold.
    target_prior : float
        Prior of minDCF.
    """
    if len(impostor):
        accepted = (impostor >= threshold).astype(np.float64)
        yield Costed("false_match_rate", float(accepted.mean()), None, accepted)
        del accepted
    if len(target):
        rejected = (target < threshold).astype(np.float64)
        yield Costed("false_non_match_rate", float(rejected.mean()), rejected, None)
        yield Costed("target_mean", float(target.mean()), target, None)
    if len(impostor):
        yield Costed("impostor_mean", float(impostor.mean()), None, impostor)
    if not len(target) or not len(impostor):
        return
    curve = Curve(target, impostor)
    yield curve.equal_error()
    yield curve.detection_cost(target_prior)
    own = np.logaddexp(0, -target) / np.log(4)
    strangers = np.logaddexp(0, impostor) / np.log(4)
    cllr = float(own.mean() + strangers.mean())
    yield Costed("cllr", cllr, own, strangers)
    same, other, optimism = curve.posteriors()
    own += np.log2(same) / 2
    strangers += np.log2(1 - other) / 2
    loss = float(own.mean() + strangers.mean())
    yield Costed("calibration_loss", loss, own, strangers, optimism)
