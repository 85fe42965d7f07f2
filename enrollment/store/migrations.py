"""From each older schema to the next, in order; only SQLite files have the first one."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, text

from enrollment.names import name_key
from enrollment.store.deletion import begin_anew
from enrollment.store.lineage import first_state
from enrollment.store.schema import LOOK_ALIKE

# written out, not taken from schema.py: a migration stays what it was when schema.py moves on
VERSION_2 = """
ALTER TABLE household RENAME TO old_household;
ALTER TABLE member RENAME TO old_member;
ALTER TABLE exemplar RENAME TO old_exemplar;
CREATE TABLE household (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    calibration TEXT,
    UNIQUE (name)
);
CREATE TABLE member (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    household_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    UNIQUE (household_id, name),
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE
);
CREATE TABLE consent (
    member_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (member_id, subject),
    FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE exemplar (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    member_id INTEGER NOT NULL,
    vector BLOB NOT NULL,
    digest TEXT NOT NULL,
    speech_s FLOAT NOT NULL,
    snr_db FLOAT,
    device TEXT NOT NULL,
    origin TEXT NOT NULL,
    added_at TEXT NOT NULL,
    UNIQUE (member_id, digest),
    FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE kept_audio (
    exemplar_id INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (exemplar_id),
    FOREIGN KEY(exemplar_id) REFERENCES exemplar (id) ON DELETE CASCADE
);
CREATE TABLE operation (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    household_id INTEGER NOT NULL,
    member_id INTEGER,
    exemplar_id INTEGER
);
INSERT INTO household (id, name) SELECT id, name FROM old_household;
INSERT INTO member (id, household_id, name, model)
    SELECT id, household_id, name, model FROM old_member;
INSERT INTO consent (member_id, subject, given_by, given_at, version, text)
    SELECT id, 'voice', name, consent_at, '1', consent_text FROM old_member;
INSERT INTO exemplar (id, member_id, vector, digest, speech_s, snr_db, device, origin, added_at)
    SELECT id, member_id, vector, digest, speech_s, snr_db, '', 'enrolled', added_at
    FROM old_exemplar;
INSERT INTO operation (at, kind, household_id, member_id, exemplar_id)
    SELECT added_at, 'clip_added', household_id, member_id, exemplar.id
    FROM exemplar JOIN member ON member.id = member_id ORDER BY exemplar.id;
DROP TABLE old_exemplar;
DROP TABLE old_member;
DROP TABLE old_household
"""


def to_version_2(connection: Connection) -> None:
    """Consent, calibration, kept audio and the log get their places; ids are never reused."""
    for statement in VERSION_2.split(";"):
        connection.exec_driver_sql(statement)


# {identity} and {bytes} differ between SQLite and PostgreSQL
VERSION_3 = """
ALTER TABLE household ADD COLUMN key TEXT DEFAULT '' NOT NULL;
ALTER TABLE member ADD COLUMN key TEXT DEFAULT '' NOT NULL;
ALTER TABLE member ADD COLUMN age_group TEXT DEFAULT '' NOT NULL;
CREATE TABLE merged_consent (
    member_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    FOREIGN KEY(member_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE TABLE inbox (
    household_id INTEGER NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    keep_days INTEGER NOT NULL,
    PRIMARY KEY (household_id),
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE
);
CREATE TABLE unknown_voice (
    id {identity},
    household_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    vector {bytes} NOT NULL,
    digest TEXT NOT NULL,
    speech_s FLOAT NOT NULL,
    snr_db FLOAT,
    heard_at TEXT NOT NULL,
    expires_on TEXT NOT NULL,
    UNIQUE (household_id, digest),
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE
);
CREATE TABLE identity (
    store_id TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (store_id)
);
CREATE TABLE deletion (
    id {identity},
    index_key {bytes} NOT NULL,
    is_scrubbed INTEGER NOT NULL
)
"""


def to_version_3(connection: Connection) -> None:
    """Names and saved indexes get keys, unknown voices a place, the store an id and a state.

    Of two names that look alike, both stay as they are: the later one's key says so. What
    deletions that were killed before left behind is scrubbed.
    """
    _run(connection, VERSION_3)
    for table, scope in (("household", "0"), ("member", "household_id")):
        taken = set()
        rows = connection.exec_driver_sql(f"SELECT id, {scope}, name FROM {table} ORDER BY id")
        for row_id, within, name in rows.all():
            key = name_key(name)
            if (within, key) in taken:
                key += f"{LOOK_ALIKE}{row_id}"
            taken.add((within, key))
            update = text(f"UPDATE {table} SET key = :key WHERE id = :row_id")
            connection.execute(update, {"key": key, "row_id": row_id})
    connection.exec_driver_sql("CREATE UNIQUE INDEX household_key ON household (key)")
    connection.exec_driver_sql("CREATE INDEX unknown_voice_expiry ON unknown_voice (expires_on)")
    connection.exec_driver_sql("CREATE UNIQUE INDEX member_key ON member (household_id, key)")
    first_state(connection)
    begin_anew(connection)


VERSION_4 = """
CREATE TABLE decision_log (
    household_id INTEGER NOT NULL,
    given_by TEXT NOT NULL,
    given_at TEXT NOT NULL,
    version TEXT NOT NULL,
    text TEXT NOT NULL,
    keep_days INTEGER NOT NULL,
    PRIMARY KEY (household_id),
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE
);
CREATE TABLE decision (
    id {identity},
    household_id INTEGER NOT NULL,
    named_id INTEGER,
    spoke_id INTEGER,
    guest TEXT NOT NULL,
    status TEXT NOT NULL,
    p_member FLOAT,
    p_stranger FLOAT,
    accepted_rate FLOAT NOT NULL,
    speech_s FLOAT NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    heard_at TEXT NOT NULL,
    expires_on TEXT NOT NULL,
    FOREIGN KEY(household_id) REFERENCES household (id) ON DELETE CASCADE,
    FOREIGN KEY(named_id) REFERENCES member (id) ON DELETE CASCADE,
    FOREIGN KEY(spoke_id) REFERENCES member (id) ON DELETE CASCADE
);
CREATE INDEX decision_expiry ON decision (expires_on)
"""


def to_version_4(connection: Connection) -> None:
    """Answers that a household agreed to have written down get their place."""
    _run(connection, VERSION_4)


VERSION_5 = """
CREATE TABLE second_vector (
    exemplar_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    vector {bytes} NOT NULL,
    PRIMARY KEY (exemplar_id),
    FOREIGN KEY(exemplar_id) REFERENCES exemplar (id) ON DELETE CASCADE
)
"""


def to_version_5(connection: Connection) -> None:
    """The vectors of a second model get their place."""
    _run(connection, VERSION_5)


VERSION_6 = """
ALTER TABLE exemplar ADD COLUMN is_narrowband INTEGER DEFAULT '1' NOT NULL;
ALTER TABLE unknown_voice ADD COLUMN is_narrowband INTEGER DEFAULT '1' NOT NULL
"""


def to_version_6(connection: Connection) -> None:
    """Clips get a place for whether they came by telephone, as every one before may have."""
    _run(connection, VERSION_6)


def _run(connection: Connection, statements: str) -> None:
    """Statements with an ``{identity}`` and ``{bytes}``, as the database at hand writes them."""
    is_file = connection.dialect.name == "sqlite"
    written = statements.format(
        identity="INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT" if is_file else "SERIAL PRIMARY KEY",
        bytes="BLOB" if is_file else "BYTEA",
    )
    for statement in written.split(";"):
        connection.exec_driver_sql(statement)


# MIGRATIONS[version] leads from version to version + 1, inside the caller's transaction
MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: to_version_2,
    2: to_version_3,
    3: to_version_4,
    4: to_version_5,
    5: to_version_6,
}
