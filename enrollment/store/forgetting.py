"""Taking people out of a store, inside a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from enrollment.refusals import already_gone, no_clip
from enrollment.store.decisions import count_decisions
from enrollment.store.deletion import unscrubbed
from enrollment.store.records import delete_exemplars, drop_empty, household_named, member_named
from enrollment.store.schema import exemplars, members, operations
from spkid.errors import NotFound


def take_out(
    connection: Connection, household: str, member: str | None, clips: Sequence[int] | None
) -> tuple[list[str], int, int]:
    """Delete a household, a member, or some clips of a member.

    Whose they were, how many clips, and how many answers about them that were written down.

    Raises
    ------
    NotFound
        If there is no such household, member or clip. Who repeats a deletion that was killed
        is told when the last one was.
    """
    try:
        home = household_named(connection, household)
    except NotFound as missing:
        raise _already_gone(connection, missing, "household_forgotten") from None
    doomed = (
        select(members.c.id, members.c.name, exemplars.c.id)
        .join_from(members, exemplars, isouter=True)
        .where(members.c.household_id == home.id)
        .order_by(members.c.name, exemplars.c.id)
    )
    if member is not None:
        try:
            own = member_named(connection, home, member)
        except NotFound as missing:
            kind = "member_forgotten"
            raise _already_gone(connection, missing, kind, household_id=home.id) from None
        doomed = doomed.where(members.c.id == own.id)
    rows = connection.execute(doomed).all()
    kept_ids = set()
    if clips is not None:
        there = {exemplar_id for _, _, exemplar_id in rows}
        for wanted in clips:
            if wanted not in there:
                unknown = no_clip(wanted, member or household)
                raise _already_gone(connection, unknown, "clip_removed", exemplar_id=wanted)
        kept_ids = there - set(clips)
    n_decisions = count_decisions(connection, home.id)
    gone = [row for row in rows if row[2] is not None and row[2] not in kept_ids]
    delete_exemplars(connection, home.id, [(who, exemplar_id) for who, _, exemplar_id in gone])
    names = drop_empty(connection, home.id)
    n_decisions -= count_decisions(connection, home.id)
    return names or sorted({name for _, name, _ in gone}), len(gone), n_decisions


def _already_gone(connection: Connection, missing: NotFound, kind: str, **ids: int) -> NotFound:
    """``missing`` with the time of the log's latest line of that ``kind``, where there is one."""
    latest = select(operations.c.at).where(operations.c.kind == kind)
    for column, number in ids.items():
        latest = latest.where(operations.c[column] == number)
    latest = latest.order_by(operations.c.sequence.desc()).limit(1)
    at: str | None = connection.execute(latest).scalar()
    if at is None:
        return missing
    return already_gone(missing, at, is_scrubbed=unscrubbed(connection) is None)
