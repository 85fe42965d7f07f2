"""The database behind a store: a SQLite file or a PostgreSQL server, with the same promises.

One writer at a time for the whole store: what a transaction read stays true until it commits,
and the log's sequence grows in the order of commits. Readers wait for nobody.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from enrollment.store.address import Address, bad_address, is_address, read_address
from enrollment.store.deletion import begin_anew
from enrollment.store.forks import close_at_forks, no_fork
from enrollment.store.inspection import check_no_code, check_schema
from enrollment.store.lineage import check_log, first_state, next_state
from enrollment.store.migrations import MIGRATIONS
from enrollment.store.schema import APPLICATION_ID, SCHEMA_VERSION, metadata, schema_version
from spkid.errors import NotFound, StoreError
from spkid.files import keep_private

PATIENCE_S = 30.0  # how long a transaction waits for others
N_ATTEMPTS = 6  # of a transaction that failed for a passing reason, over about 1.5 s
PASSING_SQLSTATES = {"40001", "40P01"}  # serialization failure, deadlock
LOST_SQLSTATES = ("08", "57P")  # connection exceptions, server stopping or starting

Result = TypeVar("Result")
Failure = Literal["busy", "lost", "disk_full", "read_only", "damaged_store", "unusable_store"]


class Database:
    """An open database. Make one with :func:`open_database`.

    Attributes
    ----------
    place : str
        The file, or the server's address without its password; for messages.
    path : Path or None
        The file; None for a server.
    """

    def __init__(
        self, engine: Engine, place: str, path: Path | None, *, holds_secret: bool = False
    ) -> None:
        self._engine = engine
        self._holds_secret = holds_secret
        self.place = place
        self.path = path
        self._opened = None if path is None else (path.resolve(), _which_file(path))
        event.listen(engine, "begin", _begin)
        close_at_forks(engine)

    def place_to_reopen(self) -> str:
        """The file's full path, or the server's address, for another process to open.

        Raises
        ------
        StoreError
            If the address holds a password, which must not be written down.
        """
        if self.path is not None:
            return str(self.path.resolve())
        if self._holds_secret or self._engine.url.password:
            raise StoreError(
                f"{self.place}: a store whose address holds a password",
                expected="an address without one, to pickle it",
                do="open the store in the other process, or keep the password in ~/.pgpass",
                code="not_pickled",
            )
        return self._engine.url.render_as_string(hide_password=False)

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """``work``'s result from one transaction that changes nothing."""
        return self._run(work, begin="read")

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """``work``'s result from one transaction: all or nothing, alone among the writers.

        ``work`` may be called again after a passing failure.

        Raises
        ------
        SpkidError
            Whatever ``work`` raises, or what the database says, as one sentence.
        """
        return self._run(work, begin="write")

    def alone(self, work: Callable[[Connection], Result]) -> Result:
        """``work``'s result outside any transaction, for the database's own housekeeping."""
        return self._run(work, begin="none")

    def _run(self, work: Callable[[Connection], Result], *, begin: str) -> Result:
        started = time.monotonic()
        for attempt in range(1, N_ATTEMPTS + 1):
            committing = False
            try:
                with no_fork(), self._engine.connect() as connection:
                    options: dict[str, str] = {"spkid_begin": begin}
                    if begin == "none":
                        options["isolation_level"] = "AUTOCOMMIT"
                    connection.execution_options(**options)
                    connection.begin()
                    result = work(connection)
                    committing = begin == "write"
                    if committing and self._opened is not None:
                        _check_in_place(*self._opened, self.place)
                        next_state(connection)
                    connection.commit()
                    return result
            except DBAPIError as error:
                failure = failure_of(error)
                refusal = _refusal(failure, self.place, error)
                if self.path is not None:
                    self._engine.dispose()  # a statement that failed may be open on its connection
            # out here, no error is chained: the driver's holds the password it connected with
            if failure == "lost" and committing:
                raise _unsure(self.place)
            has_time = time.monotonic() - started < PATIENCE_S
            if failure not in ("busy", "lost") or attempt == N_ATTEMPTS or not has_time:
                raise refusal
            time.sleep(0.025 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()


def _which_file(path: Path) -> tuple[int, int] | None:
    """The device and number of a file, which it keeps under any name; None where none is."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _check_in_place(path: Path, opened: tuple[int, int] | None, place: str) -> None:
    """Refuse a change that nobody would find again: the file is not at its place any more."""
    if _which_file(path) != opened:
        raise StoreError(
            f"{place}: moved, removed or replaced since it was opened",
            expected="the file that was opened",
            do="open the store again; nothing was changed",
            code="store_moved",
        )


def open_database(place: str | Path, *, create: bool) -> Database:
    """Open the SQLite file or the ``postgresql+psycopg://`` address at ``place``.

    Raises
    ------
    SpkidError
        If it cannot be opened, is not a store, has a newer schema, or is missing and not to
        be made.
    """
    if is_address(place):
        database = _server(read_address(str(place)))
    else:
        database = _file(Path(place), create=create)
    try:
        state = _check(database.alone(_state), database.place)
        if database.path is not None:
            _keep_private(database.path)
        elif state == "empty" and not create:
            raise _no_store(database.place)
        if state != SCHEMA_VERSION:
            database.write(lambda connection: _bring_up(connection, database.place))
        if database.path is not None:
            database.read(lambda connection: check_schema(connection, database.place))
            database.alone(lambda connection: connection.exec_driver_sql(WRITE_AHEAD))
    except BaseException:
        database.close()
        raise
    return database


WRITE_AHEAD = "PRAGMA journal_mode = WAL"
PRAGMAS = (
    "foreign_keys = ON",
    "secure_delete = ON",
    "synchronous = FULL",
    "trusted_schema = OFF",  # a file from somebody else may hold anything
    "cell_size_check = ON",
)
LONGEST_VALUE = 64 << 20  # bytes; the longest that is kept is a sealed clip of some minutes


def _file(path: Path, *, create: bool) -> Database:
    if str(path) == ":memory:" or str(path).startswith("file:"):
        raise bad_address(f"{str(path)!r}, which is no file")
    try:
        is_there = path.exists()
        if is_there and not path.is_file():
            raise bad_address(f"{str(path)!r}, which is no file")
        if not is_there and not create:
            raise _no_store(str(path))
        if not is_there:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        check_log(path.resolve())
    except OSError as error:
        raise _refusal("unusable_store", str(path), error) from error

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)
    return Database(engine, str(path), path)


def _keep_private(path: Path) -> None:
    """Take the store from others, once it is known to be one: no other file is touched."""
    file = path.resolve()  # SQLite keeps the log beside the file, not beside a link to it
    for suffix in ("", "-wal", "-shm"):
        keep_private(file.with_name(file.name + suffix))


def _server(address: Address) -> Database:
    try:
        secrets = dict(address.secrets)
        engine = create_engine(address.url, connect_args=secrets, hide_parameters=True)
    except ImportError as error:
        raise StoreError(
            f"{address.place}: no driver for PostgreSQL",
            expected="psycopg",
            do="run: pip install 'spkid[postgresql]'",
            code="no_driver",
        ) from error
    return Database(engine, address.place, None, holds_secret=bool(address.secrets))


def _begin(connection: Connection) -> None:
    """Start a transaction as its purpose asks: writers wait in line, readers do not."""
    purpose = connection.get_execution_options()["spkid_begin"]
    if connection.dialect.name == "sqlite":
        if purpose != "none":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if purpose == "write" else "BEGIN")
    elif purpose == "write":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_S:.0f}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")


def _state(connection: Connection) -> int | Literal["empty", "foreign"]:
    """The schema's version, or that there is nothing, or something else.

    A store whose version cannot be told has -1.
    """
    if connection.dialect.name == "sqlite":
        run = connection.exec_driver_sql
        # tables first: whoever makes them meanwhile says in the same transaction that they are ours
        n_tables = run("SELECT count(*) FROM sqlite_master").scalar_one()
        if run("PRAGMA application_id").scalar_one() == APPLICATION_ID:
            return int(run("PRAGMA user_version").scalar_one())
        return "foreign" if n_tables else "empty"
    tables = set(inspect(connection).get_table_names())
    if schema_version.name in tables:
        versions = connection.execute(select(schema_version.c.version)).scalars().all()
        return versions[0] if len(versions) == 1 else -1
    return "foreign" if tables & set(metadata.tables) else "empty"


def _check(state: int | Literal["empty", "foreign"], place: str) -> int | Literal["empty"]:
    """The state, where the store is one that this version can use."""
    if state == "foreign":
        raise StoreError(
            f"{place}: a database of another program",
            expected="a store that spkid made",
            do="give another place=",
            code="foreign_store",
        )
    if state != "empty" and state < 1:
        raise StoreError(
            f"{place}: a store that says it has schema {state}",
            expected=f"1 to {SCHEMA_VERSION}",
            do="restore a backup; the file was left as it is",
            code="damaged_store",
        )
    if state != "empty" and state > SCHEMA_VERSION:
        raise StoreError(
            f"{place}: a store of schema {state}",
            expected=f"schema {SCHEMA_VERSION} or older",
            do="update spkid; the store was left as it is",
            code="newer_schema",
        )
    return state


def _bring_up(connection: Connection, place: str) -> None:
    """Make the tables, or lead an older schema on; another process may have been faster."""
    state = _check(_state(connection), place)
    is_file = connection.dialect.name == "sqlite"
    if state == "empty":
        metadata.create_all(connection)
        first_state(connection)
        begin_anew(connection, is_scrubbed=True)
        if not is_file:
            schema_version.create(connection)
            connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
    else:
        if is_file:
            check_no_code(connection, place)
        for version in range(state, SCHEMA_VERSION):
            MIGRATIONS[version](connection)
        if not is_file:
            connection.execute(schema_version.update().values(version=SCHEMA_VERSION))
    if is_file:
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        check_schema(connection, place)


def failure_of(error: DBAPIError) -> Failure:
    """What kind of failure the database's ``error`` is."""
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", None) or ""
        kinds: dict[str, Failure] = {
            "SQLITE_BUSY": "busy",
            "SQLITE_LOCKED": "busy",
            "SQLITE_FULL": "disk_full",
            "SQLITE_IOERR_WRITE": "disk_full",
            "SQLITE_READONLY": "read_only",
            "SQLITE_CORRUPT": "damaged_store",
            "SQLITE_NOTADB": "damaged_store",
            "SQLITE_TOOBIG": "damaged_store",
        }
        return next((kind for key, kind in kinds.items() if name.startswith(key)), "unusable_store")
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or state is None or state.startswith(LOST_SQLSTATES):
        return "lost"
    if state in PASSING_SQLSTATES or state == "55P03":  # lock_timeout
        return "busy"
    kinds = {"53100": "disk_full", "25006": "read_only", "XX001": "damaged_store"}
    return kinds.get(state, "unusable_store")


WAYS_OUT: dict[Failure, tuple[str, str]] = {
    "busy": ("a store that others leave free for a moment", "try again"),
    "lost": ("a database that answers", "check that it runs and try again; nothing was changed"),
    "disk_full": ("room to write", "free some space; nothing was changed"),
    "read_only": ("a store and a folder that can be written", "check the permissions"),
    "damaged_store": ("a store as spkid left it", "correct place=, or restore a backup"),
    "unusable_store": (
        "a store that can be opened, read and written",
        "check the path, its permissions and the free space",
    ),
}


def in_words(error: sqlite3.Error | OSError, place: str) -> StoreError:
    """What SQLite or the disk says of the file at ``place``, as one sentence."""
    if isinstance(error, OSError):
        return _refusal("unusable_store", place, error)
    wrapped = DBAPIError(None, None, error)
    return _refusal(failure_of(wrapped), place, wrapped)


def _refusal(failure: Failure, place: str, error: Exception) -> StoreError:
    reason = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first_line = reason.splitlines()[0] if reason else type(error).__name__
    expected, do = WAYS_OUT[failure]
    return StoreError(f"{place}: {first_line}", expected=expected, do=do, code=failure)


def _unsure(place: str) -> StoreError:
    return StoreError(
        f"{place}: the connection was lost at the moment of storing",
        expected="the database's word that the change is stored",
        do="see 'spkid profiles' whether it is, then try again",
        code="unsure",
    )


def _no_store(place: str) -> NotFound:
    return NotFound(
        f"{place}: no such store",
        expected="a store that 'spkid enroll' made",
        do="enroll somebody first or correct place=",
        code="no_store",
    )
