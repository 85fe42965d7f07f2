"""A store file from somebody else gave tracebacks, or carried a trigger that made `forget` lie.

What a file holds beside the schema, and values of other types and sizes, are refused in a sentence.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar
from enrollment.store.lineage import store_id
from enrollment.store.schema import SCHEMA_VERSION
from spkid.errors import StoreError


def clip(seed: int) -> Exemplar:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0)


@pytest.fixture
def path(tmp_path, model):
    """A store with two members of the bundled model, closed."""
    place = tmp_path / "store.sqlite3"
    with Store.open(place) as store:
        for name, seeds in (("Ana", (1, 2)), ("Ben", (3,))):
            own, consent = [clip(seed) for seed in seeds], Consent(name)
            store.add("home", name, own, model=model.fingerprint, consent=consent)
    return place


def run(path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def rewritten(table: str, old: str, new: str) -> str:
    """The table's own text in the file with ``new`` for ``old``."""
    return (
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'"
        f" AND instr(sql, '{old}')"
    )


UNDO = """CREATE TRIGGER undo AFTER DELETE ON exemplar BEGIN
    INSERT INTO exemplar SELECT OLD.id, OLD.member_id, OLD.vector, OLD.digest, OLD.speech_s,
    OLD.snr_db, OLD.device, OLD.origin, OLD.added_at; END"""


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        ([UNDO], "trigger 'undo'"),
        (["CREATE VIEW seen AS SELECT * FROM exemplar"], "view 'seen'"),
        (["CREATE TABLE more (a)"], "table 'more'"),
        (["CREATE TABLE more (a);", "CREATE TRIGGER t DELETE ON more BEGIN SELECT 1; END"], "more"),
        (["CREATE VIRTUAL TABLE words USING fts5(a)"], "table 'words"),
        (["CREATE INDEX by_time ON exemplar (added_at)"], "index 'by_time'"),
        (["ALTER TABLE exemplar ADD COLUMN more TEXT"], "table 'exemplar' that was changed"),
        (["ALTER TABLE consent DROP COLUMN text"], "table 'consent' that was changed"),
        (["DROP TABLE kept_audio"], "no table 'kept_audio'"),
        (
            ["PRAGMA writable_schema = ON", rewritten("exemplar", "NOT NULL", "")],
            "table 'exemplar' that was changed",
        ),
        (
            [
                "PRAGMA writable_schema = ON",
                rewritten(
                    "exemplar", "(member_id, digest)", "(member_id, digest) ON CONFLICT IGNORE"
                ),
            ],
            "table 'exemplar' that was changed",
        ),
    ],
)
def test_what_is_not_of_the_schema_is_refused(path, statements, named, spkid):
    run(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert caught.value.code == "damaged_store"
    assert named in str(caught.value)
    assert path.read_bytes() == before
    code, out, error = spkid("forget", "home", "--store", path, "--yes")
    assert (code, out) == (2, "")
    assert "Traceback" not in error


def test_an_older_store_with_a_trigger_is_not_led_on(path):
    run(path, "CREATE TRIGGER t DELETE ON exemplar BEGIN SELECT 1; END", "PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="trigger 't'"):
        Store.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, -3, -2147483648])
def test_a_version_that_never_was(path, version):
    run(path, f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match=f"schema {version}; expected 1 to {SCHEMA_VERSION}"):
        Store.open(path)


@pytest.mark.parametrize(
    "change", ["DELETE FROM spkid_schema", "INSERT INTO spkid_schema VALUES (1)"]
)
def test_a_server_whose_version_cannot_be_told(place_on_server, change):
    with Store.open(place_on_server) as store:
        store._database.write(lambda connection: connection.exec_driver_sql(change))
    with pytest.raises(StoreError, match="schema -1"):
        Store.open(place_on_server)


@pytest.mark.parametrize(
    "change", ["DELETE FROM identity", "INSERT INTO identity VALUES ('other', '')"]
)
def test_a_store_is_one_store(path, change):
    run(path, change)
    with Store.open(path) as store, pytest.raises(StoreError, match="without its id, or with"):
        store._database.read(store_id)


def use(path, model, clips) -> None:
    """Everything that reads a store."""
    with Store.open(path) as store:
        home = Household(store, "home", model=model)
        store.households()
        members = store.members()
        store.changes()
        store.consents("home", "Ana")
        home.accepted_rate(members, None)
        home.identify(next(iter(clips.values())))
        ProfileIndex(store, model=model.fingerprint).search(clip(1).vector)


ODD = {
    "short": "UPDATE exemplar SET vector = x'0000803f' WHERE id = 1",
    "empty": "UPDATE exemplar SET vector = x'' WHERE id = 3",
    "cut": "UPDATE exemplar SET vector = substr(vector, 1, 767)",
    "text for a vector": "UPDATE exemplar SET vector = 'none' WHERE id = 2",
    "a length for a vector": "UPDATE exemplar SET vector = 1000000000000",
    "not finite": "UPDATE exemplar SET vector = zeroblob(764) || x'0000c07f' WHERE id = 1",
    "text for seconds": "UPDATE exemplar SET speech_s = 'long'",
    "endless seconds": "UPDATE exemplar SET speech_s = 9e999",
    "bytes for noise": "UPDATE exemplar SET snr_db = x'01'",
    "bytes for a digest": "UPDATE exemplar SET digest = x'01' WHERE id = 1",
    "bytes for a time": "UPDATE operation SET at = x'01'",
    "text for a number": "UPDATE operation SET household_id = 'all'",
    "half a number": "UPDATE operation SET exemplar_id = 0.5",
    "bytes for a name": "UPDATE member SET name = x'416e61' WHERE id = 1",
    "bytes for a household": "UPDATE household SET name = x'01'",
    "bytes for a model": "UPDATE member SET model = x'01'",
    "text that is not UTF-8": "UPDATE member SET name = CAST(x'ff' AS TEXT) WHERE id = 1",
    "bytes for a consent": "UPDATE consent SET text = x'01'",
    "calibration: no JSON": "UPDATE household SET calibration = '{'",
    "calibration: a list": "UPDATE household SET calibration = '[1]'",
    "calibration: deep": f"UPDATE household SET calibration = '{'[' * 100_000}'",
    "calibration: keys": """UPDATE household SET calibration = '{"far": 0.05}'""",
    "calibration: NaN": """UPDATE household SET calibration =
        '{"far": 0.05, "rate": NaN, "model": "m", "exemplar_ids": [1, 2, 3]}'""",
    "calibration: ids": """UPDATE household SET calibration =
        '{"far": 0.05, "rate": 0.05, "model": "m", "exemplar_ids": [[1]]}'""",
    "calibration: bytes": "UPDATE household SET calibration = x'01'",
    "too many clips": """INSERT INTO exemplar
        (member_id, vector, digest, speech_s, device, origin, added_at)
        SELECT 1, vector, e.digest || a.sequence || b.sequence, 4.0, '', 'enrolled', ''
        FROM exemplar e, operation a, operation b WHERE e.member_id = 1""",
}
# of these, nobody can be found by name any more
NAMELESS = ("bytes for a name", "bytes for a household", "text that is not UTF-8")
NAMELESS += ("calibration: bytes",)  # it stands in the household's row


@pytest.mark.parametrize("case", ODD)
def test_values_of_other_types_and_sizes(path, case, model, clips):
    use(path, model, clips)
    run(path, ODD[case])
    with pytest.raises(StoreError) as caught:
        use(path, model, clips)
    assert caught.value.code in ("damaged_store", "unusable_store")
    if case not in NAMELESS:  # who is in it can be let go
        with Store.open(path) as store:
            assert store.forget("home").n_exemplars >= 3


def test_a_value_too_long_to_be_one_of_ours(path, model, clips):
    run(path, "UPDATE exemplar SET vector = zeroblob(100000000) WHERE id = 1")
    with pytest.raises(StoreError, match="too big") as caught:
        use(path, model, clips)
    assert caught.value.code == "damaged_store"


def test_the_command_line_says_it_in_a_sentence(path, spkid, clips):
    run(path, ODD["text for seconds"])
    code, out, error = spkid("identify", "--store", path, *list(clips.values())[:1])
    assert (code, out) == (2, "")
    assert "exemplar.speech_s" in error
    assert "Traceback" not in error
