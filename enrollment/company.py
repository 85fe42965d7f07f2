"""Is there more than one voice in a clip, and whose is most of it? Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from enrollment.matching import REFUSALS, Decision, decide, not_heard, pair_llrs, reaches
from enrollment.profile import Member
from spkid.audio.ears import Span
from spkid.audio.voicing import doubt_of
from spkid.encoder.base import Vector
from spkid.encoder.company import Company, Part
from spkid.encoder.hearing import Clip, Refused
from spkid.scoring.calibration import Calibration
from spkid.scoring.posterior import profile_vector

# chosen on held-out training speakers by benchmarks/model/ears/several.py
LEAST_OVERLAP_S = 0.5
OTHER_VOICE_LLR = -1.5


@dataclass(frozen=True)
class Voices:
    """``others`` is where somebody else than the main voice speaks; empty for a single voice.

    ``main`` is the unit vector of the voice that speaks most by itself, ``main_s`` its seconds;
    None where nobody does for long enough.
    """

    others: tuple[Span, ...]
    main: Vector | None = field(repr=False)
    main_s: float


def voices_in(company: Company, calibration: Calibration) -> Voices:
    """The main voice, and where somebody else speaks: over it, or before or after it.

    A part is another's where its log-likelihood ratio against the main one is below
    ``OTHER_VOICE_LLR``. Overlaps count where they last ``LEAST_OVERLAP_S`` in all.
    """
    main = main_part(company.parts, calibration)
    own: list[Part] = []
    others: list[Span] = []
    is_own = True
    for part in company.parts:
        was_own = is_own
        is_own = main is None or reaches(likeness(part, main, calibration), OTHER_VOICE_LLR)
        if is_own:
            own.append(part)
        elif was_own:
            others.append(part.span)
        else:  # the other one goes on
            others[-1] = Span(others[-1].start_s, part.span.end_s)
    if sum(span.end_s - span.start_s for span in company.overlaps) >= LEAST_OVERLAP_S:
        others += company.overlaps
    vector = np.asarray(profile_vector([part.vector for part in own]), np.float32) if own else None
    ordered = tuple(sorted(others, key=lambda span: span.start_s))
    return Voices(ordered, vector, sum(part.speech_s for part in own))


def change_of_voice(company: Company, calibration: Calibration) -> float | None:
    """The second at which another voice than before begins to speak by itself; None if none does.

    Each part is held against the longest one before it, by ``OTHER_VOICE_LLR``.
    """
    for place, part in enumerate(company.parts[1:], start=1):
        before = max(company.parts[:place], key=lambda each: each.speech_s)
        if not reaches(likeness(part, before, calibration), OTHER_VOICE_LLR):
            return part.span.start_s
    return None


def main_part(parts: Sequence[Part], calibration: Calibration) -> Part | None:
    """The longest part; or the longest of the others, where those hold more speech together."""
    longest = max(parts, key=lambda part: part.speech_s, default=None)
    if longest is None:
        return None
    is_other = [not reaches(likeness(p, longest, calibration), OTHER_VOICE_LLR) for p in parts]
    others = [part for part, other in zip(parts, is_other, strict=True) if other]
    if 2 * sum(part.speech_s for part in others) <= sum(part.speech_s for part in parts):
        return longest
    return max(others, key=lambda part: part.speech_s)


def likeness(part: Part, main: Part, calibration: Calibration) -> float:
    """The log-likelihood ratio of one part against the other as a profile of one clip."""
    seconds = min(part.speech_s, main.speech_s)
    llrs, _ = pair_llrs(part.vector, [main.vector], [1], calibration, seconds)
    return float(llrs[0])


def decide_clip(
    clip: Clip, members: Sequence[Member], calibration: Calibration, *, false_accept_rate: float
) -> Decision:
    """Who speaks in a clip: :func:`decide` on it or, in company, on its main voice."""
    speech_s = clip.quality.speech_s
    if isinstance(clip, Refused):
        return not_heard(REFUSALS[clip.quality.verdict], calibration.model, speech_s=speech_s)
    voices, vector = voices_in(clip.company, calibration), clip.vector
    if voices.others:
        if voices.main is None:
            answer = not_heard("several_voices", calibration.model, speech_s=speech_s)
            return replace(answer, other_voices=voices.others)
        vector, speech_s = voices.main, voices.main_s
    answer = decide(
        vector,
        members,
        calibration,
        false_accept_rate=false_accept_rate,
        speech_s=speech_s,
        doubt=doubt_of(clip.quality.voiced_share),
        is_narrowband=clip.quality.is_narrowband,
    )
    return replace(answer, other_voices=voices.others)
