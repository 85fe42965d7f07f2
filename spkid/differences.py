"""Is a group different from the others, with as many questions asked as there were?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.bootstrap import Estimate, from_scale, t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A figure of one group less the mean of the other groups; ``low`` and ``high`` are 95 %."""

    value: float
    low: float
    high: float
    p: float


def difference(one: Estimate, others: Sequence[Estimate]) -> Difference:
    """``one`` against the mean of ``others``, every group counted once.

    The test is Student's on the figure's scale with Satterthwaite's degrees of freedom; the
    interval joins the two figures' intervals by squares (MOVER: Zou and Donner, 2008; for
    rates this is Newcombe's method), which keeps it right where rates are small. Speakers that
    both sides share are taken into account through their effects.
    """
    mean = float(np.mean([other.value for other in others]))
    value = one.value - mean
    if np.isnan(value) or np.isnan([one.standard_error, *(o.standard_error for o in others)]).any():
        return Difference(value, np.nan, np.nan, np.nan)
    shares = np.array([other.standard_error for other in others]) / len(others)
    degrees_of_others = _satterthwaite(shares, [other.degrees for other in others])
    effects = np.mean([other.effects for other in others], axis=0)
    n_speakers = sum(other.n_speakers for other in others)
    error = float(np.linalg.norm(shares))
    rest = Estimate(mean, error, n_speakers, degrees_of_others, effects, one.scale)
    lengths = np.linalg.norm(one.effects) * np.linalg.norm(effects)
    alike = float(one.effects @ effects / lengths) if lengths > 0 else 0.0
    (centre, error), (centre_rest, error_rest) = one.on_scale(), rest.on_scale()
    variance = error**2 + error_rest**2 - 2 * alike * error * error_rest
    degrees = _satterthwaite([error, error_rest], [one.degrees, rest.degrees])
    size = abs(centre - centre_rest) / np.sqrt(variance) if variance > 0 else np.nan
    from scipy.special import stdtr

    p = float(2 * stdtr(degrees, -size))
    reach = t_quantile(degrees)
    ends = {}
    for name, estimate, middle, spread in (
        ("one", one, centre, error),
        ("rest", rest, centre_rest, error_rest),
    ):
        low, high = (from_scale(middle + sign * reach * spread, one.scale) for sign in (-1, 1))
        ends[name] = estimate.value - min(low, estimate.value), max(high, estimate.value)
        ends[name] = ends[name][0], ends[name][1] - estimate.value
    (below, above), (below_rest, above_rest) = ends["one"], ends["rest"]
    low = value - np.sqrt(max(0, below**2 + above_rest**2 - 2 * alike * below * above_rest))
    high = value + np.sqrt(max(0, above**2 + below_rest**2 - 2 * alike * above * below_rest))
    return Difference(value, float(low), float(high), p)


def _satterthwaite(errors: ArrayLike, degrees: ArrayLike) -> float:
    variances = np.square(np.asarray(errors, dtype=np.float64))
    below = (np.square(variances) / np.maximum(1.0, degrees)).sum()
    return float(variances.sum() ** 2 / below) if below > 0 else float(np.min(degrees))


def holm(p_values: ArrayLike) -> Floats:
    """P-values corrected for their number (Holm, 1979); NaN stays NaN and counts for nothing."""
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected
