"""How many hours of audio `spkid embed` embeds in a minute, in one, two and four threads.

    python -m benchmarks.bulk

The demo clips, from files to vectors, in turn. Of a machine with other work to do, the minutes of
the processor say how fast it is; `python_lock_share` is the share of a thread's time in which no
other thread can run, all but decoding and the network. Half a minute.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

import spkid
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.whole_process import n_waiting
from benchmarks.pages.system_tables import bulk
from spkid import SpeakerEncoder
from spkid.audio.reading import load_audio
from spkid.encoder.base import Encoder
from spkid.encoder.batch import embed_manifest, in_threads

CLIPS = Path(spkid.__file__).parent / "demo" / "clips"
N_CLIPS = 16
N_RUNS = 3
N_THREADS = (1, 2, 4)
BATCH = 8


def embed_all(encoder: Encoder, clips: list[Path], n_threads: int) -> None:
    """Every clip into a new table."""
    with tempfile.TemporaryDirectory() as folder:
        embed_manifest(
            [path.name for path in clips],
            CLIPS,
            Path(folder) / "vectors.npz",
            encoder,
            embed_files=in_threads(encoder, n_threads),
        )


def batch_figures(encoder: Encoder, clip: Path) -> Figures:
    """Milliseconds of the processor for a window of 3 s by itself and in a batch."""
    window = load_audio(clip)[:48_000]
    taken_ms: dict[str, list[float]] = {"alone": [], "in_batch": []}
    for _ in range(3 * N_RUNS):
        for name, batch in (("alone", window[None]), ("in_batch", np.tile(window, (BATCH, 1)))):
            started = time.process_time()
            encoder.embed(batch)
            taken_ms[name].append(1000 * (time.process_time() - started) / len(batch))
    return {f"{name}_ms": round(min(ms), 2) for name, ms in taken_ms.items()}


def lock_share(encoder: Encoder, clips: list[Path]) -> float:
    """The share of embedding files, in one thread, that is neither decoding nor the network."""
    all_s = free_s = 0.0
    for path in clips:
        started = time.process_time()
        encoder.embed_file(path)
        all_s += time.process_time() - started
        waveform = load_audio(path)
        started = time.process_time()
        soundfile.read(path, dtype="float32")
        encoder.embed(waveform)
        free_s += time.process_time() - started
    return max(0.0, 1 - free_s / all_s)


def measure() -> Figures:
    """Hours of audio a minute, by system."""
    clips = sorted(CLIPS.glob("*.opus"))[:N_CLIPS]
    hours = sum(soundfile.info(path).duration for path in clips) / 3600
    encoder = SpeakerEncoder.load("small")
    calls: dict[str, Callable[[], object]] = {
        f"spkid_{n}": partial(embed_all, encoder, clips, n) for n in N_THREADS
    }
    taken_s: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(N_RUNS):
        for name, call in calls.items():
            started_s, processor_s = time.perf_counter(), time.process_time()
            call()
            taken = time.perf_counter() - started_s, time.process_time() - processor_s
            taken_s[name].append(taken)
    systems = {
        name: {
            "hours_a_minute": round(60 * hours / min(wall for wall, _ in each), 3),
            "hours_a_processor_minute": round(
                60 * hours / statistics.median(p for _, p in each), 3
            ),
        }
        for name, each in taken_s.items()
    }
    return {
        "n_clips": len(clips),
        "audio_s": round(3600 * hours, 1),
        "n_cores": len(os.sched_getaffinity(0)),
        "n_waiting": n_waiting(),
        "python_lock_share": round(lock_share(encoder, clips[:8]), 3),
        "three_second_window": batch_figures(encoder, clips[0]),
        "systems": systems,
    }


BENCHMARK = Benchmark("bulk", measure, (bulk,))

if __name__ == "__main__":
    BENCHMARK.main()
