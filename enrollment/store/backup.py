"""A store's file copied while others use it, and put back with nothing lost.

Both go through SQLite's own backup interface, one transaction for the whole file: neither a
process that writes meanwhile nor one that is killed makes half a store of it.
"""

from __future__ import annotations

import datetime
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from enrollment.store.address import is_address
from enrollment.store.database import Database, in_words, open_database
from enrollment.store.deletion import begin_anew
from enrollment.store.lineage import check_log
from enrollment.store.moving import fill
from enrollment.store.schema import APPLICATION_ID, exemplars, households, members, operations
from enrollment.store.scrubbing import scrub
from spkid.errors import NotFound, SpkidError, StoreError
from spkid.files import written_new

BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file
PATIENCE_S = 5.0  # how long a restore waits for others to be done


@dataclass(frozen=True)
class Backup:
    """A backup that was read again after it was made, and how much is in it."""

    path: Path
    n_members: int
    n_clips: int


@dataclass(frozen=True)
class Restored:
    """A store that was put back from a backup, at its file or address (without its password).

    ``kept`` is the file of the store that was there before, None where there was none.
    ``deleted_since`` are household and name of each member of whom clips came back that the
    store had deleted since the backup was made.
    """

    place: Path | str
    n_members: int
    n_clips: int
    kept: Path | None
    deleted_since: tuple[tuple[str, str], ...]


def back_up(database: Database, path: Path) -> Backup:
    """Copy an open store to a new file; see :meth:`enrollment.Store.backup`."""
    if database.path is None:
        raise _on_server(database.place)
    store = database.path.resolve()
    taken = {store.with_name(store.name + suffix) for suffix in BESIDE}
    if path.exists() or path.resolve() in taken:
        raise _file_exists(path)
    try:
        with written_new(path) as beside, _told_of(path, beside):
            database.alone(lambda connection: _copy(_driver_of(connection), beside))
            n_members, n_clips = _made_whole(beside)
    except FileExistsError as error:
        raise _file_exists(path) from error
    except OSError as error:
        raise in_words(error, str(path)) from error
    return Backup(path, n_members, n_clips)


def restore(backup: str | Path, place: str | Path) -> Restored:
    """Put a backup in the place of a store, or where there is none yet.

    The backup is copied and checked first, and stays as it is. The store that was there is kept
    beside its place, and its saved index goes. A server takes the backup where it has no store
    yet: so a household moves from a file to PostgreSQL.

    Raises
    ------
    SpkidError
        If the backup is no whole store, somebody has the store open, or the server's is in use.
        Nothing is changed then.
    """
    if is_address(place):
        return _onto_server(Path(backup), str(place))
    source, target = Path(backup), Path(place)
    if target.is_symlink():
        target = target.resolve()  # the link stays
    _check_paths(source, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=target.parent) as folder:
            beside = Path(folder) / "backup.sqlite3"
            with _told_of(source, beside):
                _copy_store(source, beside)
                n_members, n_clips = _made_whole(beside)
            with _told_of(target, beside):
                deleted_since = _deleted_since(beside, target)
                kept = _put_in_place(beside, target)
    except OSError as error:
        raise in_words(error, str(target)) from error
    with closing(open_database(target, create=False)) as database:
        scrub(database)
    return Restored(target, n_members, n_clips, kept, deleted_since)


def _onto_server(source: Path, address: str) -> Restored:
    _check_source(source)
    try:
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=source.parent) as folder:
            beside = Path(folder) / "backup.sqlite3"
            with _told_of(source, beside):
                _copy_store(source, beside)
                n_members, n_clips = _made_whole(beside)
            with (
                closing(open_database(beside, create=False)) as copy,
                closing(open_database(address, create=True)) as server,
            ):
                fill(server, copy)
                return Restored(server.place, n_members, n_clips, None, ())
    except OSError as error:
        raise in_words(error, str(source)) from error


def _check_source(source: Path) -> None:
    if not source.is_file():
        raise NotFound(
            f"{source}: no such file",
            expected="a backup of a store",
            do="correct the path",
            code="no_store",
        )


def _check_paths(source: Path, target: Path) -> None:
    _check_source(source)
    if target.exists() and source.samefile(target):
        raise StoreError(
            f"{source}: the store itself",
            expected="a backup of it",
            do="give the path of the backup, or correct place=",
            code="file_exists",
        )


@contextmanager
def _told_of(path: Path, beside: Path) -> Iterator[None]:
    """What is said of ``beside`` is said of ``path``; nothing is left of its log."""
    try:
        yield
    except sqlite3.Error as error:
        raise in_words(error, str(path)) from error
    except SpkidError as error:
        got = error.got.replace(str(beside), str(path))
        raise type(error)(got, expected=error.expected, do=error.do, code=error.code) from error
    finally:
        for suffix in BESIDE:
            _beside(beside, suffix).unlink(missing_ok=True)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _copy(source: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it


def _copy_store(source: Path, path: Path) -> None:
    check_log(source)
    address = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            raise StoreError(
                f"{source}: no store",
                expected="a backup of a store",
                do="correct the path",
                code="foreign_store",
            )
        _copy(connection, path)


def _made_whole(path: Path) -> tuple[int, int]:
    """Bring a copy to this schema, read all of it, and count its members and clips."""
    with closing(open_database(path, create=False)) as database:
        # even if it changes nothing, it gives the copy a state of its own, which no log follows
        counts = database.write(_counted)
        mode = "PRAGMA journal_mode = DELETE"
        database.alone(lambda connection: connection.exec_driver_sql(mode))
    return counts


def _counted(connection: Connection) -> tuple[int, int]:
    found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if found != ["ok"] or orphans:
        raise StoreError(
            f"a damaged store ({found[0] if found != ['ok'] else 'rows without an owner'})",
            expected="a whole one",
            do="use another backup",
            code="damaged_store",
        )
    begin_anew(connection)  # an index that was saved before opens with neither store
    n_members, n_clips = (
        connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (members, exemplars)
    )
    return n_members, n_clips


def _deleted_since(backup: Path, store: Path) -> tuple[tuple[str, str], ...]:
    """Whose clips are in the backup that the store at its place deleted later."""
    latest = select(operations).order_by(operations.c.sequence.desc()).limit(1)
    owners = (
        select(exemplars.c.id, households.c.name, members.c.name)
        .select_from(exemplars)
        .join(members)
        .join(households)
    )
    with closing(open_database(backup, create=False)) as copy:
        last = copy.read(lambda connection: connection.execute(latest).first())
        rows = copy.read(lambda connection: connection.execute(owners).all())
    if last is None or not _is_usable(store):
        return ()
    later = operations.c.sequence >= last.sequence
    log = select(operations).where(later).order_by(operations.c.sequence)
    try:
        with closing(open_database(store, create=False)) as old:
            lines = old.read(lambda connection: connection.execute(log).all())
    except StoreError:  # damaged further inside
        return ()
    if lines[:1] != [last]:
        return ()  # another store, or another past of this one
    removed = {line.exemplar_id for line in lines if line.kind == "clip_removed"}
    return tuple(
        sorted({(home, name) for exemplar_id, home, name in rows if exemplar_id in removed})
    )


def _is_usable(place: Path) -> bool:
    """Whether there is a store that SQLite may open; another program's file is refused."""
    address = f"{place.absolute().as_uri()}?mode=ro&immutable=1"
    try:  # a connection that may write takes the log of what is no database away
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError:
        return False
    try:
        open_database(place, create=False).close()
    except SpkidError as error:
        if error.code in ("no_store", "damaged_store", "stale_log"):
            return False
        raise
    return True


def _put_in_place(backup: Path, target: Path) -> Path | None:
    """Make ``backup`` the store at ``target``; where the one before is kept."""
    at = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
    kept = target.with_name(f"{target.name}.before-{at}")
    with closing(sqlite3.connect(backup)) as source:
        if _is_usable(target):
            with closing(_opened_alone(target)) as store:
                with written_new(kept) as copy:
                    _copy(store, copy)
                source.backup(store)
            return kept
        is_there = target.exists()
        for suffix in (*BESIDE, ""):
            with suppress(FileNotFoundError):
                os.rename(_beside(target, suffix), _beside(kept, suffix))
        with written_new(target) as new:
            _copy(source, new)
        return kept if is_there else None


def _opened_alone(place: Path) -> sqlite3.Connection:
    """A connection to a store that nobody else has open, or can open until it is closed."""
    connection = sqlite3.connect(place, timeout=PATIENCE_S, isolation_level=None)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")  # refused while anybody has a log open
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StoreError(
            f"{place}: another program has the store open",
            expected="a store that nobody uses",
            do="stop what uses it and restore again; nothing was changed",
            code="busy",
        ) from error
    return connection


def _on_server(place: str) -> StoreError:
    return StoreError(
        place,
        expected="a store in a file",
        do="back it up with pg_dump and put it back with pg_restore (see docs/backup.md)",
        code="on_server",
    )


def _file_exists(path: Path) -> StoreError:
    return StoreError(
        f"{path}: there is a file of that name",
        expected="a name for a new file",
        do="choose another name, or move that file away",
        code="file_exists",
    )
