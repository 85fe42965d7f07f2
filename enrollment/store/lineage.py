"""Which store a database is, and whether the log beside a file is the file's own.

SQLite replays every whole log (``-wal``) that lies beside a file, also one of another file: a
backup copied over a store by hand is damaged by it. Here each transaction that writes puts a new
state into the database and says which state it follows. A log then belongs to a file whose state
is one of those in the log, or the one before them.
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, bindparam, insert, select, text

from enrollment.store.schema import identity
from spkid.errors import StoreError

STATE_BYTES = 8
NO_STATE = "0" * 2 * STATE_BYTES
STATES = re.compile(rb"spkid state ([0-9a-f]{16}) after ([0-9a-f]{16})")
NEXT_STATE = text(
    "UPDATE identity SET state = 'spkid state ' || :new || ' after ' || substr(state, 13, 16)"
).bindparams(bindparam("new"))

HEADER_BYTES = 32  # of the log: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
FRAME_HEADER_BYTES = 24
MAGIC = (0x377F0682, 0x377F0683)
N_READINGS = 5  # of a log that others begin anew meanwhile


def first_state(connection: Connection) -> None:
    """Give a new store, or one that an older schema made, its id."""
    new = _new_state()
    row = {"store_id": os.urandom(16).hex(), "state": f"spkid state {new} after {NO_STATE}"}
    connection.execute(insert(identity).values(row))


def next_state(connection: Connection) -> None:
    """Mark that the transaction changed the store."""
    connection.execute(NEXT_STATE, {"new": _new_state()})


def store_id(connection: Connection) -> str:
    """The id that tells the store from all others; its backups have the same one."""
    found = connection.execute(select(identity.c.store_id)).scalars().all()
    if len(found) != 1:
        raise StoreError(
            "a store without its id, or with several",
            expected="a store as spkid left it",
            do="restore a backup",
            code="damaged_store",
        )
    return str(found[0])


def _new_state() -> str:
    return os.urandom(STATE_BYTES).hex()


def check_log(path: Path) -> None:
    """Refuse a file that lies beside the log of another.

    No connection may be open that has not been checked: the first one replays the log.

    Raises
    ------
    StoreError
        If the log's changes are to another file, or to another state of this one.
    """
    log = path.with_name(f"{path.name}-wal")
    if not path.exists() or path.stat().st_size == 0:
        return  # SQLite discards the log of an empty file
    for _ in range(N_READINGS):
        salts = _salts(log)
        state = _state_without_log(path)
        known = _states_in(log)
        if salts == _salts(log):  # else another process began the log anew under this reading
            if known and state is not None and state not in known:
                raise _stale_log(path, log)
            return


def _salts(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(HEADER_BYTES)[16:24]
    except FileNotFoundError:
        return b""


def _state_without_log(path: Path) -> str | None:
    """The state in the file itself; None where it cannot be read."""
    # through SQLite: to open and close the file here would break the locks of this process
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            tables = "SELECT count(*) FROM sqlite_master WHERE name = 'identity'"
            if not connection.execute(tables).fetchone()[0]:
                return NO_STATE
            (state,) = connection.execute("SELECT state FROM identity").fetchone()
    except (sqlite3.Error, TypeError):  # no such row
        return None
    found = STATES.fullmatch(str(state).encode())
    return found[1].decode() if found else None


def _states_in(log: Path) -> set[str]:
    """All states that the log leads to and from."""
    states: set[str] = set()
    try:
        with log.open("rb") as file:
            header = file.read(HEADER_BYTES)
            if int.from_bytes(header[:4]) not in MAGIC:
                return states
            n_page_bytes = int.from_bytes(header[8:12])
            while True:
                frame = file.read(FRAME_HEADER_BYTES + n_page_bytes)
                if frame[8:16] != header[16:24]:  # the end, or left from before
                    return states
                for pair in STATES.findall(frame):
                    states.update(state.decode() for state in pair)
    except FileNotFoundError:
        return states


def _stale_log(path: Path, log: Path) -> StoreError:
    return StoreError(
        f"{path}: beside it lies {log.name}, the log of another file or of an earlier one",
        expected="a store with its own log, or none",
        do=f"if a backup was copied here, restore it with 'spkid restore', or remove {log.name}",
        code="stale_log",
    )
