"""An enrollment has an age: voices change, and a profile does not.

The limits are rules of thumb, not measured: two years, and half a year for a child.
"""

from __future__ import annotations

import datetime

from enrollment.profile import Member

ADULT_DAYS = 730
CHILD_DAYS = 182


def newest_clip_at(member: Member) -> str:
    """When the latest of the member's clips was added (UTC, ISO 8601)."""
    return max(clip.added_at for clip in member.exemplars)


def is_old(member: Member, *, at: datetime.datetime | None = None) -> bool:
    """Whether new clips are due at that time, now where it is not given."""
    when = at if at is not None else datetime.datetime.now(datetime.UTC)
    days = CHILD_DAYS if member.age_group == "child" else ADULT_DAYS
    limit = when - datetime.timedelta(days=days)
    return newest_clip_at(member) < limit.isoformat(timespec="seconds")


def age_hint(member: Member) -> str | None:
    """What to do about an old profile, as a sentence; None while it is not old."""
    if not is_old(member):
        return None
    why = "a child's voice changes fast" if member.age_group == "child" else "voices change"
    return (
        f"{member.name}'s newest clip is of {newest_clip_at(member)[:10]}, and {why}: "
        "enroll some new clips."
    )
