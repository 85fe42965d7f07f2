"""Nearest vectors among many: exact while they are few, quantised and measured when many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.errors import SpkidError

if TYPE_CHECKING:
    import faiss

Batch = tuple[NDArray[np.int64], NDArray[np.float32]]  # ids [n], unit vectors [n, dim]


@dataclass(frozen=True)
class IndexConfig:
    """How an index is built.

    Attributes
    ----------
    exact_below : int
        With fewer vectors, every one is compared (``IndexFlatIP``). From there on, vectors are
        kept as 8-bit numbers in inverted lists (IVF, SQ8), of which the nearest are read.
        Unlike HNSW, lists let go of a deleted vector at once and need no links in memory.
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


@dataclass(frozen=True)
class Recall:
    """Shares of test queries, against comparing with every vector.

    ``first``: the nearest came first; ``rescored``: it was among those compared exactly.
    """

    first: float
    rescored: float
    n_lists_read: int


EXACT = Recall(1.0, 1.0, 0)


def moved(
    vectors: NDArray[np.float32], cosine: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit vectors at about ``cosine`` to the ``vectors`` ``[n, dim]``, in random directions."""
    dim = vectors.shape[1]
    spread = math.sqrt((1 / cosine**2 - 1) / dim)
    noisy = vectors + spread * rng.standard_normal(vectors.shape, dtype=np.float32)
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


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


class VectorIndex:
    """Vectors by id, over a faiss index. Make one with :meth:`build`.

    Attributes
    ----------
    recall : Recall
        Measured when it was built.
    n_built : int
        How many vectors it was built for.
    """

    def __init__(self, index: faiss.Index, recall: Recall, n_built: int) -> None:
        self.faiss_index = index
        self.recall = recall
        self.n_built = n_built

    def __len__(self) -> int:
        return self.faiss_index.ntotal

    @classmethod
    def build(
        cls,
        batches: Iterable[Batch],
        sample: NDArray[np.float32],
        n_expected: int,
        config: IndexConfig,
    ) -> VectorIndex:
        """Index the ``batches``, about ``n_expected`` vectors, of which ``sample`` is typical."""
        import faiss

        dim = sample.shape[1]
        if n_expected < config.exact_below:
            index = cls(faiss.IndexIDMap2(faiss.IndexFlatIP(dim)), EXACT, n_expected)
            index.add_all(batches)
            return index
        n_lists = max(1, min(config.max_lists, math.isqrt(n_expected), len(sample) // 39))
        centres = faiss.IndexFlatIP(dim)
        lists = faiss.IndexIVFScalarQuantizer(
            centres,
            dim,
            n_lists,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
            False,  # the vectors themselves, not what is left beside the centres
        )
        lists.own_fields = True
        centres.this.disown()
        lists.cp.niter = config.n_rounds
        lists.cp.seed = config.seed
        lists.train(sample)
        index = cls(lists, EXACT, n_expected)
        rng = np.random.default_rng(config.seed)
        rows = rng.integers(len(sample), size=config.n_queries)
        truth = Truth(moved(sample[rows], config.query_cosine, rng))
        for ids, vectors in batches:
            index.add(ids, vectors)
            truth.see(ids, vectors)
        index.read_enough_lists(truth, config)
        return index

    def read_enough_lists(self, truth: Truth, config: IndexConfig) -> None:
        """Read as many lists as hold the truth for the wanted share of queries, or more."""
        centres, n_lists = self.faiss_index.quantizer, self.faiss_index.nlist
        _, own_list = centres.search(truth.vectors, 1)
        _, order = centres.search(truth.queries, n_lists)
        n_needed = 1 + (order == own_list).argmax(axis=1)
        n_read = int(np.quantile(n_needed, config.wanted_recall, method="higher"))
        while True:
            self.faiss_index.nprobe = n_read
            self.recall = self.measure(truth, config.n_rescored)
            if self.recall.rescored >= config.wanted_recall or n_read == n_lists:
                return
            n_read = min(math.ceil(1.25 * n_read), n_lists)

    def measure(self, truth: Truth, n_rescored: int) -> Recall:
        """The recall of ``truth``'s queries."""
        _, ids = self.faiss_index.search(truth.queries, n_rescored)
        right = ids == truth.ids[:, None]
        n_read = int(getattr(self.faiss_index, "nprobe", 0))
        return Recall(float(right[:, 0].mean()), float(right.any(axis=1).mean()), n_read)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add vectors whose ids are not there yet: faiss would keep both."""
        finite = np.isfinite(vectors).all(axis=1)
        self.faiss_index.add_with_ids(
            np.ascontiguousarray(vectors[finite], np.float32), np.ascontiguousarray(ids[finite])
        )

    def add_all(self, batches: Iterable[Batch]) -> None:
        """Add one batch after another."""
        for ids, vectors in batches:
            self.add(ids, vectors)

    def remove(self, ids: Iterable[int]) -> int:
        """Let go of the vectors with these ids; how many were there."""
        return int(self.faiss_index.remove_ids(np.fromiter(ids, np.int64)))

    def search(self, vector: ArrayLike, n_hits: int) -> list[int]:
        """Ids of the vectors nearest to a unit vector ``[dim]``, best first.

        Raises
        ------
        SpkidError
            If the vector has another dimension or is not finite.
        """
        query = np.asarray(vector, dtype=np.float32)
        if query.shape != (self.faiss_index.d,) or not np.isfinite(query).all():
            raise SpkidError(
                f"a query of shape {query.shape}",
                expected=f"a finite vector of {self.faiss_index.d}",
                do="embed the clip with the model of the profiles",
            )
        _, ids = self.faiss_index.search(query[None], n_hits)
        return [int(number) for number in ids[0] if number >= 0]


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
