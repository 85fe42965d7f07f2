"""Who spoke when in a long recording, by a household's calibrated decision."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from enrollment.matching import Decision, decide, member_llrs, narrowband_share
from enrollment.profile import Member
from enrollment.turns import (
    Stretch,
    Window,
    best_path,
    cut,
    joined,
    parted,
    pauses,
    stretches,
    windows_of,
)
from spkid.audio import ears
from spkid.audio.bandwidth import is_narrowband
from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Span, listen_to, spans
from spkid.audio.reading import LONGEST_RECORDING_S, Waveform, blocks_of, without_offset
from spkid.audio.sources import Sound, Source, opened
from spkid.audio.speech import MATCH_SPEECH_S
from spkid.encoder.base import Encoder
from spkid.encoder.company import of_frames
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.scale import Floats

SHORTEST_OVERLAP_S = 0.2  # two voices at once for less than this are a guess
NEAR_S = 0.3  # from where one turn ends and the next begins to where both speak

SegmentStatus = Literal["known", "unknown", "doubtful", "too_short"]


@dataclass(frozen=True)
class Smoothing:
    """How a recording is cut.

    Windows, costs and pauses were chosen on training speakers by ``benchmarks/timeline_tuning.py``,
    before there were places where a new voice is heard.

    Speech goes on over pauses of up to ``pause_s``, and begins and ends ``margin_s`` earlier and
    later than it is heard: soft consonants belong to it. No window reaches over a place where the
    ears hear a new voice with ``new_voice`` probability. A change of voice from one window to the
    next costs ``switch_cost`` nats, ``new_voice_cost`` at such a place, and less after a pause:
    an e-th after ``memory_s``, after which a turn ends. A turn is doubtful where more than
    ``doubtful_share`` of its windows, each by itself, name another member, or where several speak
    in more than ``several_share`` of it.
    """

    pause_s: float = 0.5
    margin_s: float = 0.1
    window_s: float = 2.0
    step_s: float = 1.0
    new_voice: float = 0.35
    switch_cost: float = 2.0
    new_voice_cost: float = 1.0
    memory_s: float = 1.0
    doubtful_share: float = 0.25
    several_share: float = 0.5


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

    def gains(
        self,
        vectors: NDArray[np.float32],
        speech_s: NDArray[np.float64],
        is_narrowband: NDArray[np.bool_],
    ) -> Floats:
        """Nats for each member and, last, for a stranger, ``[windows, members + 1]``.

        A member outweighs the stranger where :func:`decide` would not say ``unknown``.
        """
        profiles = [member.vector for member in self.members]
        n_clips = [len(member.exemplars) for member in self.members]
        llrs, _ = member_llrs(vectors, profiles, n_clips, self.calibration, speech_s)
        prior = self.calibration.guest_prior
        odds = llrs + np.log((1 - prior) / prior / len(self.members))
        threshold = self.calibration.household_threshold(
            self.false_accept_rate,
            speech_s=speech_s,
            narrowband_share=narrowband_share(llrs, self.members, is_narrowband),
        )
        return np.column_stack([odds, threshold])

    def answer(
        self, vectors: NDArray[np.float32], speech_s: float, *, is_narrowband: bool
    ) -> Decision:
        """Who speaks in neighbouring windows together: :func:`decide` on their mean vector."""
        mean = vectors.mean(axis=0)
        return decide(
            mean / np.linalg.norm(mean),
            self.members,
            self.calibration,
            false_accept_rate=self.false_accept_rate,
            speech_s=speech_s,
            is_narrowband=is_narrowband,
        )


@dataclass(frozen=True)
class Recording:
    """What was heard in a recording: the windows, their vectors and what is too short for one.

    ``is_speech`` and ``is_several`` are bool ``[frames]``, ``vectors`` ``[windows, dim]`` and
    ``is_narrowband`` bool ``[windows]``.
    """

    is_speech: NDArray[np.bool_]
    is_several: NDArray[np.bool_]
    windows: tuple[Window, ...]
    vectors: NDArray[np.float32] = field(repr=False)
    is_narrowband: NDArray[np.bool_]
    too_short: tuple[Stretch, ...]

    def speech_s(self, first: int, end: int) -> float:
        """Seconds of speech in frames ``first`` to ``end``."""
        return float(self.is_speech[first:end].sum() * FRAME_S)

    def several_s(self, first: int, end: int) -> float:
        """Seconds in frames ``first`` to ``end`` in which several speak."""
        return float(self.is_several[first:end].sum() * FRAME_S)


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
    frames = ears.joined(listen_to(blocks()))
    is_speech, is_several = frames.is_said, frames.is_several
    found = stretches(
        is_speech,
        longest_pause=round(smoothing.pause_s / FRAME_S),
        margin=round(smoothing.margin_s / FRAME_S),
    )
    if not found:
        raise SpkidError(
            f"{sound.name}: no speech heard",
            expected="a recording in which somebody speaks",
            do="check the recording",
            code="no_speech",
        )
    cuts, least = frames.new_voices(smoothing.new_voice), round(MATCH_SPEECH_S / FRAME_S)
    window, step = round(smoothing.window_s / FRAME_S), round(smoothing.step_s / FRAME_S)
    windows: list[Window] = []
    too_short: list[Stretch] = []
    for stretch in found:
        if is_speech[stretch.first : stretch.end].sum() < least:
            too_short.append(stretch)
            continue
        for part in parted(stretch, cuts, is_speech, least=least):
            is_new = part.first != stretch.first
            windows += windows_of(part, window=window, step=step, is_new=is_new)
    vectors = np.empty((len(windows), encoder.dim), dtype=np.float32)
    is_narrow = np.empty(len(windows), dtype=bool)
    for place, samples in enumerate(cut(blocks(), windows)):
        own = windows[place]
        alone = of_one_voice(samples, is_several[own.first : own.end])
        vectors[place] = encoder.embed(without_offset(alone))
        is_narrow[place] = is_narrowband(samples, is_speech[own.first : own.end])
    return Recording(is_speech, is_several, tuple(windows), vectors, is_narrow, tuple(too_short))


def of_one_voice(samples: Waveform, is_several: NDArray[np.bool_]) -> Waveform:
    """``samples`` without the frames in which several speak, where enough remains."""
    n_frames = min(len(samples) // FRAME_SAMPLES, len(is_several))
    if not is_several.any() or (~is_several[:n_frames]).sum() * FRAME_S < MATCH_SPEECH_S:
        return samples
    return of_frames(samples, np.flatnonzero(~is_several[:n_frames]))


def segments_of(heard: Recording, judge: Judge, smoothing: Smoothing) -> tuple[Segment, ...]:
    """The speech cut where the voice changes; each turn is decided as a whole."""
    segments = [
        Segment(part.first * FRAME_S, part.end * FRAME_S, None, "too_short", None)
        for part in heard.too_short
    ]
    if heard.windows:
        speech_s = [heard.speech_s(window.first, window.end) for window in heard.windows]
        gains = judge.gains(heard.vectors, np.asarray(speech_s), heard.is_narrowband)
        pauses_s = FRAME_S * pauses(heard.windows)
        is_new_voice = [window.is_new for window in heard.windows[1:]]
        costs = np.where(is_new_voice, smoothing.new_voice_cost, smoothing.switch_cost)
        costs = costs * np.exp(-pauses_s / smoothing.memory_s)
        path = best_path(gains, switch_costs=costs)
        is_new = (np.diff(path) != 0) | (pauses_s > smoothing.memory_s)
        for turn in np.split(np.arange(len(path)), np.flatnonzero(is_new) + 1):
            segments += segments_of_turn(turn, gains[turn], heard, judge, smoothing)
    overlaps = spans(heard.is_several, least_s=SHORTEST_OVERLAP_S)
    segments = with_both_named(segments, overlaps)
    return tuple(sorted(segments, key=lambda segment: segment.start_s))


def with_both_named(segments: Sequence[Segment], overlaps: Sequence[Span]) -> list[Segment]:
    """Where one turn ends and another's begins while both speak, both of them have the overlap."""
    ordered = sorted(segments, key=lambda segment: segment.start_s)
    starts_s, ends_s = ([getattr(span, at) for span in overlaps] for at in ("start_s", "end_s"))
    for place in range(len(ordered) - 1):
        one, other = ordered[place], ordered[place + 1]
        if not one.who or not other.who or one.who == other.who:
            continue
        from_s = min(one.end_s, other.start_s) - NEAR_S
        to_s = max(one.end_s, other.start_s) + NEAR_S
        meeting = overlaps[bisect_left(ends_s, from_s) : bisect_right(starts_s, to_s)]
        if meeting:
            start_s = max(one.start_s, min(other.start_s, meeting[0].start_s))
            ordered[place] = replace(one, end_s=max(one.end_s, meeting[-1].end_s))
            ordered[place + 1] = replace(other, start_s=start_s)
    return ordered


def segments_of_turn(
    turn: NDArray[np.int64], gains: Floats, heard: Recording, judge: Judge, smoothing: Smoothing
) -> list[Segment]:
    """One voice's windows (their places), as segments between pauses, with one answer."""
    windows = [heard.windows[place] for place in turn]
    parts = joined(windows)
    speech_s = sum(heard.speech_s(part.first, part.end) for part in parts)
    several_s = sum(heard.several_s(part.first, part.end) for part in parts)
    who: str | None = None
    status: SegmentStatus = "too_short"
    probability: float | None = None
    if speech_s >= MATCH_SPEECH_S:
        is_narrow = 2 * heard.is_narrowband[turn].sum() > len(turn)
        answer = judge.answer(heard.vectors[turn], speech_s, is_narrowband=bool(is_narrow))
        likeliest = answer.candidates[0].member
        names = [*(member.name for member in judge.members), likeliest]  # a stranger's is no other
        n_others = sum(names[state] != likeliest for state in gains.argmax(axis=1))
        status = "unknown"
        if (
            answer.status == "ambiguous"
            or n_others > smoothing.doubtful_share * len(turn)
            or several_s > smoothing.several_share * speech_s
        ):
            status = "doubtful"
        elif answer.member:
            status = "known"
        who = answer.member if status == "known" else None
        probability = answer.p_stranger if status == "unknown" else answer.p_member
        probability = None if status == "doubtful" else probability
    return [
        Segment(part.first * FRAME_S, part.end * FRAME_S, who, status, probability)
        for part in parts
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
