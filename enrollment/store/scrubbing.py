"""After a deletion: no byte of it is left in the database's files, and no file of an index stays.

What is left to do stands in the database, so that every opening goes on with it after a crash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from enrollment.store.database import PATIENCE_S, Database
from enrollment.store.deletion import mark_scrubbed, unscrubbed
from enrollment.store.index_files import IndexFiles, remove_indexes
from enrollment.store.schema import metadata
from spkid.errors import SpkidError

OPENING_PATIENCE_S = 1.0  # how long an opening waits for readers of what it would scrub


@dataclass(frozen=True)
class Scrubbed:
    """Whether the database's own log holds deleted bytes no more, and index files that stay."""

    log_emptied: bool
    index_files: IndexFiles


def index_folders(database: Database) -> list[Path]:
    """Where an index of the store may be kept on this machine, and where one may be from before.

    Versions before schema 3 saved beside the link by which a store was opened.
    """
    if database.path is None:
        import platformdirs

        name = hashlib.sha256(database.place.encode()).hexdigest()[:16]
        return [platformdirs.user_cache_path("spkid") / name]
    places = dict.fromkeys([database.path.resolve(), database.path.absolute()])
    return [path.with_name(f"{path.name}.index") for path in places]


def scrub(database: Database, *, patience_s: float | None = None) -> Scrubbed:
    """Let go of what is left of deleted rows.

    Nobody can read the saved indexes any more; as far as possible they go whole, and are made
    anew from the database. SQLite's log still holds the old pages: fold it into the file and
    cut it to nothing. PostgreSQL frees the rows' space; its own log and backups are out of a
    client's reach.

    Parameters
    ----------
    patience_s : float, optional
        How long to wait for those who read the old pages; as long as for any transaction where
        not given.
    """

    def work(connection: Connection) -> bool:
        run = connection.exec_driver_sql
        if database.path is None:
            run(f"VACUUM (SKIP_LOCKED) {', '.join(metadata.tables)}")
            return True
        if patience_s is not None:
            run(f"PRAGMA busy_timeout = {1000 * patience_s:.0f}")
        try:
            busy, _, _ = run("PRAGMA wal_checkpoint(TRUNCATE)").one()
        finally:
            if patience_s is not None:
                run(f"PRAGMA busy_timeout = {1000 * PATIENCE_S:.0f}")
        return not busy

    index_files = remove_indexes(*index_folders(database), sealed_too=True)
    is_done = False
    try:
        number = database.read(unscrubbed)
        is_done = database.alone(work)
        if is_done and number is not None:
            database.write(lambda connection: mark_scrubbed(connection, number))
    except SpkidError:
        pass  # the deletion is stored all the same, and the next opening goes on here
    return Scrubbed(is_done and database.path is not None, index_files)


def finish_deletions(database: Database) -> IndexFiles:
    """Do what a killed process left undone, and take away the indexes of older versions.

    Returns what should be gone and could not be removed.
    """
    if database.read(unscrubbed) is None:
        return remove_indexes(*index_folders(database), sealed_too=False)
    return scrub(database, patience_s=OPENING_PATIENCE_S).index_files
