"""Who spoke when in a long recording, by a household's calibrated decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from enrollment.matching import Decision, decide, member_llrs
from enrollment.profile import Member
from enrollment.turns import (
    Stretch,
    Window,
    best_path,
    cut,
    joined,
    pauses,
    stretches,
    windows_of,
)
from spkid.audio.reading import LONGEST_RECORDING_S, blocks_of, without_offset
from spkid.audio.sources import Sound, Source, opened
from spkid.audio.speech import CHUNK_S, MATCH_SPEECH_S, SPEECH_PROBABILITY, speech_probabilities
from spkid.encoder.base import Encoder
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.scale import Floats

SegmentStatus = Literal["known", "unknown", "doubtful", "too_short"]


@dataclass(frozen=True)
class Smoothing:
    """How a recording is cut; chosen on training speakers by ``benchmarks/timeline_tuning.py``.

    Speech goes on over pauses of up to ``pause_s``. A change of voice from one window to the
    next costs ``switch_cost`` nats, less after a pause: an e-th after ``memory_s``, after which
    a turn ends. A turn is doubtful where more than ``doubtful_share`` of its windows, each by
    itself, name another member.
    """

    pause_s: float = 0.5
    window_s: float = 2.0
    step_s: float = 1.0
    switch_cost: float = 2.0
    memory_s: float = 1.0
    doubtful_share: float = 0.25


USUAL_SMOOTHING = Smoothing()


@dataclass(frozen=True)
class Segment:
    """One stretch of speech, or the part of it in which one voice speaks.

    Attributes
    ----------
    start_s, end_s : float
    who : str or None
        The member; named only when ``known``.
    status : str
        ``known``, ``unknown`` (a stranger), ``doubtful`` (two members are too close to tell
        apart, or its windows name different ones: overlap, or a change of speaker) or
        ``too_short``: under 0.6 s of speech, nothing is decided.
    probability : float or None
        Of ``who``, of a stranger when unknown; else None.
    """

    start_s: float
    end_s: float
    who: str | None
    status: SegmentStatus
    probability: float | None


@dataclass(frozen=True)
class Judge:
    """What a decision needs: the home's members, the calibration, the rate of false accepts."""

    members: Sequence[Member]
    calibration: Calibration
    false_accept_rate: float

    def gains(self, vectors: NDArray[np.float32], speech_s: NDArray[np.float64]) -> Floats:
        """Nats for each member and, last, for a stranger, ``[windows, members + 1]``.

        A member outweighs the stranger where :func:`decide` would not say ``unknown``.
        """
        profiles = [member.vector for member in self.members]
        n_clips = [len(member.exemplars) for member in self.members]
        llrs, _ = member_llrs(vectors, profiles, n_clips, self.calibration, speech_s)
        prior = self.calibration.guest_prior
        odds = llrs + np.log((1 - prior) / prior / len(self.members))
        threshold = self.calibration.household_threshold(self.false_accept_rate, speech_s=speech_s)
        return np.column_stack([odds, threshold])

    def answer(self, vectors: NDArray[np.float32], speech_s: float) -> Decision:
        """Who speaks in neighbouring windows together: :func:`decide` on their mean vector."""
        mean = vectors.mean(axis=0)
        return decide(
            mean / np.linalg.norm(mean),
            self.members,
            self.calibration,
            false_accept_rate=self.false_accept_rate,
            speech_s=speech_s,
        )


@dataclass(frozen=True)
class Recording:
    """What was heard in a recording: the windows, their vectors and what is too short for one.

    ``is_speech`` is bool ``[chunks]``, ``vectors`` ``[windows, dim]``.
    """

    is_speech: NDArray[np.bool_]
    windows: tuple[Window, ...]
    vectors: NDArray[np.float32] = field(repr=False)
    too_short: tuple[Stretch, ...]

    def speech_s(self, first: int, end: int) -> float:
        """Seconds of speech in chunks ``first`` to ``end``."""
        return float(self.is_speech[first:end].sum() * CHUNK_S)


def timeline(
    recording: Source, encoder: Encoder, judge: Judge, smoothing: Smoothing = USUAL_SMOOTHING
) -> tuple[Segment, ...]:
    """Who spoke when in a recording of at most 24 hours, in the order of time.

    Raises
    ------
    SpkidError
        If the file cannot be read or no speech is heard.
    """
    return segments_of(listen(recording, encoder, smoothing), judge, smoothing)


def listen(recording: Source, encoder: Encoder, smoothing: Smoothing) -> Recording:
    """Embed a recording's windows; it is decoded twice, in blocks: where speech is, and whose.

    Raises
    ------
    SpkidError
        If the file cannot be read or no speech is heard.
    """
    with opened(recording) as sound:
        return _listen(sound, encoder, smoothing)


def _listen(sound: Sound, encoder: Encoder, smoothing: Smoothing) -> Recording:
    blocks = partial(blocks_of, sound, longest_s=LONGEST_RECORDING_S)
    is_speech = speech_probabilities(blocks()) >= SPEECH_PROBABILITY
    found = stretches(is_speech, longest_pause=round(smoothing.pause_s / CHUNK_S))
    if not found:
        raise SpkidError(
            f"{sound.name}: no speech heard",
            expected="a recording in which somebody speaks",
            do="check the recording",
            code="no_speech",
        )
    window, step = round(smoothing.window_s / CHUNK_S), round(smoothing.step_s / CHUNK_S)
    windows: list[Window] = []
    too_short: list[Stretch] = []
    for stretch in found:
        if is_speech[stretch.first : stretch.end].sum() * CHUNK_S < MATCH_SPEECH_S:
            too_short.append(stretch)
        else:
            windows += windows_of(stretch, window=window, step=step)
    vectors = np.empty((len(windows), encoder.dim), dtype=np.float32)
    for place, samples in enumerate(cut(blocks(), windows)):
        vectors[place] = encoder.embed(without_offset(samples))
    return Recording(is_speech, tuple(windows), vectors, tuple(too_short))


def segments_of(heard: Recording, judge: Judge, smoothing: Smoothing) -> tuple[Segment, ...]:
    """The speech cut where the voice changes; each turn is decided as a whole."""
    segments = [
        Segment(part.first * CHUNK_S, part.end * CHUNK_S, None, "too_short", None)
        for part in heard.too_short
    ]
    if heard.windows:
        speech_s = [heard.speech_s(window.first, window.end) for window in heard.windows]
        gains = judge.gains(heard.vectors, np.asarray(speech_s))
        pauses_s = CHUNK_S * pauses(heard.windows)
        costs = smoothing.switch_cost * np.exp(-pauses_s / smoothing.memory_s)
        path = best_path(gains, switch_costs=costs)
        is_new = (np.diff(path) != 0) | (pauses_s > smoothing.memory_s)
        for turn in np.split(np.arange(len(path)), np.flatnonzero(is_new) + 1):
            segments += segments_of_turn(turn, gains[turn], heard, judge, smoothing)
    return tuple(sorted(segments, key=lambda segment: segment.start_s))


def segments_of_turn(
    turn: NDArray[np.int64], gains: Floats, heard: Recording, judge: Judge, smoothing: Smoothing
) -> list[Segment]:
    """One voice's windows (their places), as segments between pauses, with one answer."""
    windows = [heard.windows[place] for place in turn]
    spans = joined(windows)
    speech_s = sum(heard.speech_s(part.first, part.end) for part in spans)
    who: str | None = None
    status: SegmentStatus = "too_short"
    probability: float | None = None
    if speech_s >= MATCH_SPEECH_S:
        answer = judge.answer(heard.vectors[turn], speech_s)
        likeliest = answer.candidates[0].member
        names = [*(member.name for member in judge.members), likeliest]  # a stranger's is no other
        n_others = sum(names[state] != likeliest for state in gains.argmax(axis=1))
        status = "unknown"
        if answer.status == "ambiguous" or n_others > smoothing.doubtful_share * len(turn):
            status = "doubtful"
        elif answer.member:
            status = "known"
        who = answer.member if status == "known" else None
        probability = answer.p_stranger if status == "unknown" else answer.p_member
        probability = None if status == "doubtful" else probability
    return [
        Segment(part.first * CHUNK_S, part.end * CHUNK_S, who, status, probability)
        for part in spans
    ]


def rttm(segments: Sequence[Segment], file: str) -> str:
    """The segments in NIST's Rich Transcription Time Marked format, a line each.

    White space, percent and angle brackets in names are written as in addresses (``%20``);
    where nobody is named, the status stands in angle brackets.
    """
    return "".join(
        f"SPEAKER {safe(file)} 1 {part.start_s:.3f} {part.end_s - part.start_s:.3f} <NA> <NA> "
        f"{safe(part.who) if part.who else f'<{part.status}>'} <NA> <NA>\n"
        for part in segments
    )


def safe(name: str) -> str:
    """A name as one word that no other name becomes."""
    return re.sub(r"[\s%<>]", lambda hit: quote(hit[0]), name)
