"""What a speaker vector is. Asked wherever one enters: of a model, a table, a store, an index."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

UNIT_TOLERANCE = 1e-3  # how far the length of a unit vector may be from one


def are_unit(vectors: ArrayLike, *, dim: int | None = None) -> bool:
    """Whether these are vectors ``[..., dim]``, finite and of length one.

    NaN, infinity, rows of several lengths and what is no number are not.
    """
    try:
        values = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    if not values.ndim or not values.shape[-1] or dim not in (None, values.shape[-1]):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(values, axis=-1)
        return bool((np.abs(lengths - 1) <= UNIT_TOLERANCE).all())
