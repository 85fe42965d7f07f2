"""What the library gives, as answers tell it."""

from __future__ import annotations

from typing import Any

from enrollment.age import is_old, newest_clip_at
from enrollment.inbox import UnknownSpeaker
from enrollment.profile import WANTED_CLIPS, Member, Rearranged, Receipt
from spkid.serve.answers import Changed, Deleted, UnknownSpeakerShown

ID_LENGTH = 16


def shown_id(digest: str) -> str:
    """What names a clip: its digest's beginning; a count would tell of other households."""
    return digest[:ID_LENGTH]


def shown_member(member: Member) -> dict[str, Any]:
    """The fields of :class:`MemberShown`."""
    return {
        "household": member.household,
        "member": member.name,
        "percent": member.percent,
        "n_clips": len(member.exemplars),
        "speech_s": round(member.speech_s, 2),
        "speech_needed_s": round(member.speech_needed_s, 2),
        "clips_needed": max(0, WANTED_CLIPS - len(member.exemplars)),
        "consent_at": member.consent_at,
        "model": member.model,
        "age_group": member.age_group,
        "newest_clip_at": newest_clip_at(member),
        "enroll_again": is_old(member),
    }


def shown_receipt(receipt: Receipt) -> Deleted:
    """Without the paths of this machine."""
    return Deleted(
        household=receipt.household,
        members=list(receipt.members),
        n_exemplars=receipt.n_exemplars,
        n_decisions=receipt.n_decisions,
        at=receipt.at,
        log_emptied=receipt.log_emptied,
        sealed_indexes=len(receipt.sealed_indexes),
        readable_indexes=len(receipt.readable_indexes),
    )


def shown_change(done: Rearranged, dropped: list[str]) -> Changed:
    """With the shown ids of the clips that went."""
    return Changed(
        household=done.household,
        member=done.member,
        dropped=dropped,
        uncalibrated=list(done.uncalibrated),
        gone_household=done.gone_household,
    )


def shown_speaker(speaker: UnknownSpeaker) -> UnknownSpeakerShown:
    """One unknown speaker, named by its first clip."""
    first, last = speaker.voices[0], speaker.voices[-1]
    return UnknownSpeakerShown(
        id=shown_id(first.digest),
        n_clips=len(speaker.voices),
        speech_s=round(speaker.speech_s, 2),
        first_heard_at=first.heard_at,
        last_heard_at=last.heard_at,
        kept_until=last.expires_on,
    )
