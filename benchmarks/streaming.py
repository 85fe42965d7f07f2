"""Live streams: how soon and how well they answer, and what a day and a hundred of them cost.

    python -m benchmarks.streaming --data DIR [--hours N] [--homes N] [--streams N]

- Homes of `households_new_speechocean762`: who is enrolled there, and every clip to be heard as a
  stream with a second of quiet noise around it. How many get an early answer, how long after they
  began to speak, and how often that, and the answer at the end, is right.
- A day: each hour holds half a minute of talk, as much noise and otherwise what a microphone with
  a noise gate sends, zeros. The memory of the process after each hour.
- Many streams in one process, fed in turn: memory and processor time.

Ten minutes on one core.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.pages.live_tables import early_answers, long_streams
from enrollment import Household, Store
from enrollment.live import Answer, EarlyAnswer, Listener, LiveEvent
from spkid.audio.events import SpeechBegan
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.data.manifest import read_manifest
from spkid.scoring.model import Model

HOMES = "households_new_speechocean762"
FRAME_SAMPLES = 1_600
NOISE_LEVEL = 1e-3
PART_S = 30.0
STREAM_S = 3.0


def noise(n_samples: int, rng: np.random.Generator) -> Waveform:
    """A quiet room."""
    return np.float32(NOISE_LEVEL) * rng.standard_normal(n_samples, dtype=np.float32)


def in_room(clip: Waveform, rng: np.random.Generator) -> Waveform:
    """The clip in a quiet room, which is there before and after it."""
    room = noise(len(clip) + 3 * SAMPLE_RATE_HZ, rng)
    room[SAMPLE_RATE_HZ : SAMPLE_RATE_HZ + len(clip)] += clip
    return room


def told(listener: Listener, samples: NDArray[np.generic]) -> Iterator[LiveEvent]:
    """The events of ``samples``, given frame by frame."""
    for start in range(0, len(samples), FRAME_SAMPLES):
        yield from listener.feed(samples[start : start + FRAME_SAMPLES])


def heard_clip(events: list[LiveEvent], truth: str | None) -> Figures:
    """What the stream of one clip said; ``truth`` is who spoke, None for a guest."""
    began = next((event.at_s for event in events if isinstance(event, SpeechBegan)), None)
    early = next((event for event in events if isinstance(event, EarlyAnswer)), None)
    answers = [event for event in events if isinstance(event, Answer)]
    longest = max(answers, key=lambda each: each.decision.speech_s, default=None)
    return {
        "guest": truth is None,
        "answers": len(answers),
        "early_s": early.at_s - began if early and began is not None else None,
        "early_right": early.decision.member == truth if early else None,
        "right": longest is not None and longest.decision.member == truth,
    }


def judge_homes(data: Path, n_homes: int, model: Model, rng: np.random.Generator) -> Figures:
    """Every clip of some homes as a stream of its own."""
    homes = read_manifest(data / "speech" / "protocols" / f"{HOMES}.csv")
    drawn = sorted(rng.permutation(homes["household"].unique())[:n_homes])
    rows = []
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store.sqlite3") as store:
        for name in drawn:
            table = homes[homes["household"] == name]
            home, enrolled = Household(store, name, model=model), table[table["role"] == "enroll"]
            for speaker, own in enrolled.groupby("speaker"):
                paths = [data / "speech" / path for path in own["path"]]
                home.enroll(str(speaker), paths, consent=True, force=True, another_person=True)
            for heard in table[table["role"] != "enroll"].itertuples():
                listener = home.listen()
                clip = in_room(load_audio(data / "speech" / str(heard.path)), rng)
                events = [*told(listener, clip), *listener.finish()]
                rows.append(
                    heard_clip(events, str(heard.speaker) if heard.role == "member" else None)
                )
    return {"homes": n_homes, **summary(pd.DataFrame(rows))}


def summary(rows: pd.DataFrame) -> Figures:
    """Members and guests apart."""
    found = {}
    for name, own in (("members", rows[~rows["guest"]]), ("guests", rows[rows["guest"]])):
        early = own[own["early_s"].notna()]
        found[name] = {
            "clips": len(own),
            "early": len(early),
            "early_median_s": float(early["early_s"].astype(float).median()),
            "early_right": int((early["early_right"] == True).sum()),  # noqa: E712
            "right": int(own["right"].sum()),
        }
    return found


def memory_mb() -> float:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def judge_day(home: Household, talk: Waveform, hours: int, rng: np.random.Generator) -> Figures:
    """A stream of so many hours, as fast as it runs."""
    listener, kinds, memory = home.listen(), Counter[str](), []
    room = np.concatenate([in_room(talk, rng), noise(round(PART_S * SAMPLE_RATE_HZ), rng)])
    integers = np.round(32_767 * room).astype(np.int16)
    minute = np.zeros(60 * SAMPLE_RATE_HZ, dtype=np.int16)
    started_s = time.process_time()
    for _ in range(hours):
        kinds.update(event.kind for event in told(listener, integers))
        for _ in range(59):
            kinds.update(event.kind for event in listener.feed(minute))
        memory.append(round(memory_mb(), 1))
    kinds.update(event.kind for event in listener.finish())
    return {
        "hours": hours,
        "processor_s": time.process_time() - started_s,
        "memory_mb_after_each_hour": memory,
        "events": dict(kinds),
    }


def judge_streams(home: Household, talk: Waveform, n_streams: int) -> Figures:
    """So many streams at once, each a little later in the same talk."""
    seconds = round(STREAM_S * SAMPLE_RATE_HZ)
    before_mb, started_s = memory_mb(), time.process_time()
    listeners = [home.listen() for _ in range(n_streams)]
    n_answers = 0
    for start in range(0, seconds, FRAME_SAMPLES):
        for number, listener in enumerate(listeners):
            place = number * FRAME_SAMPLES + start
            frame = np.take(talk, range(place, place + FRAME_SAMPLES), mode="wrap")
            n_answers += sum(isinstance(event, Answer) for event in listener.feed(frame))
    n_answers += sum(isinstance(e, Answer) for own in listeners for e in own.finish())
    return {
        "streams": n_streams,
        "answers": n_answers,
        "memory_mb_each": (memory_mb() - before_mb) / n_streams,
        "processor_ms_per_second": 1e3 * (time.process_time() - started_s) / (n_streams * STREAM_S),
    }


def measure(
    data: Data, homes: int = 5, hours: int = 24, streams: int = 100, seed: Seed = 0
) -> Figures:
    """Early answers, a day, and many streams."""
    model, rng = Model.load(), np.random.default_rng(seed)
    table = read_manifest(data / "speech" / "protocols" / f"{HOMES}.csv")
    own = table[table["household"] == table["household"].iloc[0]]
    paths = [data / "speech" / path for path in own["path"]]
    talk = np.concatenate([load_audio(path) for path in paths])
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store.sqlite3") as store:
        home = Household(store, "home", model=model)
        home.enroll("somebody", paths[:3], consent=True)
        long = judge_day(home, talk[: round(PART_S * SAMPLE_RATE_HZ)], hours, rng)
        many = judge_streams(home, talk, streams)
    return {"day": long, "streams": many, "early": judge_homes(data, homes, model, rng)}


BENCHMARK = Benchmark("streaming", measure, (early_answers, long_streams))

if __name__ == "__main__":
    BENCHMARK.main()
