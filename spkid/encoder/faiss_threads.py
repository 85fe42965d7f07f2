"""faiss in as many threads as it may have: one for a single query, and one in a forked process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_PROCESS = os.getpid()  # the one whose OpenMP threads are there


@contextmanager
def faiss_threads(*, many: bool) -> Iterator[None]:
    """Run what is inside in one OpenMP thread, or in ``many`` where there can be more.

    OpenMP's threads stay behind in a fork, and a child that waits for them waits for ever; a
    single query gains nothing from them.
    """
    import faiss

    n_before = faiss.omp_get_max_threads()  # of this thread alone
    if not many or os.getpid() != FIRST_PROCESS:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(n_before)
