"""How well the ears hear: speech, several voices at once, a change of voice; beside two peers.

    python -m benchmarks.ears --data DIR [--segmentation FILE] [--split held-out]

Speakers of the split `test` and noises of ESC's fold 5, neither of which the ears were trained on
or chosen by (that was done on the held-out speakers of the split `train` and on fold 4, which
`--split held-out` measures). Silero and, where `--segmentation` names what
`benchmarks.model.ears.peer` wrote, pyannote's segmentation 3.0 hear the same. Minutes on one core.

- Speech: clips alone, in noise, quiet, by telephone, with an offset, and two people at once. What
  is speech is read off the clean clip, 20 ms at a time: within 15 dB of the 95th percentile of its
  levels is speech, more than 25 dB below is not, and what is between is not counted, nor are
  silences within words of up to 60 ms. This reference counts a pause between two words as an error
  of a detector that bridges it, as the peers do and the ears were taught not to do.
- Several at once, and changes of voice: mixtures of up to three people as in training, and the same
  without noise, rooms, telephones and levels. A change is found where one is said within 0.25 s.
- Company: clips of one person, two of one person in turn, two people summed and in turn: how many
  are said to hold several voices, by the bundled model and its calibration.
- Speed: processor time for 3 s, the median.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.carriers import by_telephone, quiet, two_at_once
from benchmarks.harness.noises import CHUNK_S, CHUNK_SAMPLES
from benchmarks.harness.silero import speech_probabilities
from benchmarks.harness.unheard import (
    Split,
    clips_in_company,
    long_clips,
    unheard_clips,
    unheard_noises,
    waveform_of,
)
from benchmarks.model.ears.mixtures import Mixture, MixtureConfig, Voices, draw_mixture
from benchmarks.model.ears.peer import load_segmentation, voices_heard
from benchmarks.model.ears.scoring import change_scores, several_scores
from benchmarks.model.ears.truth import SILENT, SPOKEN, Activity, activity, is_clean
from benchmarks.pages.ears_tables import ears_company, ears_speech, ears_voices
from benchmarks.vad import mixed
from enrollment.company import voices_in
from spkid.audio.ears import (
    FRAME_S,
    FRAME_SAMPLES,
    NEW_VOICE_PROBABILITY,
    SEVERAL_PROBABILITY,
    listen,
)
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.encoder.company import company_in
from spkid.scoring.model import Model
from spkid.training.data.corpus import Corpus


@dataclass(frozen=True)
class Heard:
    """``is_speech`` ``[frames]``; ``voices``: nobody, one and several, ``[frames, 3]``."""

    is_speech: NDArray[np.bool_]
    voices: NDArray[np.floating[Any]]


Listener = Callable[[Waveform], Heard]
MIXTURE_S = 8.0
SPEED_CLIP_S = 3.0
OFFSET = 0.1
SPEED_REPEATS = 30
PLAIN = replace(
    MixtureConfig(),
    room_chance=0.0,
    noise_chance=0.0,
    lone_noise_chance=0.0,
    babble_chance=0.0,
    music_chance=0.0,
    bursts_chance=0.0,
    hiss_db=(-80.0, -79.0),
    band_chance=0.0,
    carrier_chance=0.0,
    level_dbfs=(-3.0, -2.0),
    offset_chance=0.0,
)


def ears(waveform: Waveform) -> Heard:
    """What is bundled."""
    frames = listen(waveform)
    return Heard(frames.is_speech, frames.voices)


def silero(waveform: Waveform) -> Heard:
    """Speech or not, of the 32 ms chunk around the centre of each frame."""
    centres = (np.arange(len(waveform) // FRAME_SAMPLES) + 0.5) * FRAME_SAMPLES
    speech = speech_probabilities(waveform)[(centres // CHUNK_SAMPLES).astype(int)]
    return Heard(speech >= 0.5, np.stack([1 - speech, speech, np.zeros_like(speech)], axis=1))


def listeners(segmentation: Path | None) -> dict[str, Listener]:
    """By name."""
    found: dict[str, Listener] = {"ears": ears, "Silero": silero}
    if segmentation is not None:
        network = load_segmentation(segmentation)

        def peer(waveform: Waveform) -> Heard:
            at_s = (np.arange(len(waveform) // FRAME_SAMPLES) + 0.5) * FRAME_S
            voices = voices_heard(network, waveform, at_s)
            return Heard(voices[:, 0] < 0.5, voices)

        found["pyannote segmentation 3.0"] = peer
    return found


def conditions(
    clips: list[Waveform], noises: list[Waveform], rng: np.random.Generator
) -> Iterator[tuple[str, list[tuple[Waveform, Activity]]]]:
    """By name: what is heard, and when somebody speaks in it."""
    truths = [activity(clip) for clip in clips]
    made: dict[str, Callable[[Waveform], Waveform]] = {
        "clean": lambda clip: clip,
        "20 dB": lambda clip: mixed(clip, noises, 20, rng),
        "10 dB": lambda clip: mixed(clip, noises, 10, rng),
        "0 dB": lambda clip: mixed(clip, noises, 0, rng),
        "-50 dBFS": quiet,
        "telephone": by_telephone,
        "offset": lambda clip: (clip + OFFSET).astype(np.float32),
    }
    for name, make in made.items():
        yield name, list(zip(map(make, clips), truths, strict=True))
    both = [
        np.maximum(truths[place][:n], truths[place - 1][:n])
        for place in range(len(clips))
        for n in [min(len(truths[place]), len(truths[place - 1]))]
    ]
    yield "two at once", list(zip(two_at_once(clips), both, strict=True))


def judge_speech(
    clips: list[Waveform],
    noises: list[Waveform],
    judged: dict[str, Listener],
    rng: np.random.Generator,
) -> Figures:
    """Miss, false alarm and frame error of each listener under each condition."""
    found: Figures = {}
    for condition, recordings in conditions(clips, noises, rng):
        found[condition] = {}
        truth = np.concatenate([own for _, own in recordings])
        for name, listener in judged.items():
            said = np.concatenate(
                [listener(heard).is_speech[: len(own)] for heard, own in recordings]
            )
            wrong = np.where(truth == SPOKEN, ~said, said)[(truth == SPOKEN) | (truth == SILENT)]
            found[condition][name] = {
                "frame_error": round(float(wrong.mean()), 4),
                "miss_rate": round(float((~said)[truth == SPOKEN].mean()), 4),
                "false_alarm_rate": round(float(said[truth == SILENT].mean()), 4),
            }
    alone = {
        name: np.concatenate([listener(noise).is_speech for noise in noises]).mean()
        for name, listener in judged.items()
    }
    return {
        "clips": len(clips),
        "conditions": found,
        "noise_taken_for_speech": {name: round(float(rate), 4) for name, rate in alone.items()},
    }


def judge_mixtures(mixtures: list[Mixture], judged: dict[str, Listener]) -> Figures:
    """Frames in which several speak at once, and changes of voice."""
    systems = {}
    for name, listener in judged.items():
        if name != "Silero":
            heard = [listener(mixture.waveform).voices for mixture in track(mixtures, name)]
            limit = SEVERAL_PROBABILITY if name == "ears" else 0.5
            systems[name] = several_scores(mixtures, heard, limit)
    frames = [listen(mixture.waveform) for mixture in mixtures]
    changes = change_scores(mixtures, frames, NEW_VOICE_PROBABILITY)
    return {"several": {"systems": systems}, "changes": changes}


def said_to_be_several(waveform: Waveform, model: Model) -> bool:
    """Whether the clip is said to hold more than one voice."""
    company = company_in(waveform, listen(waveform), model.encoder)
    return bool(voices_in(company, model.to_decide()).others)


def judge_company(corpus: Corpus, n_clips: int, rng: np.random.Generator) -> Figures:
    """How many clips of one and of two people are said to hold several voices."""
    model = Model.load()
    return {
        name: {
            "clips": len(clips),
            "several": round(
                float(np.mean([said_to_be_several(clip, model) for clip in track(clips, name)])), 4
            ),
        }
        for name, clips in clips_in_company(corpus, n_clips, rng).items()
    }


def judge_seconds(clips: list[Waveform]) -> dict[str, float]:
    """How many seconds of speech the clips hold, by what the ears hear as said and by Silero."""
    said = sum(int(listen(clip).is_said.sum()) for clip in clips)
    chunks = sum(int((speech_probabilities(clip) >= 0.5).sum()) for clip in clips)
    return {"ears": round(said * FRAME_S, 1), "Silero": round(chunks * CHUNK_S, 1)}


def judge_speed(judged: dict[str, Listener], clip: Waveform) -> dict[str, float]:
    """Processor milliseconds for ``SPEED_CLIP_S`` of sound."""
    heard = np.resize(clip, int(SPEED_CLIP_S * SAMPLE_RATE_HZ))
    spent = {}
    for name, listener in judged.items():
        rounds_s = []
        for _ in range(SPEED_REPEATS):
            begun_s = time.process_time()
            listener(heard)
            rounds_s.append(time.process_time() - begun_s)
        spent[name] = round(1_000 * float(np.median(rounds_s)), 2)
    return spent


def measure(
    data: Data,
    clips: int = 100,
    mixtures: int = 150,
    segmentation: Path | None = None,
    split: Split = "test",
    seed: Seed = 0,
) -> Figures:
    """Speech, several at once, changes, company and speed."""
    rng, judged = np.random.default_rng(seed), listeners(segmentation)
    corpus, noise = unheard_clips(data, split), unheard_noises(data, split)
    noises = [waveform_of(noise, index) for index in range(len(noise))]
    clean = (waveform_of(corpus, index) for index in long_clips(corpus, 1.0, rng))
    speech = list(islice(filter(is_clean, clean), clips))
    voices = Voices(corpus)
    found: Figures = {"split": split, "speech": judge_speech(speech, noises, judged, rng)}
    found["seconds_of_speech"] = judge_seconds(speech)
    for name, config in (("plain", PLAIN), ("as in training", MixtureConfig())):
        drawn = [
            draw_mixture(
                voices, noise, config, np.random.default_rng([seed, n]), duration_s=MIXTURE_S
            )
            for n in range(mixtures)
        ]
        found[name] = judge_mixtures(drawn, judged)
    found["company"] = judge_company(corpus, clips, rng)
    found["processor_ms_for_3_s"] = judge_speed(judged, speech[0])
    return found


BENCHMARK = Benchmark("ears", measure, (ears_speech, ears_voices, ears_company))

if __name__ == "__main__":
    BENCHMARK.main()
