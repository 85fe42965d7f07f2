"""Is a group different from the others, with as many questions asked as there were?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spkid.audit.statistics.intervals import Estimate, from_scale, student_below, t_quantile
from spkid.encoder.vectors import Floats


@dataclass(frozen=True)
class Difference:
    """A figure of one group less the mean of the other groups; ``low`` and ``high`` are 95 %."""

    value: float
    low: float
    high: float
    p: float


def difference(one: Estimate, others: Sequence[Estimate]) -> Difference:
    """``one`` against the mean of ``others``, every group counted once.

    The test is Student's on the figure's scale, with the degrees of freedom of the side that has
    fewer; the interval joins the two figures' intervals by squares (MOVER: Zou and Donner, 2008;
    for rates this is Newcombe's method), which keeps it right where rates are small. Speakers
    that groups share are taken into account through their effects.
    """
    value = one.value - float(np.mean([other.value for other in others]))
    if np.isnan([value, one.standard_error, *(other.standard_error for other in others)]).any():
        return Difference(value, np.nan, np.nan, np.nan)
    rest = _mean(others)
    degrees = min(one.degrees, rest.degrees)
    alike = _cosine(one.effects, rest.effects)
    (centre, error), (centre_of_rest, error_of_rest) = one.on_scale(), rest.on_scale()
    variance = error**2 + error_of_rest**2 - 2 * alike * error * error_of_rest
    if not variance > 0:
        return Difference(value, np.nan, np.nan, np.nan)
    p = 2 * student_below(-abs(centre - centre_of_rest) / np.sqrt(variance), degrees)
    reach = t_quantile(degrees)
    below, above = _reaches(one, reach * error)
    below_rest, above_rest = _reaches(rest, reach * error_of_rest)
    down = below**2 + above_rest**2 - 2 * alike * below * above_rest
    up = above**2 + below_rest**2 - 2 * alike * above * below_rest
    corrected = value - one.optimism + rest.optimism
    low, high = corrected - np.sqrt(max(0, down)), corrected + np.sqrt(max(0, up))
    return Difference(value, float(min(low, value)), float(max(high, value)), p)


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    """Of the figures of several groups, with Satterthwaite's degrees of freedom."""
    n = len(estimates)
    variances = np.square([each.standard_error / n for each in estimates])
    weighed = np.square(variances) / [each.degrees for each in estimates]
    degrees = variances.sum() ** 2 / weighed.sum() if weighed.sum() > 0 else estimates[0].degrees
    effects = np.array([each.effects / n for each in estimates])
    alone = np.square(effects).sum()
    shared = np.square(effects.sum(axis=0)).sum() / alone if alone > 0 else 1.0
    return Estimate(
        value=float(np.mean([each.value for each in estimates])),
        standard_error=float(np.sqrt(variances.sum() * shared)),
        n_speakers=sum(each.n_speakers for each in estimates),
        degrees=float(degrees),
        effects=effects.sum(axis=0),
        scale=estimates[0].scale,
        optimism=float(np.mean([each.optimism for each in estimates])),
    )


def _cosine(one: Floats, other: Floats) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 0 else 0.0


def _reaches(estimate: Estimate, reach: float) -> tuple[float, float]:
    """How far below and above its value the figure may lie, ``reach`` away on its scale."""
    centre, _ = estimate.on_scale()
    low, high = (float(from_scale(centre + end, estimate.scale)) for end in (-reach, reach))
    return max(0.0, estimate.corrected - low), max(0.0, high - estimate.corrected)


def holm(p_values: ArrayLike) -> Floats:
    """P-values corrected for their number (Holm, 1979); NaN stays NaN and counts for nothing."""
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected = np.full(len(p), np.nan)
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected
