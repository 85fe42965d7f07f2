"""Cohorts within cohorts: how far the voices of the stable ones are taken apart.

Voices fall into two cohorts first, the sexes mostly, and agree on little beyond. A small cohort
that is worse off lies inside one of these. Each is therefore halved again and again, by voice
alone; a halving is kept where what it says of the errors of the searched speakers is worth the
parameter that it takes (Akaike's criterion). That looks at errors, which is no harm to what is read
on speakers who were not searched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.audit.statistics.contrast import deviations
from spkid.audit.statistics.speaker_errors import SpeakerErrors
from spkid.encoder.vectors import Floats, nearest, spherical_k_means

PENALTY = 2.0  # in units of squared standard errors, for each halving


def taken_apart(
    means: Floats, cohort: NDArray[np.intp], errors: SpeakerErrors, *, least: int, seed: int
) -> Floats:
    """Unit centroids ``[cohorts, dim]``, of ``least`` speakers each or more.

    Parameters
    ----------
    means : float64 ``[speakers, dim]``
        Unit mean vectors of the searched speakers.
    cohort : int ``[speakers]``
        The stable cohorts.
    errors : SpeakerErrors
        Of the same speakers in the same order.
    """
    leaves = []
    for number in np.unique(cohort):
        _, own = _best(means, np.flatnonzero(cohort == number), errors, least=least, seed=seed)
        leaves += own
    centroids = np.stack([means[leaf].sum(axis=0) for leaf in leaves])
    return np.asarray(centroids / np.linalg.norm(centroids, axis=1, keepdims=True))


def _best(
    means: Floats, members: NDArray[np.intp], errors: SpeakerErrors, *, least: int, seed: int
) -> tuple[float, list[NDArray[np.intp]]]:
    """What taking ``members`` apart is worth, and the parts; nothing and themselves at worst."""
    whole = 0.0, [members]
    if len(members) < 2 * least:
        return whole
    side = nearest(means[members], spherical_k_means(means[members], 2, seed=seed))
    parts = [members[side == which] for which in (0, 1)]
    if min(map(len, parts)) < least:
        return whole
    worth = _apart(parts, errors) - PENALTY
    leaves = []
    for part in parts:
        gain, own = _best(means, part, errors, least=least, seed=seed)
        worth += gain
        leaves += own
    return (worth, leaves) if worth > 0 else whole


def _apart(parts: list[NDArray[np.intp]], errors: SpeakerErrors) -> float:
    """The squared difference in error of two parts over its variance; 0 where it is not known."""
    is_member = np.zeros((2, len(errors.speakers)), dtype=bool)
    for row, part in zip(is_member, parts, strict=True):
        row[part] = True
    found = errors.errors(is_member)
    difference = found[:, 0] - found[:, 1]
    deviation = float(deviations(difference[1:, None])[0])
    if not deviation > 0 or np.isnan(difference[0]):
        return 0.0
    return float((difference[0] / deviation) ** 2)
