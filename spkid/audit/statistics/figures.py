"""The figures of a set of trials, each with what every single trial adds to it.

To first order every figure is a mean over target trials plus a mean over impostor trials of a
cost a trial. That is exact for error rates at a given threshold, for Cllr and for the mean
score; for minDCF and minCllr it follows from the envelope theorem (at the minimum, moving the
threshold or the calibration changes nothing); for the EER the costs of both kinds are weighed
by the slope of the error curve where they meet. Costs of the two fitted figures are those at the
threshold and calibration of the smoothed scores: under their own, which avoid the errors of the
very scores that they were fitted to, the figures would look surer than they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spkid.audit.statistics.smooth import Smoothed
from spkid.encoder.vectors import Floats
from spkid.scoring.metrics import ErrorCurve

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
    """A figure's value, and the cost of each target and impostor trial; None adds nothing."""

    name: str
    value: float
    target: Floats | None
    impostor: Floats | None


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

    def detection_cost(self, smoothed: Smoothed) -> Costed:
        """The minimum detection cost."""
        weights = smoothed.weights
        costs = weights[0] * self.false_non_match + weights[1] * self.false_match
        return Costed(
            "min_dcf",
            float(costs.min()),
            weights[0] * (self.target < smoothed.threshold),
            weights[1] * (self.impostor >= smoothed.threshold),
        )

    def calibration_loss(self, smoothed: Smoothed) -> Iterator[Costed]:
        """Cllr, and what is lost of it to calibration: Cllr less minCllr."""
        own = np.logaddexp(0, -self.target) / np.log(4)
        strangers = np.logaddexp(0, self.impostor) / np.log(4)
        cllr = float(own.mean() + strangers.mean())
        yield Costed("cllr", cllr, own, strangers)
        own += np.log2(smoothed.posteriors(self.target)) / 2
        strangers += np.log2(1 - smoothed.posteriors(self.impostor)) / 2
        loss = cllr - self.min_log_likelihood_ratio_cost()
        yield Costed("calibration_loss", loss, own, strangers)


def costed_figures(
    target: Floats, impostor: Floats, threshold: float, smoothed: Smoothed | None
) -> Iterator[Costed]:
    """Each of :data:`FIGURES` that the scores of one set of trials define.

    Parameters
    ----------
    target, impostor : float64 ``[trials]``
        Finite scores; either may be empty, which leaves out the figures that need it.
    threshold : float
        The shared threshold.
    smoothed : Smoothed, optional
        Of the same scores; None where either is empty.
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
    if smoothed is None:
        return
    curve = Curve(target, impostor)
    yield curve.equal_error()
    yield curve.detection_cost(smoothed)
    yield from curve.calibration_loss(smoothed)
