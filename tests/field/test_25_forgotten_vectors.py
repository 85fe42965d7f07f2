"""Forgotten vectors lived on in saved indexes while the receipt said that all is gone; held.

The saved index is sealed with a key in the database, which the deletion throws away.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.index import saved as saved_index
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar
from spkid import SpkidError

ROOT = Path(__file__).parents[2]
SECOND_INDEX = ROOT / "tests" / "enrollment" / "store" / "stores" / "version_2.index"
SAVED = IndexConfig(saved_from=1)


def vector(seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def enroll(store: Store) -> None:
    for seed, name in enumerate(("Ana", "Ben")):
        clips = [Exemplar(vector(10 * seed + i), f"{seed}-{i}", 4.0, 30.0) for i in range(2)]
        store.add("home", name, clips, model="m1", consent=Consent(name))


def indexed(store: Store) -> ProfileIndex:
    return ProfileIndex(store, model="m1", config=SAVED)


def ids_of(store: Store, name: str) -> set[int]:
    return {clip.id for who in store.members() if who.name == name for clip in who.exemplars}


def files_with(folder: Path, *pieces: bytes) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in paths if any(piece in path.read_bytes() for piece in pieces)]


def opens(folder: Path, store: Store) -> bool:
    """Whether the index saved in ``folder`` can be read with what the store has."""
    return saved_index.load(folder, store.index_key()) is not None


@pytest.fixture
def filled(place):
    with Store.open(place) as store:
        enroll(store)
        yield store


ACTS = {
    "a clip": lambda store: store.forget("home", "Ana", clips=[min(ids_of(store, "Ana"))]),
    "a member": lambda store: store.forget("home", "Ana"),
    "a household": lambda store: store.forget("home"),
    "clips that are replaced": lambda store: store.replace(
        next(who for who in store.members() if who.name == "Ana"),
        [],
        model="m2",
        recordings={},
        vault=None,
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_each_deletion_makes_every_copy_of_the_index_unreadable(filled, act, tmp_path):
    indexed(filled)
    copy = Path(shutil.copytree(filled.index_folder, tmp_path / "another machine's cache"))
    old_key = filled.index_key()
    assert opens(copy, filled)
    ACTS[act](filled)
    assert not opens(copy, filled)
    assert files_with(tmp_path, vector(0).tobytes(), old_key) == []


def test_an_enrollment_keeps_the_saved_index(filled):
    indexed(filled)
    clip = Exemplar(vector(50), "new", 4.0, 30.0)
    filled.add("home", "Ana", [clip], model="m1", consent=None)
    assert opens(filled.index_folder, filled)


@pytest.mark.parametrize("link", ["the store", "the index", "its folder"])
def test_links_hide_no_index(tmp_path, link):
    real = tmp_path / "real"
    with Store.open(real / "s.sqlite3") as store:
        enroll(store)
        folder, elsewhere = store.index_folder, tmp_path / "elsewhere"
        elsewhere.mkdir()
        if link == "its folder":
            folder.symlink_to(elsewhere)
        elif link == "the index":
            folder.mkdir()
            (folder / "profiles.index").symlink_to(elsewhere / "theirs")
        indexed(store)
        saved = folder / "profiles.index"
        assert opens(folder, store)
    opened = real / "s.sqlite3"
    if link == "the store":
        opened = tmp_path / "link.sqlite3"
        opened.symlink_to(real / "s.sqlite3")
    with Store.open(opened) as store:
        receipt = store.forget("home", "Ana")
        assert (receipt.sealed_indexes, receipt.readable_indexes) == ((), ())
    assert not saved.exists()
    assert folder.is_symlink() == (link == "its folder")
    assert saved.is_symlink() == (link == "the index")
    assert files_with(tmp_path, vector(0).tobytes()) == []


def test_an_index_that_was_saved_after_another_process_deleted_is_not_readable(filled, monkeypatch):
    real = saved_index.save

    def late(*words):
        filled.forget("home", "Ana")
        real(*words)

    monkeypatch.setattr(saved_index, "save", late)
    gone = ids_of(filled, "Ana")
    late_one = indexed(filled)
    monkeypatch.undo()
    assert (filled.index_folder / "profiles.index").exists()
    assert not opens(filled.index_folder, filled)
    late_one.catch_up()  # by the log, and saves with the new key
    assert opens(filled.index_folder, filled)
    assert not gone & set(late_one.vectors.search(vector(0), 10))


def nothing_goes(self: Path, **_: object) -> None:
    raise PermissionError(13, "Permission denied", str(self))


def test_a_folder_that_cannot_be_deleted_from_is_named_and_holds_noise(store, monkeypatch):
    enroll(store)
    indexed(store)
    saved = store.index_folder / "profiles.index"
    monkeypatch.setattr(Path, "unlink", nothing_goes)
    receipt = store.forget("home", "Ana")
    assert receipt.sealed_indexes == (str(saved),)
    assert not opens(store.index_folder, store)
    assert files_with(store.index_folder, vector(0).tobytes()) == []


def test_the_command_names_what_stays(spkid, tmp_path, monkeypatch):
    with Store.open(tmp_path / "store.sqlite3") as store:
        enroll(store)
        indexed(store)
        saved = store.index_folder / "profiles.index"
    left_before = saved.with_name("tmp12345678.part")
    shutil.copy(SECOND_INDEX, left_before)
    monkeypatch.setattr(Path, "unlink", nothing_goes)
    code, out, err = spkid("forget", "--household", "home", "--member", "Ana", "--yes")
    assert code == 0
    assert "the vectors of 2 clips" in out
    assert f"nobody can read it any more: {saved}" in err
    assert f"delete it by hand: {left_before}" in err


def test_an_index_of_an_older_version_goes_when_its_store_is_opened(store, tmp_path):
    store.index_folder.mkdir()
    readable = store.index_folder / "profiles.index"
    shutil.copy(SECOND_INDEX, readable)
    with Store.open(tmp_path / "store.sqlite3") as opened:
        assert not readable.exists()
        assert opened.readable_indexes == ()


KILLED = """
import os, signal, sys
from enrollment import Store
import enrollment.store.store as module
module.scrub = lambda database: os.kill(os.getpid(), signal.SIGKILL)
Store.open(sys.argv[1]).forget("home", "Ana")
"""


def test_what_a_kill_left_is_gone_after_the_next_opening_and_is_told(spkid, tmp_path):
    place = tmp_path / "store.sqlite3"
    with Store.open(place) as store:
        enroll(store)
        indexed(store)
        old_key = store.index_key()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert files_with(tmp_path, vector(0).tobytes(), old_key) != []
    code, _, err = spkid("forget", "--household", "home", "--member", "Ana", "--yes")
    assert files_with(tmp_path, vector(0).tobytes(), old_key) == []
    assert code == 2
    assert "nothing is left to do: a member of this household was last deleted 20" in err


def test_the_log_that_a_reader_keeps_is_emptied_by_a_later_opening(tmp_path, monkeypatch):
    monkeypatch.setattr("enrollment.store.scrubbing.OPENING_PATIENCE_S", 0.05)
    place = tmp_path / "s.sqlite3"
    with Store.open(place) as store, closing(sqlite3.connect(place)) as reader:
        enroll(store)
        store._database.alone(lambda own: own.exec_driver_sql("PRAGMA busy_timeout = 20"))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM member").fetchone()
        assert store.forget("home", "Ana").log_emptied is False
        with pytest.raises(SpkidError, match="the log is emptied when nobody reads it"):
            store.forget("home", "Ana")
        with Store.open(place):
            assert files_with(tmp_path, vector(0).tobytes()) != []
        reader.execute("COMMIT")
        with Store.open(place):
            assert files_with(tmp_path, vector(0).tobytes()) == []
