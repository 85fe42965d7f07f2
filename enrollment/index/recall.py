"""Measuring what an index finds: test queries, their truth, and the shares found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.int64], NDArray[np.float32]]  # ids [n], unit vectors [n, dim]


@dataclass(frozen=True)
class Recall:
    """Shares of test queries, against comparing with every vector.

    ``first``: the nearest came first; ``rescored``: it was among those compared exactly.
    """

    first: float
    rescored: float
    n_lists_read: int


def moved(
    vectors: NDArray[np.float32], cosine: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit vectors at about ``cosine`` to the ``vectors`` ``[n, dim]``, in random directions."""
    dim = vectors.shape[1]
    spread = math.sqrt((1 / cosine**2 - 1) / dim)
    noisy = vectors + spread * rng.standard_normal(vectors.shape, dtype=np.float32)
    unit: NDArray[np.float32] = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
    return unit


def thinned(batches: Iterable[Batch], n_wanted: int) -> tuple[NDArray[np.float32], int]:
    """Evenly spread vectors, ``n_wanted`` to twice as many, and how many went by."""
    kept: list[NDArray[np.float32]] = []
    step, n_seen = 1, 0
    for _, vectors in batches:
        kept.append(vectors[(-n_seen) % step :: step])
        n_seen += len(vectors)
        while sum(map(len, kept)) > 2 * n_wanted:
            kept = [np.concatenate(kept)[::2]]
            step *= 2
    return (np.concatenate(kept) if kept else np.empty((0, 0), np.float32)), n_seen


class Truth:
    """The truly nearest vector to each query, and its id, while the vectors go by in batches."""

    def __init__(self, queries: NDArray[np.float32]) -> None:
        self.queries = queries
        self.ids = np.full(len(queries), -1, np.int64)
        self.vectors = np.zeros_like(queries)
        self._cosines = np.full(len(queries), -np.inf, np.float32)

    def see(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Compare every query with a batch."""
        cosines = self.queries @ vectors.T  # [n_queries, n]
        best = cosines.argmax(axis=1)
        own = cosines[np.arange(len(best)), best]
        nearer = own > self._cosines
        self.ids[nearer] = ids[best[nearer]]
        self.vectors[nearer] = vectors[best[nearer]]
        self._cosines[nearer] = own[nearer]
