"""Profiles under another name, in one profile, in another household.

Inside a transaction that the caller holds. Ids stay, so that the log, a search index and sealed
clips know them again; but a clip that is kept is sealed for its member, and has to be sealed
anew where two members become one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from enrollment.names import name_key, new_name
from enrollment.profile import MAX_EXEMPLARS, Rearranged
from enrollment.refusals import (
    already_enrolled,
    name_taken,
    needs_key,
    one_profile,
    other_model,
)
from enrollment.store.decisions import drop_decisions, give_decisions
from enrollment.store.deletion import begin_anew
from enrollment.store.records import (
    clip_owners,
    delete_exemplars,
    drop_empty,
    find_household,
    find_member,
    household_named,
    insert_household,
    kept_clip,
    log,
    member_named,
    named,
)
from enrollment.store.schema import (
    consents,
    exemplars,
    households,
    kept_audio,
    members,
    merged_consents,
)
from enrollment.store.vault import Vault


def rename(connection: Connection, household: str, member: str | None, to: str) -> Rearranged:
    """A member's new name, or the household's own."""
    name = new_name(to)
    home = household_named(connection, household)
    if member is None:
        other = find_household(connection, name)
        if other is not None and other.id != home.id:
            raise name_taken(other.name)
        new = update(households).where(households.c.id == home.id)
        connection.execute(new.values(name=name, key=name_key(name)))
        log(connection, "household_renamed", home.id)
        return Rearranged(name, None)
    own = member_named(connection, home, member)
    other = find_member(connection, home.id, name)
    if other is not None and other.id != own.id:
        raise name_taken(other.name)
    new = update(members).where(members.c.id == own.id)
    connection.execute(new.values(name=name, key=name_key(name)))
    log(connection, "member_renamed", home.id, own.id)
    return Rearranged(home.name, name)


def merge(
    connection: Connection, household: str, member: str, into: str, vault: Vault | None
) -> Rearranged:
    """``member`` becomes part of ``into``; of too many clips, those with most speech stay."""
    home = household_named(connection, household)
    kept = member_named(connection, home, into)
    gone = _other_than(connection, kept, home, member)
    if gone.model != kept.model:
        raise other_model(gone.name, gone.model, kept.model)
    query = select(exemplars).where(exemplars.c.member_id.in_([kept.id, gone.id]))
    clips = connection.execute(query).all()
    best = sorted(clips, key=lambda clip: (-clip.speech_s, -(clip.snr_db or 0.0), clip.id))
    dropped = best[MAX_EXEMPLARS:]
    if dropped:
        doomed = [(clip.member_id, clip.id) for clip in dropped]
        delete_exemplars(connection, home.id, doomed)
    for clip in best[:MAX_EXEMPLARS]:
        if clip.member_id == gone.id:
            _give(connection, clip.id, kept.id, vault)
    _give_consents(connection, gone.id, kept.id)
    give_decisions(connection, gone.id, kept.id)
    connection.execute(delete(members).where(members.c.id == gone.id))
    log(connection, "member_merged", home.id, gone.id)
    return Rearranged(
        home.name,
        kept.name,
        dropped=tuple(sorted(clip.id for clip in dropped)),
        uncalibrated=_uncalibrated(connection, home),
    )


def move(connection: Connection, household: str, member: str, to_household: str) -> Rearranged:
    """A member of another household from now on, which is made where it is new."""
    home = household_named(connection, household)
    own = member_named(connection, home, member)
    if find_household(connection, to_household) is None:
        insert_household(connection, to_household)
    target = household_named(connection, to_household)
    taken = find_member(connection, target.id, own.name)
    if taken is not None:
        raise one_profile(own.name) if taken.id == own.id else name_taken(taken.name)
    models = select(members.c.model).where(members.c.household_id == target.id)
    for model in connection.execute(models).scalars():
        if model != own.model:
            raise other_model(own.name, own.model, model)
    owners = clip_owners(connection, target.id)
    own_digests = select(exemplars.c.digest).where(exemplars.c.member_id == own.id)
    for digest in connection.execute(own_digests).scalars():
        if digest in owners:
            raise already_enrolled(owners[digest][1])
    n_decisions = drop_decisions(connection, own.id)  # of the old home, which agreed to them
    there = update(members).where(members.c.id == own.id)
    connection.execute(there.values(household_id=target.id, key=name_key(own.name)))
    log(connection, "member_left", home.id, own.id)
    log(connection, "member_joined", target.id, own.id)
    uncalibrated = _uncalibrated(connection, home) + _uncalibrated(connection, target)
    drop_empty(connection, home.id)
    left = select(exists().where(households.c.id == home.id))
    is_gone = not connection.execute(left).scalar_one()
    if is_gone:
        begin_anew(connection)  # its unknown voices went with it
    return Rearranged(
        target.name,
        own.name,
        uncalibrated=tuple(name for name in uncalibrated if name != home.name or not is_gone),
        gone_household=home.name if is_gone else None,
        n_decisions=n_decisions,
    )


def _other_than(connection: Connection, kept: Row[Any], home: Row[Any], name: str) -> Row[Any]:
    """The member of that name; of look-alikes, one that is not ``kept``."""
    found = member_named(connection, home, name)
    if found.id != kept.id:
        return found
    alike = named(members, name).where(members.c.household_id == home.id)
    for other in connection.execute(alike):
        if other.id != kept.id:
            return other
    raise one_profile(kept.name)


def _give(connection: Connection, exemplar_id: int, member_id: int, vault: Vault | None) -> None:
    """The exemplar becomes the member's; its clip, where it is kept, is sealed for the member."""
    audio = kept_audio.c.exemplar_id == exemplar_id
    sealed = connection.execute(select(kept_audio.c.sealed).where(audio)).scalar_one_or_none()
    recording = None
    if sealed is not None:
        if vault is None:
            raise needs_key()
        recording = vault.open(sealed, kept_clip(connection, exemplar_id))
    own = update(exemplars).where(exemplars.c.id == exemplar_id)
    connection.execute(own.values(member_id=member_id))
    if recording is not None and vault is not None:
        sealed = vault.seal(recording, kept_clip(connection, exemplar_id))
        new = update(kept_audio).where(audio)
        connection.execute(new.values(sealed=sealed, key_id=vault.key_id))


def _give_consents(connection: Connection, gone_id: int, kept_id: int) -> None:
    """No consent is lost: what both gave is kept beside the member's own."""
    run = connection.execute
    theirs = select(consents.c.subject).where(consents.c.member_id == kept_id)
    subjects = set(run(theirs).scalars())
    for row in run(select(consents).where(consents.c.member_id == gone_id)).all():
        if row.subject in subjects:
            run(insert(merged_consents).values({**row._mapping, "member_id": kept_id}))
        else:
            own = (consents.c.member_id == gone_id) & (consents.c.subject == row.subject)
            run(update(consents).where(own).values(member_id=kept_id))
    earlier = update(merged_consents).where(merged_consents.c.member_id == gone_id)
    run(earlier.values(member_id=kept_id))


def _uncalibrated(connection: Connection, home: Row[Any]) -> tuple[str, ...]:
    """Let go of the household's own threshold, which was measured on other profiles."""
    if home.calibration is None:
        return ()
    row = update(households).where(households.c.id == home.id)
    connection.execute(row.values(calibration=None))
    log(connection, "calibrated", home.id)
    return (home.name,)
