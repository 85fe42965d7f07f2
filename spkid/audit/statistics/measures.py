"""One number for how far groups are apart, from a single table of such measures.

Groups are the first axis everywhere. Measures of one figure: ``gap`` (worst less
best), ``ratio`` (worst to best), ``standard_deviation``. Measures of false matches and false
non-matches together, at one shared threshold, ``alpha`` weighing the first:

- ``garbe``: ``alpha G(FMR) + (1 - alpha) G(FNMR)`` with the Gini coefficient ``G = n / (n - 1)
  sum_ij |x_i - x_j| / (2 n^2 mean)``; 0 where all groups are alike (Howard et al.,
  arXiv 2203.05051; the headline after arXiv 2404.17810).
- ``fdr``: fairness discrepancy rate ``1 - (alpha gap(FMR) + (1 - alpha) gap(FNMR))``; 1 where
  all are alike (de Freitas Pereira and Marcel, 2021).
- ``inequity_rate``: ``ratio(FMR)^alpha ratio(FNMR)^(1 - alpha)``; 1 where all are alike, not
  defined where a group has no error (NIST IR 8429).

The interval of such a measure cannot be the quantiles of a resampled one: noise alone drives
groups apart, so that every resample shows larger gaps than there are. Two intervals are joined,
each of which holds where the other fails (coverage: `benchmarks/planted_truth.py`). Where groups
are close: they are moved together and apart along the line through what was seen, resampled
noise is added, and all distances count as possible at which the measure seen is not among the
most extreme 2 %. Where they are far apart, and the line itself is uncertain: the basic bootstrap
interval, twice the measure less the resampled quantiles (Davison and Hinkley, 1997). That groups
are all alike is one distance only, tested by itself and at one end only: it counts as possible
unless the measure seen is among the largest 4 % of groups that are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spkid.audit.statistics.figures import Scale
from spkid.audit.statistics.intervals import from_scale
from spkid.encoder.vectors import Floats

N_DISTANCES = 61
# of resamples beyond each end: 2.5 % would cover too rarely with some tens of speakers a group,
# 87 to 93 % where groups differ (planted truth)
TAILS = (0.01, 0.99)
ALIKE_TAIL = 0.96


def gap(values: Floats) -> Floats:
    """Largest less smallest."""
    return np.asarray(values.max(axis=0) - values.min(axis=0))


def ratio(values: Floats) -> Floats:
    """Largest to smallest; NaN where the smallest is not above zero."""
    least = values.min(axis=0)
    return np.asarray(values.max(axis=0) / np.where(least > 0, least, np.nan))


def standard_deviation(values: Floats) -> Floats:
    """Over groups, each counted once (divided by their number less one)."""
    return np.asarray(values.std(axis=0, ddof=1))


def gini(values: Floats) -> Floats:
    """The Gini coefficient, scaled so that 1 is the most for any number of groups; 0 for zeros."""
    n = len(values)
    # sum_ij |x_i - x_j| = 2 sum_i (2 i - n - 1) x_(i) over sorted values
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    apart = 2 * np.tensordot(ranks, np.sort(values, axis=0), axes=1)
    mean = values.mean(axis=0)
    return n / (n - 1) * apart / np.where(mean > 0, 2 * n**2 * mean, np.inf)


def garbe(false_match: Floats, false_non_match: Floats, alpha: float) -> Floats:
    """Gini aggregation rate for biometric equitability."""
    return alpha * gini(false_match) + (1 - alpha) * gini(false_non_match)


def fdr(false_match: Floats, false_non_match: Floats, alpha: float) -> Floats:
    """Fairness discrepancy rate."""
    return 1 - (alpha * gap(false_match) + (1 - alpha) * gap(false_non_match))


def inequity_rate(false_match: Floats, false_non_match: Floats, alpha: float) -> Floats:
    """Inequity rate; NaN where a group has no error of a kind."""
    return ratio(false_match) ** alpha * ratio(false_non_match) ** (1 - alpha)


@dataclass(frozen=True)
class Measure:
    """``n_figures``: of one figure, or of false matches with false non-matches.

    ``rises`` says whether it is larger the farther groups are apart.
    """

    name: str
    words: str
    function: Callable[..., Floats]
    n_figures: int = 1
    rises: bool = True
    bounds: tuple[float, float] = (0.0, np.inf)

    def of(self, *figures: Floats, alpha: float) -> Floats:
        """The measure of ``n_figures`` arrays ``[groups, ...]``."""
        return self.function(*figures) if self.n_figures == 1 else self.function(*figures, alpha)


RATIO = Measure("ratio", "worst to best", ratio, bounds=(1.0, np.inf))
MEASURES = (
    Measure("gap", "worst less best", gap),
    RATIO,
    Measure("standard_deviation", "standard deviation over groups", standard_deviation),
    Measure("garbe", "GARBE", garbe, 2, bounds=(0.0, 1.0)),
    Measure("fdr", "fairness discrepancy rate", fdr, 2, rises=False, bounds=(-np.inf, 1.0)),
    Measure("inequity_rate", "inequity rate", inequity_rate, 2, bounds=(1.0, np.inf)),
)


@dataclass(frozen=True)
class Worlds:
    """What a figure of the groups might truly be, and how it might then have looked.

    ``true`` is ``[groups, distances]``, the groups together in the first column and ever farther
    apart; ``seen`` ``[groups, distances, resamples]`` is the same with noise, and ``again``
    ``[groups, resamples]`` is what was measured, with noise.
    """

    true: Floats
    seen: Floats
    again: Floats
    scale: Scale

    @classmethod
    def around(
        cls, centres: Floats, errors: Floats, draws: Floats, *, scale: Scale, reach: float = 1.0
    ) -> Worlds:
        """From ``centres`` and ``errors`` ``[groups]`` and ``draws`` ``[groups, resamples]``.

        ``reach`` says how far the groups go in this figure while they go all the way in another.
        """
        offsets = centres - centres.mean()
        length = np.sqrt(np.square(offsets).mean())
        # groups that look all alike may yet differ: any direction will do
        direction = offsets / length if length > 0 else np.resize([1.0, -1.0], len(offsets))
        farthest = reach * (length + 4 * np.sqrt(np.square(errors).mean()))
        distances = farthest * np.linspace(0, 1, N_DISTANCES) ** 2
        true = centres.mean() + direction[:, None] * distances
        noise = errors[:, None] * draws
        seen = true[:, :, None] + noise[:, None, :]
        again = centres[:, None] + noise
        return cls(
            from_scale(true, scale), from_scale(seen, scale), from_scale(again, scale), scale
        )


def true_share(centres: Floats, errors: Floats) -> float:
    """How much of the distance seen between groups is more than noise, in 0.25..1.

    Never nothing: groups that look alike may yet differ.
    """
    seen, noise = centres.var(ddof=1), np.square(errors).mean()
    return max(0.25, float(np.sqrt(max(0.0, 1 - noise / seen)))) if seen > 0 else 0.25


def measure_interval(
    measure: Measure, seen: float, worlds: Sequence[Worlds], *, alpha: float
) -> tuple[float, float]:
    """95 % interval of ``measure`` over the figures of ``worlds``; NaN where it is not defined."""
    if np.isnan(seen):
        return np.nan, np.nan
    sign = 1 if measure.rises else -1
    noisy = sign * measure.of(*(world.seen for world in worlds), alpha=alpha)
    low, high = np.quantile(noisy, TAILS, axis=1)
    low[0] = -np.inf  # nothing is closer together than together
    high[0] = np.quantile(noisy[0], ALIKE_TAIL)
    possible = (low <= sign * seen) & (sign * seen <= high)
    true = sign * measure.of(*(world.true for world in worlds), alpha=alpha)
    again = sign * measure.of(*(world.again for world in worlds), alpha=alpha)
    again = again[~np.isnan(again)]  # none, where every resample leaves the measure undefined
    seen *= sign
    upper, lower = 2 * seen - np.quantile(again, TAILS) if len(again) else (seen, seen)
    closest = true[0] if possible[0] else true[1]
    ends = [*true[possible], seen, max(lower, closest), max(upper, closest)]
    both = np.sort(sign * np.array([np.min(ends), np.max(ends)]))
    low_end, high_end = np.clip(both, *measure.bounds)
    return float(low_end), float(high_end)
