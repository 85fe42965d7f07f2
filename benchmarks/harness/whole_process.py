"""Time and memory of a whole command, and the long files that it is given."""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import soundfile

from benchmarks.harness.result_files import ROOT
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import SpkidError

# a small process starts the command: the peak memory of a child counts its parent's too
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def whole_process(words: list[str], *, n_runs: int) -> dict[str, float]:
    """Wall seconds, seconds of the processor and largest peak memory in MB of a command of spkid.

    Each run is a new process, with its modules compiled already, as an installed package is.
    """
    seconds, processor_s, peak_mb = [], [], []
    for package in ("spkid", "enrollment"):
        compileall.compile_dir(ROOT / package, quiet=1)
    for _ in range(n_runs):
        command = [sys.executable, "-m", "spkid", *words]
        launched = subprocess.run(
            [sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True, check=True
        )
        code, taken_s, used_s, peak = json.loads(launched.stdout)
        if code:
            raise SpkidError(
                f"{' '.join(words)} ended with {code}", expected="0", do="run it by hand"
            )
        seconds.append(taken_s)
        processor_s.append(used_s)
        peak_mb.append(peak)
    return {
        "median_s": round(statistics.median(seconds), 3),
        "min_s": round(min(seconds), 3),
        "processor_median_s": round(statistics.median(processor_s), 3),
        "processor_min_s": round(min(processor_s), 3),
        "peak_memory_mb": round(max(peak_mb)),
    }


def n_waiting() -> float:
    """How many programs of this machine waited for the processor in the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def write_repeated(path: Path, samples: Waveform, *, seconds: int) -> None:
    """A file of so many seconds that says ``samples`` over and over."""
    n_left = seconds * SAMPLE_RATE_HZ
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1) as file:
        while n_left > 0:
            file.write(samples[:n_left])
            n_left -= len(samples)
