"""`:memory:` kept nothing, a full disk left an empty key, others could read old stores; held."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from enrollment import Store
from enrollment.store.vault import Vault
from spkid import SpkidError


@pytest.mark.parametrize("place", [":memory:", "./:memory:", "", "file::memory:", "file:a?x=1"])
def test_a_place_that_keeps_nothing_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpkidError) as caught:
        Store.open(place)
    assert caught.value.code == "bad_store"
    assert "no file" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_the_command_line_refuses_it_too(spkid, clips):
    words = ("enroll", "--household", "home", "--member", "Ana", "--consent", "--store", ":memory:")
    code, out, err = spkid(*words, clips["096160001"])
    assert code == 2
    assert ":memory:" in err
    assert "--store" in err
    assert "accepted" not in out


FULL = """
import sys
from enrollment.store.vault import Vault
from spkid import SpkidError
try:
    Vault.load(sys.argv[1], create=True)
except SpkidError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_leaves_no_key(tmp_path):
    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

    key = tmp_path / "key"
    run = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(key)],
        preexec_fn=full,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "too large" in run.stderr
    assert os.listdir(tmp_path) == []
    assert Vault.load(key, create=True).key_id == Vault.load(key).key_id  # room again


def test_an_empty_key_is_told_from_a_wrong_one(tmp_path):
    key = tmp_path / "key"
    key.touch()
    for create in (False, True):
        with pytest.raises(SpkidError, match=r"an empty file.*put the key back, or delete"):
            Vault.load(key, create=create)
    assert key.read_bytes() == b""


def test_one_key_is_made_however_many_ask_for_it(tmp_path, monkeypatch):
    key = tmp_path / "key"
    first = Vault.load(key, create=True)
    monkeypatch.setattr(Path, "exists", lambda path: False)  # as it was when they looked
    assert Vault.load(key, create=True).key_id == first.key_id
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
def test_a_key_that_never_ends_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for key in ("/dev/zero", tmp_path / "pipe", tmp_path):
        with pytest.raises(SpkidError, match="not a regular file"):
            Vault.load(key)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_no_store_keeps_its_permissions(tmp_path):
    pipe, notes, other = tmp_path / "pipe", tmp_path / "notes.txt", tmp_path / "other.sqlite3"
    os.mkfifo(pipe)
    notes.write_text("a file of the user's " * 100)
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE of_another_program (x)")
    for path in (pipe, notes, other, tmp_path):
        path.chmod(0o755)
        for create in (False, True):
            with pytest.raises(SpkidError):
                Store.open(path, create=create)
        assert mode_of(path) == 0o755, path


@pytest.mark.parametrize("create", [False, True])
def test_a_name_that_is_too_long_is_one_sentence(create, tmp_path):
    with pytest.raises(SpkidError):
        Store.open(tmp_path / ("a" * 300), create=create)


def test_stores_and_keys_that_others_could_read_are_closed_to_them(tmp_path):
    place = tmp_path / "store.sqlite3"
    beside = [place, tmp_path / "store.sqlite3-wal", tmp_path / "store.sqlite3-shm"]
    with Store.open(place) as in_use:
        assert in_use.members() == []
        for path in beside:
            path.chmod(0o644)
        with Store.open(place, create=False):
            assert [mode_of(path) for path in beside] == [0o600] * 3
    place.chmod(0o444)  # not to be written: that stays so
    with Store.open(place, create=False):
        assert mode_of(place) == 0o400
    key = tmp_path / "key"
    Vault.load(key, create=True)
    key.chmod(0o640)
    Vault.load(key)
    assert mode_of(key) == 0o600
