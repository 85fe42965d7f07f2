"""Every kind of file that somebody else may hand us, fuzzed for an hour of one core in all.

    python -m benchmarks.fuzz --minutes 60

Mutations of whole files, guided by coverage (atheris). A finding is any exception but a plain
refusal, a crash, a run of over 20 s, or more than 600 MB of memory; the bytes that did it are kept
in `runs/fuzz/TARGET/` for `tests/fuzz/corpus/`. A stopped run goes on with what it has gathered.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.fuzzing.targets import TARGETS, seeds
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.kept import RUNS
from benchmarks.pages.system_tables import fuzz

LONGEST_S = 20
LARGEST_MB = 600
FOUND = re.compile(r"^(crash|timeout|oom|slow-unit)-")


def measure(minutes: float = 60.0, targets: str = ",".join(TARGETS)) -> Figures:
    """Figures by target; the time is shared out evenly."""
    chosen = targets.split(",")
    begin = seeds()
    for target in chosen:
        corpus = RUNS / "fuzz" / target / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(begin[target]):
            (corpus / f"seed-{number}").write_bytes(content)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a process of its own
        each = pool.map(lambda target: fuzz_one(target, 60 * minutes / len(chosen)), chosen)
        found = dict(zip(chosen, each, strict=True))
    return {"minutes": minutes, "longest_s": LONGEST_S, "largest_mb": LARGEST_MB, "targets": found}


def fuzz_one(target: str, seconds: float) -> Figures:
    """One target for so long; begun again after each new finding."""
    folder = RUNS / "fuzz" / target
    ends, n_runs, peak_mb, findings = time.monotonic() + seconds, 0, 0, set(_findings(folder))
    known = set(findings)
    while (left := int(ends - time.monotonic())) > 0:
        options = [f"-max_total_time={left}", f"-timeout={LONGEST_S}"]
        options += [f"-rss_limit_mb={LARGEST_MB}", "-print_final_stats=1", "-close_fd_mask=1"]
        options += [f"-artifact_prefix={folder}/", "-max_len=65536"]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.fuzzing.one",
                target,
                str(folder / "corpus"),
                *options,
            ],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
        n_runs += _figure("number_of_executed_units", done.stderr)
        peak_mb = max(peak_mb, _figure("peak_rss_mb", done.stderr))
        findings = set(_findings(folder))
        if done.returncode and not findings:  # it did not come to fuzz at all
            raise RuntimeError(done.stderr[-2000:])
        if done.returncode and findings == known:
            break  # the same one again: nothing behind it is reached
        known = findings
    names = sorted(findings)
    print(f"{target}: {n_runs} files, {peak_mb} MB, {len(names)} findings", *names)
    return {"n_files": n_runs, "peak_mb": peak_mb, "n_findings": len(names), "seconds": seconds}


def _findings(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if FOUND.match(path.name)]


def _figure(name: str, text: str) -> int:
    hit = re.search(rf"stat::{name}:\s*(\d+)", text)
    return int(hit[1]) if hit else 0


BENCHMARK = Benchmark("fuzz", measure, (fuzz,))

if __name__ == "__main__":
    BENCHMARK.main()
