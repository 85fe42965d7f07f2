"""Whether a SQLite file holds the tables of a store and nothing else.

Somebody else's file may carry triggers and views, which run when it is read or written: one that
takes deletions back makes a receipt untrue. What should be there is what schema.py says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from enrollment.store.schema import metadata
from spkid.errors import StoreError

SEQUENCES = "CREATE TABLE sqlite_sequence(name,seq)"  # SQLite's own, for ids that never return
CODE = ("trigger", "view")
Definition = tuple[tuple[str, ...], ...]


def check_schema(connection: Connection, place: str) -> None:
    """Refuse a file that has other tables, triggers, views or indexes than the schema.

    Raises
    ------
    StoreError
        It names the first that is missing, unknown or changed.
    """
    expected, found = _expected(), _found(connection)
    for kind, name in sorted(expected.keys() | found.keys()):
        what = f"{kind} {name[:80]!r}"
        if (kind, name) not in found:
            raise _not_ours(f"{place}: no {what}")
        if (kind, name) not in expected:
            raise _not_ours(f"{place}: a {what}, which spkid did not make")
        if expected[kind, name] != found[kind, name]:
            raise _not_ours(f"{place}: a {what} that was changed")


def check_no_code(connection: Connection, place: str) -> None:
    """Refuse an older store that has triggers or views, before it is led to the present schema.

    Raises
    ------
    StoreError
        It names the first.
    """
    for kind, name in sorted(_found(connection)):
        if kind in CODE:
            raise _not_ours(f"{place}: a {kind} {name[:80]!r}, which spkid did not make")


@cache
def _expected() -> dict[tuple[str, str], Definition]:
    dialect = sqlite.dialect()
    named = {("table", "sqlite_sequence"): definition(SEQUENCES)}
    for name, table in metadata.tables.items():
        named["table", name] = definition(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            made = str(CreateIndex(index).compile(dialect=dialect))
            named["index", str(index.name)] = definition(made)
    return named


def _found(connection: Connection) -> dict[tuple[str, str], Definition]:
    # an index without a text is that of a UNIQUE or PRIMARY KEY in its table's text
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL OR type <> 'index'"
    rows = connection.exec_driver_sql(query).all()
    return {(str(kind), str(name)): definition(str(sql)) for kind, name, sql in rows}


def definition(sql: str) -> Definition:
    """What a statement says, whatever its layout and the order of its columns and constraints.

    A column that a migration added stands behind the constraints; a new store has it before.
    """
    return tuple(sorted(map(tuple, _clauses(sql))))


def _clauses(sql: str) -> Iterator[list[str]]:
    """The words of each column or constraint; first those before, last those after them all."""
    clause: list[str] = []
    depth = 0
    for word in re.findall(r"'(?:[^']|'')*'|\w+|[^\w\s\"]", sql):
        depth += (word == "(") - (word == ")")
        if (word, depth) in ((",", 1), ("(", 1), (")", 0)):
            yield clause
            clause = []
        else:
            clause.append(word)
    yield clause


def _not_ours(got: str) -> StoreError:
    return StoreError(
        got,
        expected="the tables of a store as spkid makes them, and nothing else",
        do="restore a backup; do not use a store from somebody you do not trust",
        code="damaged_store",
    )
