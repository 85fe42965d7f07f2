"""The rows of a store: read and written inside a transaction that the caller holds."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Connection,
    CursorResult,
    Row,
    Select,
    Table,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
)

from enrollment.names import name_key, new_name
from enrollment.profile import MAX_EXEMPLARS, Change, Consent, Exemplar, Member
from enrollment.refusals import (
    no_audio_consent,
    no_consent,
    no_household,
    no_member,
    other_model,
)
from enrollment.store.deletion import begin_anew
from enrollment.store.lineage import store_id
from enrollment.store.schema import (
    LOOK_ALIKE,
    consents,
    exemplars,
    households,
    kept_audio,
    members,
    operations,
)
from enrollment.store.vault import KeptClip, Vault
from spkid.encoder.unit import are_unit
from spkid.errors import StoreError

VECTOR_TYPE = np.dtype("<f4")
ALL_MEMBERS = (
    select(
        households.c.name,
        members.c.name,
        members.c.model,
        consents.c.given_at,
        members.c.age_group,
        exemplars.c.vector,
        exemplars.c.digest,
        exemplars.c.speech_s,
        exemplars.c.snr_db,
        exemplars.c.is_narrowband,
        exemplars.c.device,
        exemplars.c.origin,
        exemplars.c.added_at,
        exemplars.c.id,
    )
    .join_from(households, members)
    .join(exemplars)
    .join(consents, (consents.c.member_id == members.c.id) & (consents.c.subject == "voice"))
    .order_by(households.c.name, members.c.name, exemplars.c.id)
)
MEMBERS_OF_ONE = ALL_MEMBERS.where(households.c.id == bindparam("household_id"))
ONE_MEMBER = ALL_MEMBERS.where(members.c.id == bindparam("member_id"))


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def vectors_of(ids: Sequence[int], kept: Sequence[bytes]) -> NDArray[np.float32]:
    """Vectors ``[n, dim]`` as they are kept, those of the exemplars with these ``ids``.

    Raises
    ------
    StoreError
        If one is damaged: not finite, not of unit length, or of another dimension.
    """
    length = min(map(len, kept)) // VECTOR_TYPE.itemsize * VECTOR_TYPE.itemsize
    for exemplar_id, vector in zip(ids, kept, strict=True):
        if len(vector) != length or not are_unit(np.frombuffer(vector, VECTOR_TYPE)):
            raise StoreError(
                f"a damaged vector in the store, that of clip {exemplar_id}",
                expected="finite vectors of unit length and of one dimension",
                do="restore a backup, or forget the member and enroll again",
                code="damaged_store",
            )
    return np.frombuffer(b"".join(kept), VECTOR_TYPE).reshape(len(kept), -1)


def household_names(connection: Connection) -> list[str]:
    """In alphabetical order."""
    return list(connection.execute(select(households.c.name).order_by(households.c.name)).scalars())


def named(table: Table, name: str) -> Select[Any]:
    """The rows of ``households`` or ``members`` that look like ``name``, the likest first."""
    key = name_key(name)
    is_like = or_(table.c.key == key, table.c.key.startswith(f"{key}{LOOK_ALIKE}", autoescape=True))
    return select(table).where(is_like).order_by(case((table.c.name == name, 0), else_=1), "id")


def find_household(connection: Connection, name: str) -> Row[Any] | None:
    """The row of the household of that name; None where there is none."""
    return connection.execute(named(households, name)).first()


def find_member(connection: Connection, household_id: int, name: str) -> Row[Any] | None:
    """The row of the household's member of that name; None where there is none."""
    query = named(members, name).where(members.c.household_id == household_id)
    return connection.execute(query).first()


def household_named(connection: Connection, name: str) -> Row[Any]:
    """The row of the household of that name; an error where there is none."""
    found = find_household(connection, name)
    if found is None:
        raise no_household(name, household_names(connection))
    return found


def member_named(connection: Connection, household: Row[Any], name: str) -> Row[Any]:
    """The row of the household's member of that name; an error where there is none."""
    found = find_member(connection, household.id, name)
    if found is None:
        known = select(members.c.name).where(members.c.household_id == household.id)
        names = connection.execute(known.order_by(members.c.name)).scalars().all()
        raise no_member(name, household.name, names)
    return found


def read_members(connection: Connection, household: str | None) -> list[Member]:
    """Members with their exemplars, of one household or of all, in order of names."""
    if household is None:
        return _members_of(connection.execute(ALL_MEMBERS).all())
    found = find_household(connection, household)
    if found is None:
        return []
    return _members_of(connection.execute(MEMBERS_OF_ONE, {"household_id": found.id}).all())


def read_member(connection: Connection, member_id: int) -> Member:
    """One member with the exemplars, of which there is one or more."""
    (member,) = _members_of(connection.execute(ONE_MEMBER, {"member_id": member_id}).all())
    return member


def _members_of(rows: Sequence[Any]) -> list[Member]:
    # all rows are there: an error in one must not leave the query, and its snapshot, open
    found: dict[tuple[Any, ...], list[Exemplar]] = {}
    for *who, vector, digest, speech_s, snr_db, narrow, device, origin, added_at, number in rows:
        exemplar = Exemplar(
            vector=vectors_of([number], [vector])[0],
            digest=digest,
            speech_s=speech_s,
            snr_db=snr_db,
            is_narrowband=bool(narrow),
            device=device,
            origin=origin,
            added_at=added_at,
            id=number,
        )
        own = found.setdefault(tuple(who), [])
        own.append(exemplar)
        if len(own) > MAX_EXEMPLARS or own[0].vector.shape != exemplar.vector.shape:
            raise StoreError(
                f"a profile of {who[1]!r} that no store of spkid has",
                expected=f"at most {MAX_EXEMPLARS} clips, with vectors of one dimension",
                do="restore a backup, or forget the member and enroll again",
                code="damaged_store",
            )
    return [
        Member(household, name, model, consent_at, tuple(own), age_group)
        for (household, name, model, consent_at, age_group), own in found.items()
    ]


def clip_ids(connection: Connection, member_id: int) -> list[int]:
    """Ids of a member's exemplars, in order."""
    own = select(exemplars.c.id).where(exemplars.c.member_id == member_id)
    return list(connection.execute(own.order_by(exemplars.c.id)).scalars())


def clip_owners(connection: Connection, household_id: int) -> dict[str, tuple[int, str]]:
    """Member id and name behind each clip's digest."""
    query = (
        select(exemplars.c.digest, members.c.id, members.c.name)
        .join(members)
        .where(members.c.household_id == household_id)
    )
    return {digest: (member_id, name) for digest, member_id, name in connection.execute(query)}


def insert_exemplar(
    connection: Connection, household_id: int, member_id: int, exemplar: Exemplar
) -> int:
    """Store one exemplar; its id."""
    added = connection.execute(
        insert(exemplars).values(
            member_id=member_id,
            vector=np.asarray(exemplar.vector, dtype=VECTOR_TYPE).tobytes(),
            digest=exemplar.digest,
            speech_s=exemplar.speech_s,
            snr_db=exemplar.snr_db,
            is_narrowband=int(exemplar.is_narrowband),
            device=exemplar.device,
            origin=exemplar.origin,
            added_at=exemplar.added_at or now(),
        )
    )
    exemplar_id = _new_id(added)
    log(connection, "clip_added", household_id, member_id, exemplar_id)
    return exemplar_id


def _new_id(added: CursorResult[Any]) -> int:
    """The id of the row that was inserted."""
    key = added.inserted_primary_key
    if key is None:
        raise AssertionError("an insert of one row has a key")
    return int(key[0])


def delete_exemplars(
    connection: Connection, household_id: int, doomed: Iterable[tuple[int, int]]
) -> None:
    """Delete exemplars, given as ids of member and exemplar, with their kept audio.

    No index that was saved before can be read any more.
    """
    for member_id, exemplar_id in doomed:
        connection.execute(delete(exemplars).where(exemplars.c.id == exemplar_id))
        log(connection, "clip_removed", household_id, member_id, exemplar_id)
    begin_anew(connection)


def insert_household(connection: Connection, name: str) -> int:
    """Make a household of that name; its id."""
    name = new_name(name)
    added = connection.execute(insert(households).values(name=name, key=name_key(name)))
    return _new_id(added)


def ensure_member(
    connection: Connection, household: str, member: str, model: str, consent: Consent | None
) -> tuple[int, int]:
    """Ids of the household and the member, both made where new; consent comes with the member."""
    home = find_household(connection, household)
    known = None if home is None else find_member(connection, home.id, member)
    if home is not None and known is not None:
        if known.model != model:
            raise other_model(known.name, known.model, model)
        return home.id, known.id
    if consent is None:
        raise no_consent()
    household_id = home.id if home is not None else insert_household(connection, household)
    name = new_name(member)
    row = insert(members).values(
        household_id=household_id, name=name, key=name_key(name), model=model
    )
    added = connection.execute(row)
    member_id = _new_id(added)
    record_consent(connection, member_id, "voice", consent.text, consent)
    return household_id, member_id


def record_consent(
    connection: Connection, member_id: int, subject: str, text: str, consent: Consent
) -> None:
    """Keep what was agreed to, unless it was before."""
    key = (consents.c.member_id == member_id) & (consents.c.subject == subject)
    if connection.execute(select(exists().where(key))).scalar_one():
        return
    connection.execute(
        insert(consents).values(
            member_id=member_id,
            subject=subject,
            given_by=consent.given_by,
            given_at=consent.given_at or now(),
            version=consent.version,
            text=text,
        )
    )


def kept_clip(connection: Connection, exemplar_id: int) -> KeptClip:
    """What the clip of an exemplar that is there is bound to."""
    own = select(exemplars.c.member_id, exemplars.c.digest).where(exemplars.c.id == exemplar_id)
    member_id, digest = connection.execute(own).one()
    return KeptClip(store_id(connection), member_id, digest, exemplar_id)


def keep_audio(
    connection: Connection, member_id: int, exemplar_id: int, recording: bytes, vault: Vault
) -> None:
    """Keep a sealed clip of a member who agreed to that."""
    agreed = (consents.c.member_id == member_id) & (consents.c.subject == "audio")
    if not connection.execute(select(exists().where(agreed))).scalar_one():
        raise no_audio_consent()
    sealed = vault.seal(recording, kept_clip(connection, exemplar_id))
    connection.execute(
        insert(kept_audio).values(exemplar_id=exemplar_id, key_id=vault.key_id, sealed=sealed)
    )


def drop_empty(connection: Connection, household_id: int) -> list[str]:
    """Delete members without clips and the household without members; the members' names."""
    run = connection.execute
    empty = (
        select(members.c.id, members.c.name)
        .where(
            members.c.household_id == household_id,
            ~exists().where(exemplars.c.member_id == members.c.id),
        )
        .order_by(members.c.name)
    )
    gone = run(empty).all()
    for member_id, _ in gone:
        run(delete(members).where(members.c.id == member_id))
        log(connection, "member_forgotten", household_id, member_id)
    if not run(select(exists().where(members.c.household_id == household_id))).scalar_one():
        run(delete(households).where(households.c.id == household_id))
        log(connection, "household_forgotten", household_id)
    return [name for _, name in gone]


def log(
    connection: Connection,
    kind: str,
    household_id: int,
    member_id: int | None = None,
    exemplar_id: int | None = None,
) -> None:
    """A line in the log."""
    connection.execute(
        insert(operations).values(
            at=now(),
            kind=kind,
            household_id=household_id,
            member_id=member_id,
            exemplar_id=exemplar_id,
        )
    )


def changes_after(connection: Connection, sequence: int) -> list[Change]:
    """The log's lines after ``sequence``, in order."""
    query = select(operations).where(operations.c.sequence > sequence)
    return [Change(*row) for row in connection.execute(query.order_by(operations.c.sequence))]
