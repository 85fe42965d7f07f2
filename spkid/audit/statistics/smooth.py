"""The scores of a set of trials without their accidents: smooth densities of both kinds.

The best threshold and the best calibration are fitted to the scores that they are judged on. Those
of the smoothed scores follow their accidents less, so that what a trial costs there says more of
other speakers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.encoder.vectors import Floats

N_BINS = 500
TAIL = 0.0005  # of either kind that may lie beyond the bins; it counts in the last ones
REACH = 6  # of the kernel, in bandwidths
LEAST_AND_MOST = 1e-9, 1 - 1e-9  # no bin is without either kind


class Kernel:
    """A Gaussian kernel for one kind of scores that leaves their mean and variance as they are.

    Silverman's bandwidth (Density Estimation, 1986, 3.31); scores are drawn towards their mean by
    as much as the kernel adds (Efron's smoothed bootstrap).
    """

    def __init__(self, scores: Floats) -> None:
        low, high = np.quantile(scores, [0.25, 0.75])
        deviation = float(scores.std())
        narrow = min(deviation, float(high - low) / 1.349) or deviation
        self.bandwidth = 0.9 * narrow * len(scores) ** -0.2
        self.mean = float(scores.mean())
        left = 1 - (self.bandwidth / deviation) ** 2 if deviation > 0 else 1.0
        self.shrink = float(np.sqrt(left))
        self.ends = np.quantile(self.drawn_in(scores), [TAIL, 1 - TAIL])
        self.ends += np.array([-REACH, REACH]) * self.bandwidth

    def drawn_in(self, scores: Floats) -> Floats:
        """``scores`` with a variance that is smaller by that of the kernel."""
        return np.asarray(self.mean + self.shrink * (scores - self.mean))


class Bins:
    """Bins of equal width from ``low`` to ``high``."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.width = low, (high - low) / N_BINS

    def of(self, scores: Floats) -> NDArray[np.intp]:
        """The bin of each score; the first and the last hold what lies beyond."""
        places = (scores - self.low) * (1 / self.width)
        return np.clip(places, 0, N_BINS - 1).astype(np.intp)


class Fit:
    """The threshold of least cost and the best monotone calibration of two histograms.

    Parameters
    ----------
    target, impostor : float64 ``[bins]``
        Shares of each kind, which sum to one.
    weights : float64 ``[2]``
        Of false non-matches and of false matches in the detection cost.

    Attributes
    ----------
    at : int
        The bin from which on scores are accepted.
    least_cost : float
    posteriors : float64 ``[bins]``
        Probability of "same speaker", classes even.
    min_cllr : float
        In bits.
    """

    def __init__(self, target: Floats, impostor: Floats, weights: Floats) -> None:
        from scipy.optimize import isotonic_regression

        missed = np.concatenate([[0.0], np.cumsum(target)])
        accepted = 1 - np.concatenate([[0.0], np.cumsum(impostor)])
        costs = weights[0] * missed + weights[1] * accepted
        self.at = int(costs.argmin())
        self.least_cost = float(costs[self.at])
        mass = target + impostor
        filled = np.flatnonzero(mass > 0)
        fitted = isotonic_regression(target[filled] / mass[filled], weights=mass[filled]).x
        # an empty bin belongs to the one below it
        below = np.searchsorted(filled, np.arange(len(mass)), side="right") - 1
        self.posteriors = np.clip(fitted[np.maximum(below, 0)], *LEAST_AND_MOST)
        self.min_cllr = self.cllr(target, impostor, self.posteriors)

    @staticmethod
    def cllr(target: Floats, impostor: Floats, posteriors: Floats) -> float:
        """Of two histograms under a calibration of their bins, in bits."""
        bits = target @ np.log2(posteriors) + impostor @ np.log2(1 - posteriors)
        return float(-bits / 2)


class Smoothed:
    """Both kinds of scores, smoothed, with what fits them best.

    Parameters
    ----------
    target, impostor : float64 ``[trials]``
        Finite; neither is empty, and not all are equal.
    target_prior : float
        Of the detection cost.
    """

    def __init__(self, target: Floats, impostor: Floats, target_prior: float) -> None:
        self.weights = np.array([target_prior, 1 - target_prior])
        self.weights /= self.weights.min()
        self.kernels = Kernel(target), Kernel(impostor)
        low, high = (
            float(end(ends)) for end, ends in zip((np.min, np.max), self._ends(), strict=True)
        )
        if not low < high:  # one value each, and the same: nothing tells them apart
            low, high = low - 0.5, high + 0.5
        self.bins = Bins(low, high)
        masses = [
            self._smooth(scores, kernel)
            for scores, kernel in zip((target, impostor), self.kernels, strict=True)
        ]
        self.fit = Fit(masses[0], masses[1], self.weights)

    def _ends(self) -> tuple[list[float], list[float]]:
        lows, highs = zip(*(kernel.ends for kernel in self.kernels), strict=True)
        return list(lows), list(highs)

    def _smooth(self, scores: Floats, kernel: Kernel) -> Floats:
        from scipy.ndimage import gaussian_filter1d

        counts = np.bincount(self.bins.of(kernel.drawn_in(scores)), minlength=N_BINS)
        width = kernel.bandwidth / self.bins.width
        mass = counts / len(scores)
        if width > 0:
            mass = gaussian_filter1d(mass, width, mode="nearest", truncate=REACH)
        return np.asarray(mass / mass.sum(), dtype=np.float64)

    @property
    def threshold(self) -> float:
        """From which score on accepting costs least."""
        return float(self.bins.low + self.fit.at * self.bins.width)

    def posteriors(self, scores: Floats) -> Floats:
        """Probability of "same speaker" of each score, classes even."""
        return np.asarray(self.fit.posteriors[self.bins.of(scores)])
