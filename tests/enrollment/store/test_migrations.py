"""Stores that older schemas wrote, opened by this one."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, inspect

from enrollment import Store
from enrollment.profile import CONSENT_TEXT, Consent
from enrollment.store.migrations import MIGRATIONS
from enrollment.store.schema import SCHEMA_VERSION
from spkid import SpkidError

STORES = Path(__file__).with_name("stores")
FIRST = STORES / "version_1.sqlite3"
SECOND = STORES / "version_2.sqlite3"
SECOND_INDEX = STORES / "version_2.index"
SECOND_ON_SERVER = STORES / "version_2.postgresql.sql"


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copy(FIRST, tmp_path / "store.sqlite3"))


@pytest.fixture
def second(tmp_path):
    """A store of the second schema with the index that was saved beside it, in plain bytes."""
    folder = tmp_path / "second.sqlite3.index"
    folder.mkdir()
    shutil.copy(SECOND_INDEX, folder / "profiles.index")
    return Path(shutil.copy(SECOND, tmp_path / "second.sqlite3"))


def vector(seed: int) -> np.ndarray:
    """The vector drawn from ``seed`` as the first version kept it, to the byte."""
    drawn = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    with closing(sqlite3.connect(FIRST)) as connection:
        rows = connection.execute("SELECT vector FROM exemplar").fetchall()
    kept = np.stack([np.frombuffer(blob, dtype=np.float32) for (blob,) in rows])
    nearest = kept[np.argmax(kept @ drawn)]
    # the last digit of a length depends on the processor
    np.testing.assert_allclose(nearest, drawn / np.linalg.norm(drawn), rtol=1e-5)
    return nearest


def test_everything_is_there_after_the_move(old):
    with Store.open(old) as store:
        away, ana, zoe = store.members()
        rows = store._database.read(
            lambda connection: connection.exec_driver_sql("SELECT * FROM consent").all()
        )
        changes = store.changes()
    assert [(who.household, who.name, who.model) for who in (away, ana, zoe)] == [
        ("away", "Ana", "m2"),
        ("home", "Ana", "m1"),
        ("home", "Zoë", "m1"),
    ]
    assert ana.consent_at == "2026-11-21T08:02:38+00:00"
    assert [clip.digest for clip in ana.exemplars] == ["digest-1", "digest-2"]
    for who, seeds in ((ana, (1, 2)), (zoe, (3,)), (away, (1, *range(10, 19)))):
        for clip, seed in zip(who.exemplars, seeds, strict=True):
            np.testing.assert_array_equal(clip.vector, vector(seed))
            assert (clip.speech_s, clip.origin) == (4.0, "enrolled")
            assert clip.is_narrowband  # as it may have been
    assert zoe.exemplars[0].snr_db is None
    assert sorted((row.given_by, row.version, row.text) for row in rows) == [
        ("Ana", "1", CONSENT_TEXT),
        ("Ana", "1", "I agree."),
        ("Zoë", "1", CONSENT_TEXT),
    ]
    assert [change.kind for change in changes] == ["clip_added"] * 13


def test_the_schema_after_the_move_is_the_schema_of_a_new_store(old, second, tmp_path):
    def shape(path: Path) -> dict:
        with Store.open(path):
            pass
        connection = sqlite3.connect(path)
        tables = connection.execute(
            "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
        about = {
            (name, counts): [
                sorted(connection.execute(f"PRAGMA {pragma}({name})").fetchall())
                for pragma in ("table_info", "foreign_key_list")
            ]
            + [
                connection.execute(f"PRAGMA index_info({index[1]})").fetchall()
                for index in connection.execute(f"PRAGMA index_list({name})").fetchall()
            ]
            for name, counts in tables
        }
        about["pragmas"] = [
            connection.execute(f"PRAGMA {name}").fetchone()
            for name in ("user_version", "application_id", "journal_mode")
        ]
        connection.close()
        return about

    assert shape(old) == shape(second) == shape(tmp_path / "new.sqlite3")
    assert shape(old)["pragmas"][0] == (SCHEMA_VERSION,)


def test_look_alikes_of_an_older_store_stay_and_can_be_named_apart(tmp_path):
    with Store.open(Path(shutil.copy(SECOND, tmp_path / "second.sqlite3"))) as store:
        assert store.households() == ["HOME", "home"]
        names = ["Ana", "Zoe\u0308", "Zo\u00eb", "ana ", "unknown"]
        assert [member.name for member in store.members("home")] == names
        assert [member.name for member in store.members("HOME")] == ["Ben"]
        for household, member in (("home", "Ana"), ("home", "ana "), ("home", "unknown")):
            assert store.forget(household, member).members == (member,)
        assert store.forget("home", "ZO\u00cb").members == ("Zoe\u0308",)  # the earlier one
        assert store.forget("home", "Zo\u00eb").members == ("Zo\u00eb",)
        assert store.forget("Home").members == ("Ben",)


def test_the_list_of_profiles_says_what_to_do_about_look_alikes(spkid, tmp_path):
    shutil.copy(SECOND, tmp_path / "store.sqlite3")
    out = spkid("profiles")[1]
    assert "The households 'HOME' and 'home' look alike" in out
    assert "'Ana' and 'ana ' of home look alike: make them one with 'spkid merge'" in out
    code, out, _ = spkid("merge", "--household", "home", "--member", "ana ", "--into", "Ana")
    assert (code, "The own threshold of home is gone" in out) == (0, True)
    words = ("--household", "home", "--member", "Zo\u00eb", "--into", "Zo\u00eb")
    assert spkid("merge", *words)[0] == 0
    assert spkid("move", "--household", "HOME", "--member", "Ben", "--to-household", "home")[0] == 0
    assert "look alike" not in spkid("profiles")[1]


def test_the_later_of_two_look_alikes_is_found_when_the_first_is_gone(tmp_path):
    with Store.open(Path(shutil.copy(SECOND, tmp_path / "second.sqlite3"))) as store:
        store.forget("home", "Ana")
        consent = Consent("Ana")
        clip = dataclasses.replace(store.members("HOME")[0].exemplars[0], digest="new")
        assert store.add("home", "ANA", [clip], model="m1", consent=consent).name == "ana "


def test_a_second_store_on_a_server_becomes_what_a_new_one_is(place_on_server):
    def shape(engine: Engine) -> dict:
        tables = inspect(engine)
        return {
            name: [
                sorted(map(str, about(name)))
                for about in (
                    tables.get_columns,
                    tables.get_indexes,
                    tables.get_unique_constraints,
                    tables.get_foreign_keys,
                )
            ]
            for name in tables.get_table_names()
        }

    engine = create_engine(place_on_server)
    with engine.begin() as connection:
        for statement in SECOND_ON_SERVER.read_text().split(";\n"):
            connection.exec_driver_sql(statement)
    with Store.open(place_on_server, create=False) as store:
        keys = store._database.read(
            lambda connection: connection.exec_driver_sql(
                "SELECT name, key FROM household UNION ALL SELECT name, key FROM member"
            ).all()
        )
        assert sorted(keys) == [
            ("Ana", "ana"),
            ("Ana", "ana"),
            ("HOME", "home\x1f2"),
            ("ana ", "ana\x1f2"),
            ("home", "home"),
        ]
    moved = shape(engine)
    with engine.begin() as connection:
        for table in moved:
            connection.exec_driver_sql(f"DROP TABLE {table} CASCADE")
    with Store.open(place_on_server):
        assert shape(engine) == moved
    engine.dispose()


def test_a_moved_store_can_be_written_and_forgotten(old):
    with Store.open(old) as store:
        store.forget("home", "Ana")
        store.forget("away")
        assert [member.name for member in store.members()] == ["Zoë"]
    files = b"".join(file.read_bytes() for file in old.parent.iterdir())
    assert vector(3).tobytes() in files
    assert vector(1).tobytes() not in files


def test_the_second_schemas_readable_index_goes_when_the_store_is_moved(second):
    index = second.with_name("second.sqlite3.index") / "profiles.index"
    assert vector(1).tobytes() in index.read_bytes()
    with Store.open(second) as store:
        assert not index.exists()
        assert store.readable_indexes == ()


def test_a_failed_move_leaves_the_file_as_it_was(old, monkeypatch):
    before = old.read_bytes()

    def fails(connection) -> None:
        connection.exec_driver_sql("ALTER TABLE member RENAME TO old_member")
        raise SpkidError("no", expected="yes", do="nothing")

    monkeypatch.setitem(MIGRATIONS, 1, fails)
    with pytest.raises(SpkidError):
        Store.open(old)
    monkeypatch.undo()
    assert old.read_bytes() == before
    with Store.open(old) as store:
        assert len(store.members()) == 3
