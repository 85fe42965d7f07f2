"""Nearest vectors among many: exact while they are few, quantised and measured when many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enrollment.index.config import IndexConfig
from enrollment.index.recall import Batch, Recall, Truth, moved
from enrollment.profile import check_unit
from spkid.encoder.faiss_threads import faiss_threads
from spkid.encoder.unit import are_unit
from spkid.errors import SpkidError

if TYPE_CHECKING:
    import faiss


EXACT = Recall(1.0, 1.0, 0)


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
        return int(self.faiss_index.ntotal)

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
        with faiss_threads(many=True):
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
        with faiss_threads(many=True):
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
        with faiss_threads(many=True):
            _, ids = self.faiss_index.search(truth.queries, n_rescored)
        right = ids == truth.ids[:, None]
        n_read = int(getattr(self.faiss_index, "nprobe", 0))
        return Recall(float(right[:, 0].mean()), float(right.any(axis=1).mean()), n_read)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add unit vectors whose ids are not there yet: faiss would keep both, and take NaN."""
        check_unit(vectors, dim=self.faiss_index.d)
        with faiss_threads(many=True):
            self.faiss_index.add_with_ids(
                np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids)
            )

    def add_all(self, batches: Iterable[Batch]) -> None:
        """Add one batch after another."""
        for ids, vectors in batches:
            self.add(ids, vectors)

    def remove(self, ids: Iterable[int]) -> int:
        """Let go of the vectors with these ids; how many were there."""
        with faiss_threads(many=True):
            return int(self.faiss_index.remove_ids(np.fromiter(ids, np.int64)))

    def search(self, vector: ArrayLike, n_hits: int) -> list[int]:
        """Ids of the vectors nearest to a unit vector ``[dim]``, best first.

        Raises
        ------
        SpkidError
            If the vector has another dimension, is not finite or not of unit length.
        """
        if np.ndim(vector) != 1 or not are_unit(vector, dim=self.faiss_index.d):
            raise SpkidError(
                f"a query of shape {np.shape(vector)}",
                expected=f"a unit vector of {self.faiss_index.d}",
                do="embed the clip with the model of the profiles",
                code="not_unit",
            )
        with faiss_threads(many=False):
            query = np.asarray(vector, dtype=np.float32)[None]
            _, ids = self.faiss_index.search(query, n_hits)
        return [int(number) for number in ids[0] if number >= 0]
