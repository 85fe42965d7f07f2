"""How long, and in how much memory, an audit of ten million trials takes.

    python -m benchmarks.audit_scale [--trials N]

Twenty groups of a hundred speakers, trials inside groups, a tenth of them of one speaker. Timed
is ``audit_scores`` on tables that stand in memory with names as categories, as ``read_scores``
gives them: matching the metadata, every figure of every group with its interval, a thousand
resamplings of the speakers, measures between groups and corrected tests. The peak of memory is
that of the whole process, the making of the scores included. Reading the same scores from a file
is timed by itself. Three minutes on two cores.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.pages.system_tables import audit_scale
from spkid.audit.verification import audit_scores
from spkid.data.score_files import read_scores, write_scores

N_GROUPS, N_SPEAKERS, N_CLIPS = 20, 100, 20  # speakers a group, clips a speaker


def planted(n_trials: int, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores by clip and metadata by clip; groups differ a little in own scores."""
    rng = np.random.default_rng(seed)
    n_all = N_GROUPS * N_SPEAKERS
    group = rng.integers(0, N_GROUPS, n_trials, dtype=np.int32)
    first = group * N_SPEAKERS + rng.integers(0, N_SPEAKERS, n_trials, dtype=np.int32)
    label = rng.random(n_trials) < 0.1
    step = rng.integers(1, N_SPEAKERS, n_trials, dtype=np.int32)
    second = group * N_SPEAKERS + (first - group * N_SPEAKERS + step) % N_SPEAKERS
    second[label] = first[label]
    own = 3 + 0.05 * (np.arange(n_all) // N_SPEAKERS) + 0.5 * rng.normal(size=n_all)
    effect = 0.3 * rng.normal(size=n_all)
    score = rng.normal(size=n_trials)
    score += np.where(label, own[first], effect[first] + effect[second])
    names = pd.Index(
        [f"{speaker:05}/{clip:02}.wav" for speaker in range(n_all) for clip in range(N_CLIPS)]
    )
    sides = [
        pd.Categorical.from_codes(side * N_CLIPS + rng.integers(0, N_CLIPS, n_trials), names)
        for side in (first, second)
    ]
    scores = pd.DataFrame({"enroll": sides[0], "test": sides[1], "score": score, "label": label})
    speaker = np.repeat(np.arange(n_all), N_CLIPS)
    metadata = pd.DataFrame(
        {"path": names, "speaker": speaker.astype(str), "group": speaker // N_SPEAKERS}
    )
    return scores, metadata.astype({"group": str})


def peak_gib() -> float:
    """Most memory that the process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Watch:
    """Seconds by the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self.started, self.used = time.perf_counter(), time.process_time()

    def figures(self, name: str) -> dict[str, float]:
        """Both, so far."""
        return {
            f"{name}_s": round(time.perf_counter() - self.started, 1),
            f"{name}_cpu_s": round(time.process_time() - self.used, 1),
        }


def measure(trials: int = 10_000_000, resamples: int = 1000, seed: Seed = 0) -> Figures:
    """Seconds and memory of the audit, then of reading its scores."""
    scores, metadata = planted(trials, seed=seed)
    before_gib, watch = peak_gib(), Watch()
    audit = audit_scores(scores, metadata, ["group"], n_resamples=resamples, seed=seed)
    spent = watch.figures("audit")
    audit_gib = peak_gib()
    garbe = audit.groupings[0].measures.query("measure == 'garbe'").iloc[0]
    del audit
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.txt"
        write_scores(path, scores)
        del scores
        watch = Watch()
        n_read = len(read_scores(path))
        spent |= watch.figures("read")
    return {
        "n_trials": trials,
        "n_groups": N_GROUPS,
        "n_speakers": N_GROUPS * N_SPEAKERS,
        "n_resamples": resamples,
        **spent,
        "peak_before_gib": round(before_gib, 2),
        "peak_gib": round(audit_gib, 2),
        "garbe": [float(garbe[end]) for end in ("value", "low", "high")],
        "n_read": n_read,
        "peak_after_reading_gib": round(peak_gib(), 2),
    }


BENCHMARK = Benchmark("audit_scale", measure, (audit_scale,))

if __name__ == "__main__":
    BENCHMARK.main()
