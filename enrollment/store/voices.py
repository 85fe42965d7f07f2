"""Unknown voices that a household agreed to keep for a while: vectors, never clips, never names."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from enrollment.profile import Consent, Exemplar, Member, check_unit
from enrollment.refusals import no_voice
from enrollment.store.adding import add_clips
from enrollment.store.database import Database
from enrollment.store.deletion import begin_anew
from enrollment.store.records import (
    VECTOR_TYPE,
    find_household,
    household_named,
    log,
    now,
    read_member,
    vectors_of,
)
from enrollment.store.schema import inboxes, unknown_voices
from enrollment.store.scrubbing import scrub
from spkid.errors import StoreError

Result = TypeVar("Result")

MAX_VOICES = 200  # of one household; the oldest go first


@dataclass(frozen=True)
class InboxTerms:
    """What somebody agreed to for a household, and for how many days a voice is kept.

    ``given_at`` is UTC, ISO 8601; the store fills it in.
    """

    given_by: str
    text: str
    keep_days: int
    version: str = "1"
    given_at: str = ""


@dataclass(frozen=True)
class UnknownVoice:
    """A clip that nobody of the household spoke: its unit vector and what is known of it.

    ``heard_at``, ``expires_on`` (the last day on which it is kept) and ``id`` are the store's.
    """

    vector: NDArray[np.float32] = field(repr=False)
    model: str
    digest: str
    speech_s: float
    snr_db: float | None
    heard_at: str = ""
    expires_on: str = ""
    id: int = 0

    def __post_init__(self) -> None:
        check_unit(self.vector)


class UnknownVoices:
    """The inboxes of a store's households."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def terms(self, household: str) -> InboxTerms | None:
        """What the household agreed to; None while it keeps no unknown voices."""

        def work(connection: Connection) -> InboxTerms | None:
            home = find_household(connection, household)
            return None if home is None else _terms(connection, home.id)

        return self._database.read(work)

    def switch_on(self, household: str, terms: InboxTerms) -> None:
        """Keep unknown voices of the household from now on, under these terms.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> None:
            home = household_named(connection, household)
            row = {"household_id": home.id, **dataclasses.asdict(terms)}
            row["given_at"] = terms.given_at or now()
            connection.execute(delete(inboxes).where(inboxes.c.household_id == home.id))
            connection.execute(insert(inboxes).values(row))
            for voice in _voices(connection, home.id):
                own = update(unknown_voices).where(unknown_voices.c.id == voice.id)
                expires_on = _last_day(voice.heard_at, terms.keep_days)
                connection.execute(own.values(expires_on=expires_on))
            log(connection, "inbox_on", home.id)

        self._database.write(work)

    def switch_off(self, household: str) -> int:
        """Keep none any more and delete what was kept; how many.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> int:
            home = household_named(connection, household)
            connection.execute(delete(inboxes).where(inboxes.c.household_id == home.id))
            log(connection, "inbox_off", home.id)
            return _delete(connection, unknown_voices.c.household_id == home.id)

        return self._deleted(work)

    def add(self, household: str, voice: UnknownVoice) -> bool:
        """Keep a voice where the household agreed to that; whether it is there now.

        The same clip counts once; of too many, the oldest go.
        """

        def work(connection: Connection) -> bool:
            home = find_household(connection, household)
            terms = None if home is None else _terms(connection, home.id)
            if home is None or terms is None:
                return False
            own = unknown_voices.c.household_id == home.id
            same = select(exists().where(own, unknown_voices.c.digest == voice.digest))
            if connection.execute(same).scalar_one():
                return True
            ids = select(unknown_voices.c.id).where(own).order_by(unknown_voices.c.id.desc())
            too_many = connection.execute(ids.offset(MAX_VOICES - 1)).scalars().all()
            if too_many:
                _delete(connection, unknown_voices.c.id.in_(too_many))
            heard_at = voice.heard_at or now()
            connection.execute(
                insert(unknown_voices).values(
                    household_id=home.id,
                    model=voice.model,
                    vector=np.asarray(voice.vector, dtype=VECTOR_TYPE).tobytes(),
                    digest=voice.digest,
                    speech_s=voice.speech_s,
                    snr_db=voice.snr_db,
                    heard_at=heard_at,
                    expires_on=_last_day(heard_at, terms.keep_days),
                )
            )
            return True

        return self._database.write(work)

    def voices(self, household: str) -> list[UnknownVoice]:
        """What is kept and not expired, in the order of time."""

        def work(connection: Connection) -> list[UnknownVoice]:
            home = find_household(connection, household)
            return [] if home is None else _voices(connection, home.id)

        return self._database.read(work)

    def delete(self, household: str, ids: Sequence[int]) -> int:
        """Delete voices by their ids; how many were there.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> int:
            home = household_named(connection, household)
            own = unknown_voices.c.household_id == home.id
            return _delete(connection, own & unknown_voices.c.id.in_(ids))

        return self._deleted(work)

    def name(
        self,
        household: str,
        ids: Sequence[int],
        member: str,
        *,
        model: str,
        consent: Consent | None,
        left_out: Sequence[int] = (),
    ) -> Member:
        """Make these voices clips of a member, in one transaction; they leave the inbox.

        So do those that are ``left_out``.

        Raises
        ------
        SpkidError
            If one of them is not there any more, or as :meth:`enrollment.Store.add`.
        """

        def work(connection: Connection) -> Member:
            home = household_named(connection, household)
            chosen = [voice for voice in _voices(connection, home.id) if voice.id in ids]
            if not ids or len(chosen) != len(set(ids)):
                raise no_voice(household)
            exemplars = [
                Exemplar(
                    voice.vector,
                    voice.digest,
                    voice.speech_s,
                    voice.snr_db,
                    origin="confirmed",
                    added_at=voice.heard_at,
                )
                for voice in chosen
            ]
            own = unknown_voices.c.household_id == home.id
            _delete(connection, own & unknown_voices.c.id.in_([*ids, *left_out]))
            member_id = add_clips(
                connection, household, member, exemplars, model=model, consent=consent
            )
            return read_member(connection, member_id)

        return self._deleted(work)

    def expire(self) -> int:
        """Delete every voice of the store whose time is over; how many."""
        expired = unknown_voices.c.expires_on < _today()
        if not self._database.read(
            lambda connection: connection.execute(select(exists().where(expired))).scalar_one()
        ):
            return 0
        return self._deleted(lambda connection: _delete(connection, expired))

    def _deleted(self, work: Callable[[Connection], Result]) -> Result:
        result = self._database.write(work)
        scrub(self._database)
        return result


def _terms(connection: Connection, household_id: int) -> InboxTerms | None:
    query = select(inboxes).where(inboxes.c.household_id == household_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return InboxTerms(row.given_by, row.text, row.keep_days, row.version, row.given_at)


def _voices(connection: Connection, household_id: int) -> list[UnknownVoice]:
    query = select(unknown_voices).where(
        unknown_voices.c.household_id == household_id, unknown_voices.c.expires_on >= _today()
    )
    return [
        UnknownVoice(
            vectors_of([row.id], [row.vector])[0],
            row.model,
            row.digest,
            row.speech_s,
            row.snr_db,
            row.heard_at,
            row.expires_on,
            row.id,
        )
        for row in connection.execute(query.order_by(unknown_voices.c.id)).all()
    ]


def _delete(connection: Connection, which: ColumnElement[bool]) -> int:
    n_deleted = connection.execute(delete(unknown_voices).where(which)).rowcount
    if n_deleted:
        begin_anew(connection)  # the bytes are to be overwritten
    return int(n_deleted)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _last_day(heard_at: str, keep_days: int) -> str:
    """Days, not seconds: a household deletes once a day, not with every clip."""
    try:
        heard_on = datetime.datetime.fromisoformat(heard_at).date()
    except ValueError as error:
        raise StoreError(
            "an unknown voice that was heard at no time",
            expected="a store as spkid left it",
            do="restore a backup, or delete the voices with 'spkid inbox off'",
            code="damaged_store",
        ) from error
    return (heard_on + datetime.timedelta(days=keep_days)).isoformat()
