"""How fast and how small: one clip, a cold shell, an hour-long file; beside two peers.

    python -m benchmarks.speed [--peers]

`--peers` times Resemblyzer (`pip install resemblyzer`) and speechbrain's ECAPA-TDNN
(untrained weights: the work is the same) in turn with ours on the same 3-second clip, each
on one core. Cold-shell figures are whole processes, measured by the operating system. Writes
`benchmarks/results/speed.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import spkid
from benchmarks.harness.record import RESULTS, write_result
from enrollment import Household, Store
from spkid import SpeakerEncoder
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio

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


def peers(waveform: np.ndarray) -> dict[str, Callable[[], object]]:
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


# a small process starts the command: the peak memory of a child counts its parent's too
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([code, seconds, peak / 1024]))
"""


def whole_process(words: list[str], *, n_runs: int = N_COLD_RUNS) -> dict[str, float]:
    """Median wall seconds and largest peak memory in MB of a command, each run a new process."""
    seconds, peak_mb = [], []
    for _ in range(n_runs):
        command = [sys.executable, "-m", "spkid", *words]
        launched = subprocess.run(
            [sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True, check=True
        )
        code, taken_s, peak = json.loads(launched.stdout)
        if code:
            raise SystemExit(f"{words} ended with {code}")
        seconds.append(taken_s)
        peak_mb.append(peak)
    return {
        "median_s": round(statistics.median(seconds), 3),
        "min_s": round(min(seconds), 3),
        "peak_memory_mb": round(max(peak_mb)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="time Resemblyzer and ECAPA too")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clips = sorted(CLIPS.glob("0961600*.opus"))
    three_seconds = load_audio(clips[0])[: 3 * SAMPLE_RATE_HZ]
    encoder = SpeakerEncoder.load()
    calls: dict[str, Callable[[], object]] = {"spkid": lambda: encoder.embed(three_seconds)}
    if arguments.peers:
        calls |= peers(three_seconds)
    figures: dict[str, object] = {"three_second_clip_one_core": in_turn(calls)}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite3"
        with Store.open(path) as store:
            Household(store, "home").enroll("Ana", clips[:3], consent=True)
        words = ["identify", "--household", "home", "--store", str(path)]
        short = Path(folder) / "three.wav"
        soundfile.write(short, three_seconds, SAMPLE_RATE_HZ)
        figures["identify_cold_shell_3_s"] = whole_process([*words, str(short)])
        hour = Path(folder) / "hour.flac"
        speech = np.concatenate([load_audio(clip) for clip in clips])
        with soundfile.SoundFile(hour, "w", SAMPLE_RATE_HZ, 1) as file:
            for _ in range(-(-3600 * SAMPLE_RATE_HZ // len(speech))):
                file.write(speech)
        figures["identify_hour_long_file"] = whole_process([*words, str(hour)], n_runs=1)
    command = "python -m benchmarks.speed" + (" --peers" if arguments.peers else "")
    write_result(RESULTS / "speed.json", figures, command=command, seed=None)
    for name, value in figures.items():
        print(name, value)


if __name__ == "__main__":
    main()
