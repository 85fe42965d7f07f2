"""Two models in one home: the small one answers while it is sure, else the accurate one is asked.

Each has its own vectors of the enrolled clips and its own calibration. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from enrollment.company import decide_clip
from enrollment.matching import Decision
from enrollment.profile import Member, SecondVectors, check_unit
from enrollment.store.seconds import Seconds
from spkid.audio.voicing import doubt_of
from spkid.encoder.base import Vector
from spkid.encoder.hearing import Clip, Heard, Listened
from spkid.scoring.calibration import Calibration
from spkid.scoring.limits import Limits
from spkid.scoring.model import Model, Quick
from spkid.scoring.posterior import known_log_odds

SMALL_ALONE = (
    "These profiles are of the small model, which answers alone: run 'spkid reembed --model both' "
    "where clips were kept, or forget the members and enroll them again with both models."
)


def by_quick(members: Sequence[Member], seconds: Seconds, quick: Model) -> list[Member]:
    """The members as ``quick`` describes them, without those of whom it knows no clip.

    Raises
    ------
    SpkidError
        If a vector is of another dimension than its own.
    """
    found = []
    for member in members:
        clips = [
            replace(clip, vector=seconds[clip.id][1])
            for clip in member.exemplars
            if clip.id in seconds and seconds[clip.id][0] == quick.fingerprint
        ]
        if clips:
            check_unit([clip.vector for clip in clips], dim=quick.dim)
            found.append(replace(member, model=quick.fingerprint, exemplars=tuple(clips)))
    return found


def accurate_alone(members: Sequence[Member], quick_members: Sequence[Member]) -> str | None:
    """Why the accurate model answers alone, and the way out; None where both can."""
    known = {member.name for member in quick_members}
    names = [member.name for member in members if member.name not in known]
    if not names:
        return None
    return (
        f"The accurate model answers alone, since the small one knows no clip of "
        f"{' and '.join(names)}: enroll new clips with both models, or run "
        "'spkid reembed --model both' where clips were kept."
    )


def second_vectors(model: Model, vectors: dict[str, Vector]) -> SecondVectors | None:
    """What the store keeps of the ``vectors`` by ``model``'s quick one, by the clips' digests."""
    return SecondVectors(model.quick.model.fingerprint, vectors) if model.quick else None


def quick_answer(
    clip: Listened, members: Sequence[Member], quick: Quick, *, false_accept_rate: float
) -> tuple[Decision, Clip] | None:
    """The small model's answer and what it heard; None where the accurate one is to be asked.

    It is asked where the small one is not sure, and of whatever is out of the usual: whispers, and
    clips in which somebody else seems to speak.
    """
    if doubt_of(clip.quality.voiced_share):
        return None
    heard = clip.by(quick.model.encoder)
    if not isinstance(heard, Heard):
        return None
    calibration = quick.model.to_decide()
    answer = decide_clip(heard, members, calibration, false_accept_rate=false_accept_rate)
    if answer.other_voices:
        return None
    (likeliest,) = (own for own in members if own.name == answer.candidates[0].member)
    threshold = calibration.household_threshold(
        false_accept_rate,
        speech_s=answer.speech_s,
        narrowband_share=heard.quality.is_narrowband * likeliest.narrowband_share,
    )
    stands = is_sure(answer, calibration, quick.limits, threshold=float(threshold))
    return (answer, heard) if stands else None


def is_sure(
    answer: Decision, calibration: Calibration, limits: Limits, *, threshold: float
) -> bool:
    """Whether an ``answer`` without doubt, given at ``threshold``, lies within the ``limits``."""
    llrs = [candidate.llr for candidate in answer.candidates]  # the likeliest first
    over = known_log_odds(llrs, guest_prior=calibration.guest_prior) - threshold
    return bool(limits.hold(over, llrs[0] - llrs[1] if len(llrs) > 1 else np.inf))
