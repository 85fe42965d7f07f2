"""How an index of many vectors is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexConfig:
    """How an index is built.

    Attributes
    ----------
    exact_below : int
        With fewer vectors, every one is compared (``IndexFlatIP``). From there on, vectors are
        kept as 8-bit numbers in inverted lists (IVF, SQ8), of which the nearest are read.
        Unlike HNSW, lists let go of a deleted vector at once, and for the same recall they were
        faster (``benchmarks/index.py``).
    wanted_recall : float
        Lists are read until this share of the test queries finds the truly nearest vector
        among ``n_rescored``, which the caller compares exactly.
    n_training, n_rounds, max_lists : int
        Vectors and rounds of the clustering that makes the lists; at most so many lists.
    n_queries, query_cosine
        Test queries: vectors of the sample, moved at random to this cosine, as another clip
        of the same person would be.
    saved_from : int
        A smaller index is made anew each time: no second file with voices for a family.
    saved_growth : float
        An index that grew by this share is saved again; at twice its size it is built anew.
    """

    exact_below: int = 100_000
    wanted_recall: float = 0.995
    n_rescored: int = 10
    n_training: int = 100_000
    n_rounds: int = 6
    max_lists: int = 1024
    n_queries: int = 200
    query_cosine: float = 0.6
    saved_from: int = 1_000
    saved_growth: float = 0.05
    seed: int = 0
