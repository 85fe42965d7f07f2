"""Outputs went through ``NAME.part``, onto inputs and onto the store; now nothing is touched.

Held: a name that nobody can foresee, no link followed, an output that is read, a store, a key,
a folder or a device refused before any work.
"""

from __future__ import annotations

import os
import secrets

import pytest

from enrollment.export import export_member
from enrollment.store.vault import Vault
from spkid.errors import SpkidError
from spkid.files import check_output, whole_file, write_text

WORDS = ("--household", "home", "--member", "Ana")


@pytest.fixture
def home(spkid, cast, tmp_path):
    key = tmp_path / "key"
    done = spkid("enroll", *cast["Ana"]["enroll"], *WORDS, "--consent", "--keep-audio", key)
    assert done[0] == 0
    return spkid


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_user_called_part_stays(home, tmp_path):
    own = tmp_path / "x.zip.part"
    own.write_text("mine")
    assert home("archive", *WORDS, "--out", tmp_path / "x.zip")[0] == 0
    assert own.read_text() == "mine"
    assert (tmp_path / "x.zip").stat().st_mode & 0o077 == 0


def test_somebody_elses_link_is_not_written_through(home, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("x.zip.part", "x.zip"):
        (tmp_path / name).symlink_to(victim)
    assert home("archive", *WORDS, "--out", tmp_path / "x.zip")[0] == 0
    assert victim.read_text() == "precious"
    assert not (tmp_path / "x.zip").is_symlink()


def test_even_a_guessed_name_is_neither_filled_nor_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(secrets, "token_hex", lambda n: "guessed")
    (tmp_path / ".guessed.part").symlink_to(victim)
    with pytest.raises(SpkidError) as caught:
        write_text(tmp_path / "out", "new")
    assert caught.value.code == "unwritable"
    assert victim.read_text() == "precious"
    assert (tmp_path / ".guessed.part").is_symlink()


def test_while_it_is_written_only_the_owner_reads_what_is_private(tmp_path):
    with whole_file(tmp_path / "x.zip", private=True):
        (beside,) = tmp_path.iterdir()
        assert beside.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name", ["store.sqlite3", "store.sqlite3-wal", "store.sqlite3-shm", "store.sqlite3-journal"]
)
def test_an_output_that_is_the_store_is_refused_before_any_work(home, tmp_path, name, cast):
    before = everything(tmp_path)
    (clip,) = cast["Ana"]["heard"][:1]
    for command in (
        ("archive", *WORDS, "--out"),
        ("timeline", clip, "--household", "home", "--out-rttm"),
    ):
        code, _, err = home(*command, tmp_path / name)
        assert (code, everything(tmp_path)) == (2, before)
        assert f"{name}: " in err
        assert "expected a file to write to" in err


def test_a_second_name_of_the_store_is_the_store(home, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "store.sqlite3")
    os.link(tmp_path / "store.sqlite3", tmp_path / "hard")
    before = everything(tmp_path)
    for name in ("link", "hard"):
        assert home("archive", *WORDS, "--out", tmp_path / name)[0] == 2
    assert everything(tmp_path) == before


def test_no_output_replaces_any_store_or_key(home, tmp_path, store):
    Vault.load(tmp_path / "own key", create=True)
    before = everything(tmp_path)
    for place in (tmp_path / "store.sqlite3", tmp_path / "own key", tmp_path / "key"):
        with pytest.raises(SpkidError, match="a store, one of its files or a key"):
            write_text(place, "new")
        with pytest.raises(SpkidError, match="a store, one of its files or a key"):
            export_member(store, "home", "Ana", place)
    assert everything(tmp_path) == before


def test_an_output_that_is_an_input_is_refused(spkid, tmp_path, cast):
    trials, vectors = tmp_path / "trials.txt", tmp_path / "vectors.npz"
    manifest = tmp_path / "manifest.csv"
    clips = cast["Ana"]["enroll"][:2]
    manifest.write_text("\n".join(["path", *(clip.name for clip in clips)]))
    root = clips[0].parent
    assert spkid("embed", manifest, "--root", root, "--out", manifest)[0] == 2
    assert spkid("embed", manifest, "--root", root, "--out", vectors)[0] == 0
    trials.write_text(f"1 {clips[0].name} {clips[1].name}\n")
    (tmp_path / "same").symlink_to(trials)
    before = everything(tmp_path)
    for out in (trials, vectors, tmp_path / "same"):
        code, _, err = spkid("score", trials, "--embeddings", vectors, "--out", out)
        assert code == 2
        assert "is read by this very command" in err
    assert everything(tmp_path) == before


def test_a_folder_of_outputs_may_not_cover_an_input(spkid, tmp_path):
    scores, people = tmp_path / "scores.txt", tmp_path / "groups.csv"
    scores.write_text("a b 0.5 target\n")
    people.write_text("speaker,gender\na,f\nb,m\n")
    before = everything(tmp_path)
    words = ("--metadata", people, "--by", "gender", "--out", tmp_path)
    code, _, err = spkid("audit", scores, *words)
    assert code == 2
    assert "groups.csv: is read by this very command" in err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("place", ["/dev/null", "/dev/stdout", ".", "no/such/folder/x"])
def test_a_device_and_a_folder_are_refused(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpkidError) as caught:
        check_output(place)  # for a user who may write anywhere, a failed test would do harm
    assert caught.value.code == "unwritable"
