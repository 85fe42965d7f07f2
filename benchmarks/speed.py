"""How fast and how small: one clip, a cold shell, an hour-long file; beside two peers.

    python -m benchmarks.speed [--peers]

`--peers` times Resemblyzer (`pip install resemblyzer`) and speechbrain's ECAPA-TDNN
(untrained weights: the work is the same) in turn with ours on the same 3-second clip, each
on one core. Cold-shell figures are whole processes, measured by the operating system. Two
minutes, most of them for the hour-long file.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import spkid
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.whole_process import whole_process, write_repeated
from benchmarks.pages.system_tables import speed
from enrollment import Household, Store
from spkid import SpeakerEncoder
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio

CLIPS = Path(spkid.__file__).parent / "demo" / "clips"
N_WARM_UP = 5
N_RUNS = 40
N_COLD_RUNS = 7


def in_turn(calls: dict[str, Callable[[], object]]) -> dict[str, dict[str, float]]:
    """Milliseconds of each call, run A B C A B C ..., after a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for run in range(N_WARM_UP + N_RUNS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if run >= N_WARM_UP:
                taken[name].append(1000 * (time.perf_counter() - started))
    return {
        name: {"median_ms": round(statistics.median(ms), 2), "min_ms": round(min(ms), 2)}
        for name, ms in taken.items()
    }


def rivals(waveform: Waveform) -> dict[str, Callable[[], object]]:
    """Resemblyzer and ECAPA-TDNN on one core."""
    import torch
    from resemblyzer import VoiceEncoder
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    torch.set_num_threads(1)
    resemblyzer = VoiceEncoder("cpu", verbose=False)
    fbank, ecapa = Fbank(n_mels=80), ECAPA_TDNN(80, channels=[1024] * 4 + [3072]).eval()
    samples = torch.from_numpy(waveform)[None]

    def run_ecapa() -> object:
        with torch.inference_mode():
            return ecapa(fbank(samples))

    return {
        "resemblyzer": lambda: resemblyzer.embed_utterance(waveform),
        "ecapa_tdnn_1024": run_ecapa,
    }


def measure(peers: bool = False, file_s: int = 3600) -> Figures:
    """Milliseconds, seconds and megabytes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clips = sorted(CLIPS.glob("0961600*.opus"))
    three_seconds = load_audio(clips[0])[: 3 * SAMPLE_RATE_HZ]
    encoder = SpeakerEncoder.load("small")
    calls: dict[str, Callable[[], object]] = {"spkid": lambda: encoder.embed(three_seconds)}
    if peers:
        calls |= rivals(three_seconds)
    figures: Figures = {"three_second_clip_one_core": in_turn(calls)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "store.sqlite3") as store:
            Household(store, "home").enroll("Ana", clips[:3], consent=True)
        words = ["identify", "--household", "home", "--store", str(folder / "store.sqlite3")]
        write_repeated(folder / "three.wav", three_seconds, seconds=3)
        figures["identify_cold_shell_3_s"] = whole_process(
            [*words, str(folder / "three.wav")], n_runs=N_COLD_RUNS
        )
        speech = np.concatenate([load_audio(clip) for clip in clips])
        write_repeated(folder / "hour.flac", speech, seconds=file_s)
        hour = [*words, str(folder / "hour.flac")]
        figures["identify_hour_long_file"] = whole_process(hour, n_runs=1)
    return figures


BENCHMARK = Benchmark("speed", measure, (speed,))

if __name__ == "__main__":
    BENCHMARK.main()
