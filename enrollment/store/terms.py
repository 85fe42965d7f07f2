"""What a household agreed to have kept for a while, and when the time is over."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, exists, insert, select, update

from enrollment.names import tidy_name
from enrollment.store.database import Database
from enrollment.store.deletion import begin_anew
from enrollment.store.records import find_household, household_named, log, now
from enrollment.store.scrubbing import scrub
from spkid.errors import ConsentError, SpkidError, StoreError

Result = TypeVar("Result")

KEEP_DAYS = 30
MOST_DAYS = 365


@dataclass(frozen=True)
class Terms:
    """What somebody agreed to for a household, and for how many days something is kept.

    ``given_at`` is UTC, ISO 8601; the store fills it in.
    """

    given_by: str
    text: str
    keep_days: int
    version: str = "1"
    given_at: str = ""


def agreed(given_by: str, text: str, keep_days: int, *, consent: bool, what: str) -> Terms:
    """The terms that ``given_by`` agreed to; ``what`` is kept, in words.

    Raises
    ------
    SpkidError
        Without consent, or for no days or more than a year.
    """
    if not consent:
        raise ConsentError(
            f"no consent to keep {what}",
            expected=f"somebody's agreement: {text!r}",
            do="ask, then pass consent=True",
            code="no_consent",
        )
    if not 1 <= keep_days <= MOST_DAYS:
        raise SpkidError(
            f"keep_days={keep_days}", expected=f"1 to {MOST_DAYS} days", do="choose another number"
        )
    return Terms(tidy_name(given_by), text, keep_days)


class KeptForAWhile:
    """What households agreed to have kept, in ``kept``, under the terms in ``agreements``.

    ``kept`` has ``id``, ``household_id``, ``heard_at`` and ``expires_on``; ``word`` stands in the
    store's log.
    """

    agreements: Table
    kept: Table
    word: str

    def __init__(self, database: Database) -> None:
        self._database = database

    def terms(self, household: str) -> Terms | None:
        """What the household agreed to; None while nothing is kept."""

        def work(connection: Connection) -> Terms | None:
            return self._terms(connection, find_household(connection, household))

        return self._database.read(work)

    def switch_on(self, household: str, terms: Terms) -> None:
        """Keep it from now on, under these terms.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> None:
            home = household_named(connection, household)
            row = {"household_id": home.id, **dataclasses.asdict(terms)}
            row["given_at"] = terms.given_at or now()
            connection.execute(delete(self.agreements).where(self._agreed_by(home.id)))
            connection.execute(insert(self.agreements).values(row))
            there = select(self.kept.c.id, self.kept.c.heard_at).where(self._of(home.id))
            for each in connection.execute(there).all():
                own = update(self.kept).where(self.kept.c.id == each.id)
                expires_on = last_day(each.heard_at, terms.keep_days)
                connection.execute(own.values(expires_on=expires_on))
            log(connection, f"{self.word}_on", home.id)

        self._database.write(work)

    def switch_off(self, household: str) -> int:
        """Keep nothing any more and delete what was kept; how many.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> int:
            home = household_named(connection, household)
            connection.execute(delete(self.agreements).where(self._agreed_by(home.id)))
            log(connection, f"{self.word}_off", home.id)
            return delete_kept(connection, self.kept, self._of(home.id))

        return self._deleted(work)

    def expire(self) -> int:
        """Delete everything in the store whose time is over; how many."""
        expired = self.kept.c.expires_on < today()
        if not self._database.read(
            lambda connection: connection.execute(select(exists().where(expired))).scalar_one()
        ):
            return 0
        return self._deleted(lambda connection: delete_kept(connection, self.kept, expired))

    def _terms(self, connection: Connection, home: Row[Any] | None) -> Terms | None:
        if home is None:
            return None
        query = select(self.agreements).where(self._agreed_by(home.id))
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Terms(row.given_by, row.text, row.keep_days, row.version, row.given_at)

    def _agreed_by(self, household_id: int) -> ColumnElement[bool]:
        return self.agreements.c.household_id == household_id

    def _of(self, household_id: int) -> ColumnElement[bool]:
        return self.kept.c.household_id == household_id

    def _deleted(self, work: Callable[[Connection], Result]) -> Result:
        result = self._database.write(work)
        scrub(self._database)
        return result


def delete_kept(connection: Connection, kept: Table, which: ColumnElement[bool]) -> int:
    """Delete rows of ``kept``; how many."""
    n_deleted = connection.execute(delete(kept).where(which)).rowcount
    if n_deleted:
        begin_anew(connection)  # the bytes are to be overwritten
    return int(n_deleted)


def today() -> str:
    """The day in UTC, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def kept_from(heard_at: str, terms: Terms) -> dict[str, str]:
    """The columns ``heard_at``, now unless given, and ``expires_on``."""
    heard_at = heard_at or now()
    return {"heard_at": heard_at, "expires_on": last_day(heard_at, terms.keep_days)}


def last_day(heard_at: str, keep_days: int) -> str:
    """Days, not seconds: a household deletes once a day, not with every clip."""
    try:
        heard_on = datetime.datetime.fromisoformat(heard_at).date()
    except ValueError as error:
        raise StoreError(
            "a clip that was heard at no time",
            expected="a store as spkid left it",
            do="restore a backup, or switch off what keeps it: 'spkid inbox off', "
            "'spkid decisions off'",
            code="damaged_store",
        ) from error
    return (heard_on + datetime.timedelta(days=keep_days)).isoformat()
