"""Eight homes of four in better and worse sound: how many clips are answered rightly.

    python -m benchmarks.conditions --data DIR [--model small]

Thirty-two test speakers of speechocean762 make eight homes of four, the others are strangers. Each
member enrolls with the first three clips, as recorded, that enrolling accepts. Five more of each
member, 160 in all, and 160 clips of strangers, twenty a home, are asked about through
`Household.identify`, threshold and all, as recorded and

cut to 2 s, cut to 1 s
    the loudest such part of the clip;
telephone
    the 2 s at 8 kHz in mu-law;
noise at 5 dB
    the 2 s with a noise of things, not of people, at that ratio;
far field
    the 2 s in a diffuse room (reverberation time 0.6 s, the direct sound as strong as what follows)
    with such noise at 10 dB.

A member's clip is right when that member is named, a stranger's clip is wrong when anybody is.
What was refused (too short, poor audio and so on) is counted apart. Nothing here is tuned. Eight
minutes on one core.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from scipy.signal import fftconvolve

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.carriers import at_half_scale, by_telephone
from benchmarks.harness.noises import loudest, things
from benchmarks.pages.condition_tables import conditions
from enrollment import Household, Store
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.data.manifest import read_manifest
from spkid.scoring.model import Model
from spkid.training.data.augment import room_responses

SEED = 0
N_HOMES, SIZE, N_ENROLLED, N_ASKED, N_STRANGE = 8, 4, 3, 5, 20
NOISE_DB, FAR_NOISE_DB, REVERBERATION_S = 5.0, 10.0, 0.6
Change = Callable[[Waveform, list[Waveform], np.random.Generator], Waveform]


def noisy(clip: Waveform, noise: Waveform, ratio_db: float) -> Waveform:
    """``clip`` with ``noise`` at that signal-to-noise ratio."""
    own = np.resize(noise, len(clip))
    gain = np.sqrt(np.mean(clip**2) / np.mean(own**2)) * 10 ** (-ratio_db / 20)
    return np.asarray(clip + gain * own, dtype=np.float32)


def in_a_room(clip: Waveform, rng: np.random.Generator) -> Waveform:
    """``clip`` in a diffuse room that ``rng`` draws."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    drawn = room_responses(torch.tensor([REVERBERATION_S]), torch.tensor([0.0]), generator)
    return np.asarray(fftconvolve(clip, drawn[0].numpy())[: len(clip)], dtype=np.float32)


def noise_of(noises: list[Waveform], rng: np.random.Generator) -> Waveform:
    """One of them."""
    return noises[rng.integers(len(noises))]


CONDITIONS: dict[str, Change] = {
    "as recorded": lambda clip, noises, rng: clip,
    "2 s": lambda clip, noises, rng: loudest(clip, 2.0),
    "1 s": lambda clip, noises, rng: loudest(clip, 1.0),
    "2 s, telephone": lambda clip, noises, rng: by_telephone(at_half_scale(loudest(clip, 2.0))),
    "2 s, noise at 5 dB": lambda clip, noises, rng: noisy(
        loudest(clip, 2.0), noise_of(noises, rng), NOISE_DB
    ),
    "2 s, far field, noise at 10 dB": lambda clip, noises, rng: noisy(
        in_a_room(loudest(clip, 2.0), rng), noise_of(noises, rng), FAR_NOISE_DB
    ),
}


def enrolled(home: Household, who: str, clips: list[Path]) -> int:
    """How many of ``clips`` it took until enough were accepted."""
    n_heard = n_accepted = 0
    while n_accepted < N_ENROLLED:
        clip = clips[n_heard]
        given = home.enroll(who, [clip], consent=True, force=True, another_person=True)
        n_accepted += given.clips[0].accepted
        n_heard += 1
    return n_heard


def measure(data: Data, model: str = "accurate") -> Figures:
    """Counts by condition: clips, right, named wrongly, and why the others were not answered."""
    clips = read_manifest(data / "speech" / "manifest.csv")
    clips = clips[(clips["split"] == "test") & (clips["corpus"] == "speechocean762")]
    rng = np.random.default_rng(SEED)
    paths = {who: rng.permutation(own["path"]).tolist() for who, own in clips.groupby("speaker")}
    people = rng.permutation(list(paths)).tolist()
    strangers = people[N_HOMES * SIZE :]
    noises = [load_audio(path) for path in things(data / "noise")]
    loaded = Model.load(model)
    counts = {name: Counter[str]() for name in CONDITIONS}
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "homes") as store:
        for number in track(range(N_HOMES), "homes"):
            home = Household(store, str(number), model=loaded)
            members = people[number * SIZE : (number + 1) * SIZE]
            asked = []
            for who in members:
                n_heard = enrolled(home, who, [data / "speech" / path for path in paths[who]])
                asked += [(who, path) for path in paths[who][n_heard:][:N_ASKED]]
            guests = [(who, path) for who in strangers for path in paths[who]]
            drawn = rng.permutation(len(guests))[:N_STRANGE]
            asked += [("", guests[index][1]) for index in drawn]
            for who, path in asked:
                clip = load_audio(data / "speech" / path)
                for name, change in CONDITIONS.items():
                    answer = home.identify((change(clip, noises, rng), SAMPLE_RATE_HZ))
                    side = "member" if who else "stranger"
                    said = "right" if who and answer.member == who else answer.status
                    counts[name][f"{side} {said}"] += 1
    n_each = {"n_members": N_HOMES * SIZE * N_ASKED, "n_strangers": N_HOMES * N_STRANGE}
    return {"model": loaded.fingerprint, **n_each, "counts": counts}


BENCHMARK = Benchmark("conditions", measure, (conditions,), seed=SEED, file="conditions_{model}")

if __name__ == "__main__":
    BENCHMARK.main()
