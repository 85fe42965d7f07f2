"""Recordings of simulated homes whose truth is known, and how wrong a timeline of them is.

A recording is all clips of one home, members' and guests', in random order. Between two clips
is a pause of 0.3 to 2 s; one time in ten, instead, the next clip starts half a second before
the last one ends. Every second recording has a noise of things (not of people) over all of it,
10 to 25 dB below the speech.

**Truth** does not come from the detector that is judged: in the clean clip, chunks of 32 ms
within 25 dB of the 95th percentile of their levels are speech, and so are pauses of up to
0.3 s between them. No collar. In overlaps, either name is right.

**Error** is the share of the speech without the right answer (the member, or ``unknown`` for a
guest), in parts that add up: not noticed, left undecided (doubtful or too short), a member
taken for another, a member taken for a stranger, a stranger taken for a member. To it comes
what is named where nobody speaks, over the same total (false alarm).

**Two voices at once** are measured by themselves: stretches of two people's speech from the same
recording are summed, and what is answered by one sure name, or by one stranger, is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from benchmarks.harness.noises import CHUNK_S, chunk_levels_dbfs
from enrollment import Household, Store
from enrollment.timeline import Judge, Segment
from enrollment.turns import stretches
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.scoring.model import Model

FRAME_S = 0.01
SPEECH_WITHIN_DB = 25.0
PAUSE_WITHIN_SPEECH_S = 0.3
PAUSE_S = (0.3, 2.0)
OVERLAP_S = 0.5
OVERLAP_SHARE = 0.1
AT_ONCE_S, AT_ONCE_LEVEL = 1.5, 0.05  # of two voices over each other all the time
NOISE_BELOW_DB = (10.0, 25.0)
GUEST, NOBODY, UNDECIDED = "<unknown>", "", "<undecided>"
PARTS = (
    "not_noticed",
    "undecided",
    "member_as_other_member",
    "member_as_stranger",
    "stranger_as_member",
)


@dataclass(frozen=True)
class Recording:
    """``truths`` are start, end (s) and who speaks: a member, or GUEST."""

    waveform: Waveform
    truths: list[tuple[float, float, str]]


def spoken(clip: Waveform) -> list[tuple[float, float]]:
    """Start and end of the speech in a clean clip, by its levels alone."""
    levels_dbfs = chunk_levels_dbfs(clip)
    loud = levels_dbfs >= np.quantile(levels_dbfs, 0.95) - SPEECH_WITHIN_DB
    longest = round(PAUSE_WITHIN_SPEECH_S / CHUNK_S)
    return [
        (part.first * CHUNK_S, part.end * CHUNK_S)
        for part in stretches(loud, longest_pause=longest)
    ]


def record(
    clips: list[tuple[str, Waveform]], noise: Waveform | None, rng: np.random.Generator
) -> Recording:
    """The clips one after the other, as described above."""
    starts, position = [], 0
    for _, clip in clips:
        starts.append(position)
        overlaps = rng.random() < OVERLAP_SHARE
        pause_s = -OVERLAP_S if overlaps else rng.uniform(*PAUSE_S)
        position += len(clip) + round(pause_s * SAMPLE_RATE_HZ)
    waveform = np.zeros(max(s + len(c) for s, (_, c) in zip(starts, clips, strict=True)), "f4")
    truths = []
    for start, (who, clip) in zip(starts, clips, strict=True):
        waveform[start : start + len(clip)] += clip
        at_s = start / SAMPLE_RATE_HZ
        truths += [(at_s + first_s, at_s + end_s, who) for first_s, end_s in spoken(clip)]
    if noise is not None:
        below_db = rng.uniform(*NOISE_BELOW_DB)
        gain = np.std(np.concatenate([clip for _, clip in clips])) / np.std(noise)
        waveform += np.resize(noise, len(waveform)) * gain * np.float32(10 ** (-below_db / 20))
    return Recording(waveform, truths)


def at_once(recording: Recording) -> Waveform:
    """Each long stretch of speech and the next one of somebody else, equally loud, summed.

    As long as the shorter of the two, with a second of silence after each pair.
    """
    long = [truth for truth in recording.truths if truth[1] - truth[0] >= AT_ONCE_S]
    pieces = [np.zeros(SAMPLE_RATE_HZ, np.float32)]
    for (start_s, end_s, who), (other_s, other_end_s, other) in pairwise(long):
        if who != other:
            n_samples = int(min(end_s - start_s, other_end_s - other_s) * SAMPLE_RATE_HZ)
            both = [
                recording.waveform[int(at_s * SAMPLE_RATE_HZ) :][:n_samples]
                for at_s in (start_s, other_s)
            ]
            summed = sum(AT_ONCE_LEVEL * own / max(float(own.std()), 1e-6) for own in both)
            pieces += [np.asarray(summed, np.float32), np.zeros(SAMPLE_RATE_HZ, np.float32)]
    return np.concatenate(pieces)


def one_for_two(segments: Sequence[Segment]) -> Counter[str]:
    """Seconds of turns in which one voice alone is surely named, and of all that is heard."""
    n_frames = 1 + max((round(part.end_s / FRAME_S) for part in segments), default=0)
    n_sure, is_heard = np.zeros(n_frames, np.int64), np.zeros(n_frames, bool)
    for part in segments:
        own = slice(round(part.start_s / FRAME_S), round(part.end_s / FRAME_S))
        n_sure[own] += part.status in ("known", "unknown")
        is_heard[own] = True
    return Counter({"one_named": int((n_sure == 1).sum()), "heard": int(is_heard.sum())})


def frames(spans: list[tuple[float, float, str]], n_frames: int) -> NDArray[np.str_]:
    """Who it is in each frame of 10 ms; later spans go over earlier ones."""
    names = np.full(n_frames, NOBODY, dtype="U40")
    for start_s, end_s, who in spans:
        names[round(start_s / FRAME_S) : round(end_s / FRAME_S)] = who
    return names


def errors(recording: Recording, segments: tuple[Segment, ...]) -> Counter[str]:
    """Seconds of speech, of each part of the error and of false alarm."""
    n_frames = round(len(recording.waveform) / SAMPLE_RATE_HZ / FRAME_S) + 10
    truth = frames(recording.truths, n_frames)
    other = frames(recording.truths[::-1], n_frames)  # differs where two speak at once
    said = {"unknown": GUEST, "doubtful": UNDECIDED, "too_short": UNDECIDED}
    spans = [
        (part.start_s, part.end_s, said.get(part.status) or str(part.who)) for part in segments
    ]
    answer = frames(spans, n_frames)
    speech, wrong = truth != NOBODY, (answer != truth) & (answer != other)
    missed, undecided = answer == NOBODY, answer == UNDECIDED
    confused = speech & wrong & ~missed & ~undecided
    is_guest, as_guest = truth == GUEST, answer == GUEST
    masks = {
        "speech": speech,
        "not_noticed": speech & missed,
        "undecided": speech & undecided,
        "member_as_other_member": confused & ~is_guest & ~as_guest,
        "member_as_stranger": confused & ~is_guest & as_guest,
        "stranger_as_member": confused & is_guest,
        "false_alarm": ~speech & ~missed & ~undecided,
        "members": speech & ~is_guest,
    }
    return Counter({name: int(mask.sum()) for name, mask in masks.items()})


def shares(counts: Counter[str]) -> dict[str, float]:
    """Parts of the speech, their sum, and the seconds of speech."""
    speech = counts["speech"]
    parts = {name: round(counts[name] / speech, 4) for name in (*PARTS, "false_alarm")}
    total = sum(counts[name] for name in PARTS) / speech
    return {
        "speech_s": round(speech * FRAME_S),
        "share_of_members": round(counts["members"] / speech, 4),
        "error": round(total, 4),
        "error_with_false_alarm": round(total + counts["false_alarm"] / speech, 4),
        **parts,
    }


@dataclass(frozen=True)
class Home:
    """One simulated home; ``path`` is the recording's file."""

    n_members: int
    is_noisy: bool
    path: Path
    judge: Judge
    recording: Recording


def simulated(
    protocol: pd.DataFrame, data: Path, noises: list[Path], folder: Path, seed: int
) -> Iterator[Home]:
    """Each home of the protocol enrolled, and its recording written, one after the other."""
    model = Model.load()
    rng = np.random.default_rng(seed)
    for number, (name, home) in enumerate(protocol.groupby("household", sort=False)):
        with Store.open(folder / f"{name}.sqlite3") as store:
            household = Household(store, str(name), model=model)
            enrolled = home[home["role"] == "enroll"]
            for who, part in enrolled.groupby("speaker"):
                paths = [data / path for path in part["path"]]
                household.enroll(who, paths, consent=True, force=True, another_person=True)
            probes = home[home["role"] != "enroll"].sample(frac=1, random_state=seed + number)
            clips = [
                (row.speaker if row.role == "member" else GUEST, load_audio(data / row.path))
                for row in probes.itertuples()
            ]
            is_noisy = number % 2 == 1
            noise = load_audio(noises[rng.integers(len(noises))]) if is_noisy else None
            recording = record(clips, noise, rng)
            path = folder / f"{name}.flac"
            peak = max(1.0, float(np.abs(recording.waveform).max()))
            soundfile.write(path, recording.waveform / peak, SAMPLE_RATE_HZ)
            members = household.members()
            rate = household.accepted_rate(members, None)
            judge = Judge(members, model.to_decide(), rate)
            yield Home(int(home["size"].iloc[0]), is_noisy, path, judge, recording)
