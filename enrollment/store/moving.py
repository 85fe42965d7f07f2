"""All rows of a store's file put onto a server that has none yet."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, text

from enrollment.store.database import Database
from enrollment.store.schema import deletions, households, identity, metadata, operations
from spkid.errors import StoreError

N_ROWS = 200  # at a time: one of kept audio may have some hundred kilobytes
GIVEN = text("SELECT name, seq FROM sqlite_sequence")
GO_ON = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)")


def fill(server: Database, copy: Database) -> None:
    """Put every row of ``copy``, a store in a file, onto ``server``, in one transaction.

    Ids stay, and none that was ever given is given again. The id of the store stays too: clips
    that were kept are sealed for it.

    Raises
    ------
    StoreError
        If somebody is or was enrolled on the server. Nothing is changed then.
    """
    server.write(lambda target: copy.read(lambda source: _fill(target, source, server.place)))


def _fill(target: Connection, source: Connection, place: str) -> None:
    used = (
        target.execute(select(func.count()).select_from(each)) for each in (households, operations)
    )
    if any(count.scalar_one() for count in used):
        raise StoreError(
            f"{place}: a store that is in use, or was",
            expected="a database without a store, or with one in which nobody was ever enrolled",
            do="make a new database and give its address as place=",
            code="not_empty",
        )
    for own in (identity, deletions):
        target.execute(delete(own))
    for table in metadata.sorted_tables:
        for rows in source.execute(select(table)).partitions(N_ROWS):
            target.execute(insert(table), [row._asdict() for row in rows])
    for name, last in source.execute(GIVEN):
        (column,) = metadata.tables[name].primary_key
        target.execute(GO_ON, {"table": name, "column": column.name, "last": last})
