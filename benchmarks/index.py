"""What searching all profiles costs, from ten thousand to ten million.

    OMP_NUM_THREADS=2 python -m benchmarks.index --data DIR [--largest N] [--largest-hnsw N]

Profiles are the bundled model's vectors of 200 real clips of the `known` split, drawn at
random, plus Gaussian noise, renormalised; the queries are profiles plus
other noise. They are made in batches and never held together. Each size is a process of its
own, so that its peak memory is its own. Truth is a comparison with every vector, made in the
same pass. Sizes grow tenfold. At 100,000 and more, faiss's HNSW graph over the same 8-bit vectors
does the same work: it looks as far (`efSearch`) as finds the truth for the wanted share of other
queries, as our lists do. Each size is kept when it is done, so that a stopped run goes on. Writes
`index.svg` beside the result. An hour and a half on two cores, most of it the largest size.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.kept import kept_figures
from benchmarks.pages.system_tables import index
from enrollment.index.config import IndexConfig
from enrollment.index.recall import Batch, Recall, Truth, moved
from enrollment.index.vector_index import VectorIndex
from spkid.data.manifest import read_manifest
from spkid.encoder.base import Vector
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.hearing import Heard, hear
from spkid.files import whole_file
from spkid.pages import new_figure, picture

PROFILE_COSINE = 0.6  # of a profile to the real vector it was made from
QUERY_COSINE = 0.6  # of a query to its profile, as of another clip of that person
N_QUERIES = 200
N_REAL_CLIPS = 200
BATCH = 50_000


def real_vectors(data: Path) -> Vector:
    """Unit vectors of the bundled model, ``[n, 192]``, of the clips of the ``known`` split."""
    encoder = SpeakerEncoder.load()
    table = read_manifest(data / "speech" / "manifest.csv", required=("path", "split"))
    paths = table.loc[table["split"] == "known", "path"]
    paths = paths[:: len(paths) // N_REAL_CLIPS][:N_REAL_CLIPS]
    clips = (hear(data / "speech" / path, encoder) for path in paths)
    return np.stack([clip.vector for clip in clips if isinstance(clip, Heard)])


def profiles(real: Vector, n_profiles: int, seed: int) -> Iterator[Batch]:
    """Real vectors plus noise; the same for the same seed."""
    for start in range(0, n_profiles, BATCH):
        rng = np.random.default_rng([seed, start])
        ids = np.arange(start, min(start + BATCH, n_profiles), dtype=np.int64)
        yield ids, moved(real[rng.integers(len(real), size=len(ids))], PROFILE_COSINE, rng)


class Watched:
    """Passes batches on, shows them to the truth, and counts the time that both take."""

    def __init__(self, batches: Iterator[Batch], truth: Truth) -> None:
        self.batches, self.truth, self.seconds = batches, truth, 0.0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            started = time.perf_counter()
            batch = next(self.batches, None)
            if batch is not None:
                self.truth.see(*batch)
            self.seconds += time.perf_counter() - started
            if batch is None:
                return
            yield batch


def build_hnsw(
    batches: Iterable[Batch], sample: Vector, n_profiles: int, config: IndexConfig
) -> VectorIndex:
    """The rival: a graph over 8-bit vectors, by ids that count from 0, searched far enough."""
    import faiss

    kind: Any = faiss.ScalarQuantizer.QT_8bit  # faiss has no types of these
    links = 32
    graph: Any = faiss.IndexHNSWSQ(sample.shape[1], kind, links, faiss.METRIC_INNER_PRODUCT)
    graph.train(sample)
    rng = np.random.default_rng(config.seed)
    rows = rng.integers(len(sample), size=config.n_queries)
    truth = Truth(moved(sample[rows], config.query_cosine, rng))
    for ids, vectors in batches:
        graph.add(vectors)
        truth.see(ids, vectors)
    rival = VectorIndex(graph, Recall(0.0, 0.0, 0), n_profiles)
    graph.hnsw.efSearch = 16
    while graph.hnsw.efSearch < 4096:
        rival.recall = rival.measure(truth, config.n_rescored)
        if rival.recall.rescored >= config.wanted_recall:
            break
        graph.hnsw.efSearch *= 2
    return rival


def size_figures(real: Vector, n_profiles: int, seed: int, *, hnsw: bool) -> Figures:
    """Build, search and compare one size."""
    import faiss

    config = IndexConfig()
    rng = np.random.default_rng([seed, n_profiles])
    _, first = next(profiles(real, n_profiles, seed))  # all batches are drawn alike
    rows = rng.integers(len(first), size=N_QUERIES)
    truth = Truth(moved(first[rows], QUERY_COSINE, rng))
    n_sample = min(n_profiles, config.n_training)
    sample = np.concatenate([vectors for _, vectors in profiles(real, n_sample, seed + 1)])
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    batches = Watched(profiles(real, n_profiles, seed), truth)
    build = build_hnsw if hnsw else VectorIndex.build
    started = time.perf_counter()
    built = build(batches, sample, n_profiles, config)
    inner: Any = built.faiss_index
    build_s = time.perf_counter() - started - batches.seconds
    taken_ms = []
    found = []
    for query in truth.queries:
        started = time.perf_counter()
        found.append(built.search(query, config.n_rescored))
        taken_ms.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.quantile(taken_ms, [0.5, 0.99])
    first_right = [own[0] == right for own, right in zip(found, truth.ids, strict=True)]
    any_right = [right in own for own, right in zip(found, truth.ids, strict=True)]
    exact = n_profiles < config.exact_below
    return {
        "n_profiles": len(built),
        "kind": "HNSW, SQ8" if hnsw else "exact" if exact else "IVF, SQ8",
        "n_lists": getattr(inner, "nlist", None),
        "n_lists_read": built.recall.n_lists_read or None,
        "ef_search": inner.hnsw.efSearch if hnsw else None,
        "build_s": round(build_s, 4),
        "making_vectors_and_truth_s": round(batches.seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "before_building_mb": round(before_mb),
        "search_p50_ms": round(float(p50), 3),
        "search_p99_ms": round(float(p99), 3),
        "recall_at_1_first": float(np.mean(first_right)),
        "recall_at_1_rescored": float(np.mean(any_right)),
        "recall_measured_when_built": built.recall.rescored,
        "n_queries": N_QUERIES,
        "load_average": round(os.getloadavg()[0], 1),
        "n_threads": faiss.omp_get_max_threads(),
    }


def draw(figures: Figures, path: Path) -> None:
    """Search time, memory and build time against the number of profiles."""
    sizes = figures["sizes"]
    n_profiles = [own["n_profiles"] for own in sizes]
    with new_figure(10, 3.2) as figure:
        search, memory, build = figure.subplots(1, 3)
        search.loglog(n_profiles, [own["search_p50_ms"] for own in sizes], "o-", label="median")
        search.loglog(n_profiles, [own["search_p99_ms"] for own in sizes], "s--", label="p99")
        search.set_ylabel("one search, ms")
        search.legend()
        memory.loglog(n_profiles, [own["peak_memory_mb"] for own in sizes], "o-")
        memory.set_ylabel("peak memory of the process, MB")
        build.loglog(n_profiles, [own["build_s"] for own in sizes], "o-")
        build.set_ylabel("building, s")
        for axes in (search, memory, build):
            axes.set_xlabel("profiles")
            axes.grid(alpha=0.3)
        with whole_file(path) as file:
            file.write(picture(figure, path.suffix[1:]))


def powers_of_ten(first: int, last: int) -> list[int]:
    """Those from ``first`` to ``last``, both included."""
    return [10**power for power in range(first, len(str(last)))]


def measure(
    data: Data, largest: int = 10_000_000, largest_hnsw: int = 1_000_000, seed: Seed = 0
) -> Figures:
    """Every size, each in a process of its own."""
    real = real_vectors(data)

    def figures_at(n_profiles: int, *, hnsw: bool) -> Figures:
        def in_its_own_process() -> Figures:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                own = pool.submit(size_figures, real, n_profiles, seed, hnsw=hnsw)
                return own.result()

        settings = {"n_profiles": n_profiles, "seed": seed, "hnsw": hnsw}
        figures: Figures = kept_figures("index", settings, in_its_own_process)
        return figures

    return {
        "n_real_vectors": len(real),
        "dim": real.shape[1],
        "profile_cosine": PROFILE_COSINE,
        "query_cosine": QUERY_COSINE,
        "sizes": [figures_at(n, hnsw=False) for n in powers_of_ten(4, largest)],
        "hnsw": [figures_at(n, hnsw=True) for n in powers_of_ten(5, largest_hnsw)],
    }


BENCHMARK = Benchmark("index", measure, (index,), draw=draw)

if __name__ == "__main__":
    BENCHMARK.main()
