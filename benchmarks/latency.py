"""Where the time of one answer goes: its parts, the floor beneath them, and a cold shell.

    python -m benchmarks.latency

Milliseconds are of the processor, on one core, with the model loaded; the parts are run in turn,
the least of some runs counts. The floor is what the multiplications of a graph take at the rate of
large matrices. The cold shell is a whole process, measured by the operating system. A minute.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import spkid
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.operations import billion_products_per_s, million_products
from benchmarks.harness.whole_process import n_waiting, whole_process, write_repeated
from benchmarks.pages.system_tables import latency
from enrollment import Household, Store
from spkid import Model
from spkid.audio.ears import EARS, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.voicing import voiced_share
from spkid.encoder.encoder import BUNDLED
from spkid.encoder.hearing import hear

CLIPS = Path(spkid.__file__).parent / "demo" / "clips"
N_WARM_UP = 2
N_RUNS = 12
N_COLD_RUNS = 3


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


def measure() -> Figures:
    """Milliseconds, seconds and megabytes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clips = sorted(CLIPS.glob("0961600*.opus"))
    three_seconds = load_audio(clips[0])[: 3 * SAMPLE_RATE_HZ]
    models = {name: Model.load(name) for name in BUNDLED}
    rate = billion_products_per_s()
    figures: Figures = {"n_waiting": n_waiting(), "billion_products_per_s": round(rate, 1)}
    products = {name: million_products(BUNDLED[name], three_seconds) for name in BUNDLED}
    products["ears"] = million_products(EARS, three_seconds)
    figures["floor"] = {
        name: {"million_products": round(own), "floor_ms": round(own / rate, 2)}
        for name, own in products.items()
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures["where_it_goes"] = {}
        for name, model in models.items():
            with Store.open(folder / f"{name}.sqlite3") as store:
                home = Household(store, "home", model=model)
                home.enroll("Ana", clips[:3], consent=True)
                figures["where_it_goes"][name] = in_turn(parts_of(home, three_seconds))
        store_path = str(folder / "small.sqlite3")
        words = ["identify", "--household", "home", "--model", "small", "--store", store_path]
        write_repeated(folder / "three.wav", three_seconds, seconds=3)
        figures["identify_cold_shell_3_s"] = whole_process(
            [*words, str(folder / "three.wav")], n_runs=N_COLD_RUNS
        )
    return figures


BENCHMARK = Benchmark("latency", measure, (latency,))

if __name__ == "__main__":
    BENCHMARK.main()
