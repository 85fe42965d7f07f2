"""How sure a figure is when trials share speakers: speakers are what is resampled.

A trial of two speakers says something about both, so that neither trials nor pairs are
independent. With ``R_i`` the sum of (cost - figure) over the trials that touch speaker ``i``
and ``r_ij`` that over the trials of the pair, resampling speakers gives the variance
``sum_i R_i^2``, in which the noise of each pair stands twice (and three times when trials weigh
by the product of both draws, as the pigeonhole bootstrap has it). It is taken away once::

    V = k (sum_i R_i^2 - sum_ij r_ij^2) / N^2,   k = n (n - 1) / ((n - 2) (n - 3))

This is the dyadic cluster-robust variance (Aronow, Samii and Assenova, Political Analysis 2015);
``k`` makes it unbiased for a complete set of pairs of ``n`` speakers with effects on both sides
(our derivation). It is never taken below the variance that independent pairs would have,
``sum_ij r_ij^2 / N^2``. Same-speaker trials touch one speaker: ``V = n / (n - 1) sum_i R_i^2
/ N^2``, the plain jackknife over speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spkid.audit.statistics.figures import Scale
from spkid.encoder.vectors import Floats


@dataclass(frozen=True)
class Clusters:
    """Which two speakers each trial of one kind touches; the same twice for one speaker.

    ``pair`` numbers the pairs, whichever way round; None where every trial is of one speaker.
    """

    first: NDArray[np.integer]  # [trials]
    second: NDArray[np.integer]
    pair: NDArray[np.intp] | None
    n_all: int

    @classmethod
    def of(cls, first: NDArray[np.integer], second: NDArray[np.integer], n_all: int) -> Clusters:
        """``first`` and ``second`` are codes in 0..``n_all`` - 1."""
        if np.array_equal(first, second):
            return cls(first, second, None, n_all)
        touched = np.zeros(n_all, dtype=bool)
        touched[first] = touched[second] = True
        place, n = np.cumsum(touched) - 1, int(touched.sum())
        pair = place[np.minimum(first, second)] * n + place[np.maximum(first, second)]
        if n**2 > max(4 * len(pair), 1_000_000):
            pair = np.unique(pair, return_inverse=True)[1]
        return cls(first, second, pair, n_all)

    @property
    def n_speakers(self) -> int:
        """Who is touched; where the two sides are of different kinds, those of the fewer kind."""
        sides = np.zeros((2, self.n_all), dtype=bool)
        sides[0, self.first] = sides[1, self.second] = True
        if (sides[0] & sides[1]).any():
            return int(sides.any(axis=0).sum())
        return int(sides.sum(axis=1).min())

    def spread(self, residuals: Floats) -> Spread:
        """How ``residuals`` ``[trials]``, which sum to zero, spread over speakers."""
        n = self.n_speakers
        touched = np.bincount(self.first, residuals, self.n_all)
        if self.pair is None:
            factor = n / (n - 1) if n > 1 else np.nan
            return Spread(touched * np.sqrt(factor), 0.0, 0.0, n)
        touched += np.bincount(self.second, residuals, self.n_all)
        factor = n * (n - 1) / ((n - 2) * (n - 3)) if n > 3 else np.nan
        pairs = float(np.square(np.bincount(self.pair, residuals)).sum())
        return Spread(touched * np.sqrt(factor), factor * pairs, pairs, n)


@dataclass(frozen=True)
class Spread:
    """``effects`` ``[speakers]`` are the ``R_i`` with the root of their small-sample factor.

    ``doubled`` is what their squares hold once too often, ``least`` the least variance.
    """

    effects: Floats
    doubled: float
    least: float
    n_speakers: int


@dataclass(frozen=True)
class Estimate:
    """A figure with its uncertainty.

    Attributes
    ----------
    value, standard_error : float
    n_speakers : int
    degrees : float
        Of freedom: one less than the speakers, and fewer where much was taken away as counted
        twice, for a difference of two noisy sums is less certain than a sum.
    effects : float64 ``[speakers]``
        How the figure moves, to first order, when a speaker is drawn once more.
    scale : str
        On which intervals are made: ``logit``, ``log`` or ``identity``.
    optimism : float
        How much too high ``value`` is on average; the interval lies around what is left.
    """

    value: float
    standard_error: float
    n_speakers: int
    degrees: float
    effects: Floats
    scale: Scale
    optimism: float = 0.0

    @property
    def corrected(self) -> float:
        """The value without its optimism."""
        return self.value - self.optimism

    def on_scale(self) -> tuple[float, float]:
        """Value and standard error on ``scale``.

        A rate counts as ``value * n`` errors in ``n = value (1 - value) / variance`` independent
        trials, one half is added to both sides, and ``n`` is the number of speakers where no
        error (or nothing else) was seen, so that 0 and 1 have an interval too.
        """
        if self.scale == "identity":
            return self.corrected, self.standard_error
        if self.scale == "log":
            if self.value <= 0:
                return np.nan, np.nan
            centre = self.corrected
            return float(np.log(centre)), self.standard_error / centre
        n_like = float(self.n_speakers)
        if 0 < self.value < 1 and self.standard_error > 0:
            n_like = self.value * (1 - self.value) / self.standard_error**2
        share = (self.value * n_like + 0.5) / (n_like + 1)
        log_odds = float(np.log(share / (1 - share)))
        return log_odds, float(1 / np.sqrt((n_like + 1) * share * (1 - share)))

    def interval(self) -> tuple[float, float]:
        """95 %, by Student's t on ``scale``; NaN where it is not known.

        A rate of 0 or 1 is that of as many independent trials as there are speakers.
        """
        if np.isnan(self.standard_error):
            return np.nan, np.nan
        if self.scale == "logit" and self.value in (0, 1):
            reach = float(1 - 0.025 ** (1 / self.n_speakers))
            return (0.0, reach) if self.value == 0 else (1 - reach, 1.0)
        centre, error = self.on_scale()
        reach = t_quantile(self.degrees) * error
        low, high = (float(from_scale(centre + end, self.scale)) for end in (-reach, reach))
        return min(low, self.value), max(high, self.value)


def t_quantile(degrees: float, level: float = 0.975) -> float:
    """Of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, level))


def student_below(value: float, degrees: float) -> float:
    """The chance of less than ``value`` under Student's t distribution."""
    from scipy.special import stdtr

    return float(stdtr(degrees, value))


def from_scale(values: Floats | float, scale: Scale) -> Floats:
    """Back from :meth:`Estimate.on_scale`."""
    on_scale: Floats = np.asarray(values, dtype=np.float64)
    if scale == "logit":
        return np.asarray(1 / (1 + np.exp(-on_scale)))
    return np.asarray(np.exp(on_scale)) if scale == "log" else on_scale


def combined(
    value: float, scale: Scale, spreads: tuple[Spread, ...], *, optimism: float = 0.0
) -> Estimate:
    """The estimate of a figure from the spread of its target and of its impostor trials."""
    effects = np.sum([spread.effects for spread in spreads], axis=0)
    whole = float(np.square(effects).sum())
    variance = whole - sum(spread.doubled for spread in spreads)
    variance = max(variance, sum(spread.least for spread in spreads))
    n_speakers = min(spread.n_speakers for spread in spreads)
    degrees = n_speakers - 1.0
    if whole > variance:
        # theory has the square; that the variance is bounded below makes it a little surer
        degrees = max(1.0, degrees * (variance / whole) ** 1.5)
    return Estimate(value, float(np.sqrt(variance)), n_speakers, degrees, effects, scale, optimism)


def no_estimate(n_all: int, scale: Scale) -> Estimate:
    """Where a figure is not defined."""
    return Estimate(np.nan, np.nan, 0, 0.0, np.full(n_all, np.nan), scale)


def speaker_draws(n_speakers: int, n_resamples: int, *, seed: int) -> NDArray[np.int64]:
    """How often each speaker is drawn, with replacement; int ``[resamples, speakers]``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_resamples)


def resampled_errors(effects: Floats, *, n_resamples: int, seed: int) -> Floats:
    """Standardised errors ``[figures, resamples]`` of figures under resampled speakers.

    ``effects`` is ``[figures, speakers]``; figures that share speakers go up and down together.
    A figure without a spread has none.
    """
    length = np.linalg.norm(effects, axis=1, keepdims=True)
    unit = effects / np.where(length > 0, length, 1)
    n_speakers = effects.shape[1]
    n_a_time = max(1, 4_000_000 // n_speakers)
    n_parts = -(-n_resamples // n_a_time)
    seeds = np.random.SeedSequence(seed).generate_state(n_parts)
    errors = np.empty((len(effects), n_resamples))
    for number, part_seed in enumerate(seeds):
        part = errors[:, number * n_a_time : (number + 1) * n_a_time]
        draws = speaker_draws(n_speakers, part.shape[1], seed=int(part_seed))
        part[:] = unit @ (draws - 1.0).T
    return errors
