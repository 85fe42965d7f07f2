"""The tables of a store, the same for SQLite and PostgreSQL.

Ids are never given twice, so that the log and an index can name what is gone. An exemplar's
vector never changes under its id. The log (``operation``) holds ids and times, no names and no
biometrics. A ``key`` is what :func:`enrollment.names.name_key` makes of the name; where an older
store had look-alikes, that of the later one ends in ``LOOK_ALIKE`` and its id.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from spkid.errors import StoreError

SCHEMA_VERSION = 6
APPLICATION_ID = 0x53504B44  # "SPKD": tells our files from other SQLite files

LOOK_ALIKE = "\x1f"  # stands in no name

metadata = MetaData()
# names are ordered by code point in both databases
_Name = Text().with_variant(Text(collation="C"), "postgresql")


def _belongs_to(parent: Table, *, primary_key: bool = False) -> Column[int]:
    """A column that goes with its ``parent``'s row."""
    key = ForeignKey(parent.c[0], ondelete="CASCADE")
    name = f"{parent.name}_id"
    return Column(name, Integer, key, primary_key=primary_key, nullable=False)


households = Table(
    "household",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", _Name, nullable=False, unique=True),
    Column("calibration", Text),  # JSON; null: the model's own
    Column("key", Text, nullable=False, server_default=""),
    Index("household_key", "key", unique=True),
    sqlite_autoincrement=True,
)
members = Table(
    "member",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to(households),
    Column("name", _Name, nullable=False),
    Column("model", Text, nullable=False),
    Column("key", Text, nullable=False, server_default=""),
    Column("age_group", Text, nullable=False, server_default=""),  # "child", or not said
    UniqueConstraint("household_id", "name"),
    Index("member_key", "household_id", "key", unique=True),
    sqlite_autoincrement=True,
)
consents = Table(
    "consent",
    metadata,
    _belongs_to(members, primary_key=True),
    Column("subject", Text, primary_key=True),  # "voice", or "audio" for kept clips
    Column("given_by", Text, nullable=False),
    Column("given_at", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("text", Text, nullable=False),
)
# of profiles that were merged into this one, where it has a consent of its own
merged_consents = Table(
    "merged_consent",
    metadata,
    _belongs_to(members),
    Column("subject", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("given_at", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("text", Text, nullable=False),
)
exemplars = Table(
    "exemplar",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to(members),
    Column("vector", LargeBinary, nullable=False),  # little-endian float32
    Column("digest", Text, nullable=False),
    Column("speech_s", Float, nullable=False),
    Column("snr_db", Float),
    Column("device", Text, nullable=False),
    Column("origin", Text, nullable=False),  # "enrolled", or "confirmed" by a person later
    Column("added_at", Text, nullable=False),
    Column("is_narrowband", Integer, nullable=False, server_default="1"),  # 1: or not known
    UniqueConstraint("member_id", "digest"),
    sqlite_autoincrement=True,
)
# the clip again, as a second model describes it
second_vectors = Table(
    "second_vector",
    metadata,
    _belongs_to(exemplars, primary_key=True),
    Column("model", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # little-endian float32
)
kept_audio = Table(
    "kept_audio",
    metadata,
    _belongs_to(exemplars, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)


def _agreement(name: str) -> Table:
    """Households that agreed to have something kept for so many days."""
    return Table(
        name,
        metadata,
        _belongs_to(households, primary_key=True),
        Column("given_by", Text, nullable=False),
        Column("given_at", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("keep_days", Integer, nullable=False),
    )


# a household that agreed to keep unknown voices for a while, and the voices: vectors only
inboxes = _agreement("inbox")
unknown_voices = Table(
    "unknown_voice",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to(households),
    Column("model", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # little-endian float32
    Column("digest", Text, nullable=False),
    Column("speech_s", Float, nullable=False),
    Column("snr_db", Float),
    Column("heard_at", Text, nullable=False),
    Column("expires_on", Text, nullable=False),  # the last day on which it is kept
    Column("is_narrowband", Integer, nullable=False, server_default="1"),  # 1: or not known
    UniqueConstraint("household_id", "digest"),
    Index("unknown_voice_expiry", "expires_on"),
    sqlite_autoincrement=True,
)
# a household that agreed to have its answers written down for a while, and the answers
decision_logs = _agreement("decision_log")
decisions = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    _belongs_to(households),
    Column("named_id", Integer, ForeignKey(members.c.id, ondelete="CASCADE")),  # null: nobody
    Column("spoke_id", Integer, ForeignKey(members.c.id, ondelete="CASCADE")),  # who really spoke
    Column("guest", Text, nullable=False),  # who really spoke, where it was no member
    Column("status", Text, nullable=False),
    Column("p_member", Float),
    Column("p_stranger", Float),
    Column("accepted_rate", Float, nullable=False),  # of strangers, by the threshold that decided
    Column("speech_s", Float, nullable=False),
    Column("model", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("heard_at", Text, nullable=False),
    Column("expires_on", Text, nullable=False),  # the last day on which it is kept
    Index("decision_expiry", "expires_on"),
    sqlite_autoincrement=True,
)
operations = Table(
    "operation",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("household_id", Integer, nullable=False),
    Column("member_id", Integer),
    Column("exemplar_id", Integer),
    sqlite_autoincrement=True,
)
# one row: what tells this store from others, and one state of it from the next
identity = Table(
    "identity",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("state", Text, nullable=False),  # see lineage.py
)
# one row, made anew by each deletion
deletions = Table(
    "deletion",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("index_key", LargeBinary, nullable=False),  # opens what was saved since, nothing older
    Column("is_scrubbed", Integer, nullable=False),  # 1: the deleted bytes are overwritten
    sqlite_autoincrement=True,
)

# SQLite keeps the version in its header; PostgreSQL has no place for it but a table
schema_version = Table("spkid_schema", MetaData(), Column("version", Integer, nullable=False))


class Typed(TypeDecorator[Any]):
    """A type that also holds when a value is read: SQLite keeps anything in any column."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = Text
    cache_ok = True

    def __init__(self, declared: TypeEngine[Any], column: str) -> None:
        super().__init__()
        self.declared, self.column = declared, column
        self.impl = declared

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Of the value that the driver gave, before anything else looks at it."""
        expected = self.declared.python_type
        further = self.declared.dialect_impl(dialect).result_processor(dialect, coltype)

        def checked(value: Any) -> Any:
            if value is not None and not (
                type(value) is expected and (expected is not float or math.isfinite(value))
            ):
                raise StoreError(
                    f"a value in {self.column} that is no {KINDS[expected]}",
                    expected="a store as spkid left it",
                    do="restore a backup",
                    code="damaged_store",
                )
            return further(value) if further and value is not None else value

        return checked


KINDS = {int: "whole number", float: "finite number", str: "text", bytes: "run of bytes"}
for table in metadata.tables.values():
    for column in table.columns:
        column.type = Typed(column.type, f"{table.name}.{column.name}")
