"""The database: households, members and exemplar vectors in one SQLite file.

Write-ahead log, foreign keys, secure deletion (deleted bytes are overwritten) and a schema
version. Each change is one transaction.
"""

from __future__ import annotations

import datetime
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from enrollment.profile import MAX_EXEMPLARS, Exemplar, Member, Receipt
from spkid.errors import SpkidError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x53504B44  # "SPKD": tells our files from other SQLite files
SCHEMA = """
CREATE TABLE household (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE member (
    id INTEGER PRIMARY KEY,
    household_id INTEGER NOT NULL REFERENCES household (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    consent_at TEXT NOT NULL,
    consent_text TEXT NOT NULL,
    UNIQUE (household_id, name)
);
CREATE TABLE exemplar (
    id INTEGER PRIMARY KEY,
    member_id INTEGER NOT NULL REFERENCES member (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    digest TEXT NOT NULL,
    speech_s REAL NOT NULL,
    snr_db REAL,
    added_at TEXT NOT NULL,
    UNIQUE (member_id, digest)
);
"""


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Store:
    """An open store. Make one with :meth:`open`; close it or use it in ``with``."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True) -> Store:
        """Open the file at ``path``; with ``create``, make it where there is none.

        Raises
        ------
        SpkidError
            If it cannot be opened, is not a store, or has a newer schema.
        """
        file = Path(path)
        if not create and not file.exists():
            raise SpkidError(
                f"{file}: no such store",
                expected="a store that 'spkid enroll' made",
                do="enrol somebody first or correct --store",
                code="no_store",
            )
        try:
            if create and not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(file, timeout=30.0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(file, error) from error
        store = cls(connection, file)
        try:
            with _failures(file):
                store._prepare()
        except BaseException:
            connection.close()
            raise
        return store

    def _prepare(self) -> None:
        run = self._connection.execute
        version = run("PRAGMA user_version").fetchone()[0]
        application = run("PRAGMA application_id").fetchone()[0]
        if version > SCHEMA_VERSION and application == APPLICATION_ID:
            raise SpkidError(
                f"{self.path}: a store of schema {version}",
                expected=f"schema {SCHEMA_VERSION} or older",
                do="update spkid; the file was left as it is",
                code="newer_schema",
            )
        is_empty = run("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if application != APPLICATION_ID and not is_empty:
            raise SpkidError(
                f"{self.path}: a database of another program",
                expected="a store that spkid made",
                do="give another --store",
                code="foreign_store",
            )
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA secure_delete = ON")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        if is_empty:
            with self._transaction():
                if run("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                    for statement in SCHEMA.split(";"):
                        run(statement)
                    run(f"PRAGMA application_id = {APPLICATION_ID}")
                    run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; takes the write lock at once, so that what is read stays true."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def households(self) -> list[str]:
        """Names in alphabetical order."""
        with _failures(self.path):
            rows = self._connection.execute("SELECT name FROM household ORDER BY name").fetchall()
        return [name for (name,) in rows]

    def members(self, household: str | None = None) -> list[Member]:
        """Members with their exemplars, of one household or of all, in order of names."""
        query = """
            SELECT household.name, member.name, member.model, member.consent_at,
                   exemplar.vector, exemplar.digest, exemplar.speech_s, exemplar.snr_db
            FROM household JOIN member ON member.household_id = household.id
                 JOIN exemplar ON exemplar.member_id = member.id
            WHERE ?1 IS NULL OR household.name = ?1
            ORDER BY household.name, member.name, exemplar.id
        """
        with _failures(self.path):
            rows = self._connection.execute(query, (household,)).fetchall()
        found: dict[tuple[str, str, str, str], list[Exemplar]] = {}
        for *who, vector, digest, speech_s, snr_db in rows:
            exemplar = Exemplar(
                vector=np.frombuffer(vector, dtype="<f4"),
                digest=digest,
                speech_s=speech_s,
                snr_db=float("nan") if snr_db is None else snr_db,
            )
            found.setdefault(tuple(who), []).append(exemplar)
        return [Member(*who, exemplars=tuple(own)) for who, own in found.items()]

    def add(
        self,
        household: str,
        member: str,
        exemplars: Sequence[Exemplar],
        *,
        model: str,
        consent_text: str,
    ) -> Member:
        """Add ``exemplars`` to a member, made with its household where new; returns the member.

        Raises
        ------
        SpkidError
            If the member's vectors come from another model, a clip is enrolled already in
            this household, the profile would exceed ten exemplars, or a vector is not unit.
        """
        for exemplar in exemplars:
            if not abs(float(np.linalg.norm(exemplar.vector)) - 1.0) < 1e-3:  # NaN fails too
                raise SpkidError(
                    "a vector that is not of unit length",
                    expected="a vector that the encoder gave",
                    do="embed the clip again",
                )
        with _failures(self.path), self._transaction():
            run = self._connection.execute
            run("INSERT OR IGNORE INTO household (name) VALUES (?)", (household,))
            (household_id,) = run(
                "SELECT id FROM household WHERE name = ?", (household,)
            ).fetchone()
            run(
                "INSERT OR IGNORE INTO member (household_id, name, model, consent_at, consent_text)"
                " VALUES (?, ?, ?, ?, ?)",
                (household_id, member, model, now(), consent_text),
            )
            member_id, enrolled_with = run(
                "SELECT id, model FROM member WHERE household_id = ? AND name = ?",
                (household_id, member),
            ).fetchone()
            if enrolled_with != model:
                raise other_model(member, enrolled_with, model)
            owners = dict(
                run(
                    "SELECT digest, member.name FROM exemplar"
                    " JOIN member ON member.id = member_id WHERE household_id = ?",
                    (household_id,),
                ).fetchall()
            )
            (n_enrolled,) = run(
                "SELECT count(*) FROM exemplar WHERE member_id = ?", (member_id,)
            ).fetchone()
            if n_enrolled + len(exemplars) > MAX_EXEMPLARS:
                raise SpkidError(
                    f"{n_enrolled} clips of {member!r} enrolled and {len(exemplars)} more given",
                    expected=f"at most {MAX_EXEMPLARS} in all",
                    do="give fewer clips, or forget the member and enrol anew",
                    code="profile_full",
                )
            for exemplar in exemplars:
                if exemplar.digest in owners:
                    raise already_enrolled(owners[exemplar.digest])
                owners[exemplar.digest] = member
                vector = np.asarray(exemplar.vector, dtype="<f4").tobytes()
                snr_db = None if np.isnan(exemplar.snr_db) else exemplar.snr_db
                run(
                    "INSERT INTO exemplar (member_id, vector, digest, speech_s, snr_db, added_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (member_id, vector, exemplar.digest, exemplar.speech_s, snr_db, now()),
                )
        return next(who for who in self.members(household) if who.name == member)

    def forget(self, household: str, member: str | None = None) -> Receipt:
        """Delete a member, or a whole household; the bytes are overwritten.

        Raises
        ------
        SpkidError
            If there is no such household or member.
        """
        with _failures(self.path):
            with self._transaction():
                run = self._connection.execute
                gone = [
                    who for who in self.members(household) if member is None or who.name == member
                ]
                if household not in self.households():
                    raise no_household(household, self)
                if member is not None and not gone:
                    raise no_member(member, household)
                if member is not None:
                    run(
                        "DELETE FROM member WHERE name = ? AND household_id ="
                        " (SELECT id FROM household WHERE name = ?)",
                        (member, household),
                    )
                run(
                    "DELETE FROM household WHERE name = ?1 AND (?2 OR NOT EXISTS"
                    " (SELECT 1 FROM member WHERE household_id = household.id))",
                    (household, member is None),
                )
            # the log still holds the old pages: fold it into the file and cut it to nothing
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return Receipt(
            household=household,
            members=tuple(who.name for who in gone),
            n_exemplars=sum(len(who.exemplars) for who in gone),
            at=now(),
            log_emptied=not busy,
        )


def no_household(name: str, store: Store) -> SpkidError:
    known = ", ".join(store.households()) or "none yet"
    return SpkidError(
        f"unknown household {name!r}",
        expected=f"one of: {known}",
        do="correct --household or enrol somebody",
        code="unknown_household",
    )


def no_member(name: str, household: str) -> SpkidError:
    return SpkidError(
        f"unknown member {name!r}",
        expected=f"a member of {household!r}",
        do="see 'spkid profiles'",
        code="unknown_member",
    )


def already_enrolled(member: str) -> SpkidError:
    return SpkidError(
        f"a clip that {member!r} is enrolled with already",
        expected="new clips",
        do="leave it out",
        code="same_clip",
    )


def other_model(member: str, enrolled_with: str, model: str) -> SpkidError:
    return SpkidError(
        f"a profile of {member!r} made with model {enrolled_with}",
        expected=f"one of the model in use, {model}",
        do="forget the member and enrol again: vectors of two models cannot be compared",
        code="other_model",
    )


def _unusable(path: Path, error: Exception) -> SpkidError:
    return SpkidError(
        f"{path}: {error}",
        expected="a store that can be opened, read and written",
        do="check the path, its permissions and the free space",
        code="unusable_store",
    )


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """SQLite's own errors as one sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
