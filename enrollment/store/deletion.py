"""What a deletion owes beyond its rows: no saved index may be read again, no byte may be left.

A saved index is encrypted with a key that lies in the database, and the transaction that deletes
throws the key away. Whoever copied the file, or could not delete it, holds noise from then on.
"""

from __future__ import annotations

import os

from sqlalchemy import Connection, delete, insert, select, update

from enrollment.store.schema import deletions

KEY_BYTES = 32


def begin_anew(connection: Connection, *, is_scrubbed: bool = False) -> None:
    """Throw the key of saved indexes away for a new one, inside the transaction that deletes.

    Until :func:`mark_scrubbed` says otherwise, the deleted bytes may still be on the disk.
    """
    connection.execute(delete(deletions))
    row = insert(deletions).values(index_key=os.urandom(KEY_BYTES), is_scrubbed=int(is_scrubbed))
    connection.execute(row)


def index_key(connection: Connection) -> bytes | None:
    """The key for indexes that hold what this transaction sees; None where there is none."""
    key: bytes | None = connection.execute(select(deletions.c.index_key)).scalar()
    return key if key is not None and len(key) == KEY_BYTES else None


def unscrubbed(connection: Connection) -> int | None:
    """The number of the deletion whose bytes may still be there; None where all is done."""
    query = select(deletions.c.id).where(deletions.c.is_scrubbed == 0)
    number: int | None = connection.execute(query).scalar()
    return number


def mark_scrubbed(connection: Connection, number: int) -> None:
    """Nothing is left of deletion ``number``; a later one has a number of its own."""
    own = update(deletions).where(deletions.c.id == number)
    connection.execute(own.values(is_scrubbed=1))
