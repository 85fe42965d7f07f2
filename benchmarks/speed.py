"""Where the time of one answer goes, beside the floor and beside peers; and whole commands.

    python -m benchmarks.speed [--peers]

Milliseconds are of the processor, for a clip of 3 seconds on one core, with the model loaded: all
are run in turn, and the least of some runs counts. The floor is what the multiplications take at
the rate of large matrices. `--peers` adds other people's encoders (`benchmarks/harness/peers.py`).
Commands are whole processes, measured by the operating system: from a cold shell, and on a file of
ten minutes, the longest that is taken. Two minutes, with peers three.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import spkid
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.operations import billion_products_per_s, million_products
from benchmarks.harness.whole_process import n_waiting, whole_process, write_repeated
from benchmarks.pages.system_tables import speed, speed_commands, speed_peers
from enrollment import Household, Store
from spkid import Model
from spkid.audio.ears import EARS, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.voicing import voiced_share
from spkid.encoder.encoder import BUNDLED
from spkid.encoder.hearing import hear

CLIPS = Path(spkid.__file__).parent / "demo" / "clips"
N_WARM_UP = 2
N_RUNS = 25
N_COLD_RUNS = 7
FILE_S = 600


def in_turn(calls: Mapping[str, Callable[[], object]]) -> dict[str, dict[str, float]]:
    """Milliseconds of the processor for each call, run A B C A B C ..., after a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(N_WARM_UP + N_RUNS):
        for name, call in calls.items():
            started = time.process_time()
            call()
            if run >= N_WARM_UP:
                taken[name].append(1000 * (time.process_time() - started))
    return {
        name: {"median_ms": round(statistics.median(ms), 2), "min_ms": round(min(ms), 2)}
        for name, ms in taken.items()
    }


def parts_of(home: Household, waveform: Waveform) -> dict[str, Callable[[], object]]:
    """``identify`` of an array, and what it does, one after the other."""
    encoder = home.model.encoder
    heard = hear(waveform, encoder)
    return {
        "identify": lambda: home.identify(waveform),
        "ears": lambda: listen(waveform),
        "voicing": lambda: voiced_share(waveform),
        "encoder": lambda: encoder.embed(waveform),
        "deciding": lambda: home.identify(heard),
    }


def commands(folder: Path, clips: list[Path], three_seconds: Waveform) -> Figures:
    """``spkid identify`` with the small model: of three seconds, and of ten minutes."""
    store = str(folder / "small.sqlite3")
    words = ["identify", "--household", "home", "--model", "small", "--store", store]
    write_repeated(folder / "three.wav", three_seconds, seconds=3)
    speech = np.concatenate([load_audio(clip) for clip in clips])
    write_repeated(folder / "long.flac", speech, seconds=FILE_S)
    return {
        "three_seconds": whole_process([*words, str(folder / "three.wav")], n_runs=N_COLD_RUNS),
        "ten_minutes": whole_process([*words, str(folder / "long.flac")], n_runs=1),
    }


def measure(peers: bool = False) -> Figures:
    """Milliseconds, seconds and megabytes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clips = sorted(CLIPS.glob("0961600*.opus"))
    three_seconds = load_audio(clips[0])[: 3 * SAMPLE_RATE_HZ]
    rate = billion_products_per_s()
    products = {name: million_products(BUNDLED[name], three_seconds) for name in BUNDLED}
    products["ears"] = million_products(EARS, three_seconds)
    calls: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in BUNDLED:
            store = Store.open(folder / f"{model}.sqlite3")
            home = Household(store, "home", model=Model.load(model))
            home.enroll("Ana", clips[:3], consent=True)
            parts = parts_of(home, three_seconds)
            calls |= {f"{model}: {part}": call for part, call in parts.items()}
        if peers:
            from benchmarks.harness import peers as others

            for peer, own in others.peers(three_seconds, folder).items():
                calls[peer] = own.embed
                if own.million_products is not None:
                    products[peer] = own.million_products
        return {
            "n_waiting": n_waiting(),
            "billion_products_per_s": round(rate, 1),
            "floor_ms": {each: round(own / rate, 2) for each, own in products.items()},
            "three_seconds": in_turn(calls),
            "commands": commands(folder, clips, three_seconds),
        }


BENCHMARK = Benchmark("speed", measure, (speed, speed_peers, speed_commands))

if __name__ == "__main__":
    BENCHMARK.main()
