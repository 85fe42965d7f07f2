"""A store moves from a file to a server whole: rows, ids, kept clips, and what was ever given."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.inbox import Inbox
from enrollment.store.backup import restore
from enrollment.store.schema import deletions, identity, metadata
from enrollment.store.vault import Vault
from spkid.errors import SpkidError

VAULT = Vault(b"k" * 32)


@pytest.fixture
def backup(tmp_path, model, cast, clips):
    """A backup of a store with some of everything, of which the last clip was deleted."""
    with Store.open(tmp_path / "file.sqlite3") as store:
        home = Household(store, "home", model=model)
        home.enroll("Ana", cast["Ana"]["enroll"][:2], consent=True, vault=VAULT, device="kitchen")
        home.enroll("Ben", cast["Ben"]["enroll"][:2], consent=True)
        Inbox(store, "home", model).switch_on("Ana", consent=True, keep_days=3)
        home.identify(cast["a visitor"]["heard"][0])
        Household(store, "Ünterm Dach", model=model).enroll(
            "Leo", cast["Leo"]["enroll"][:2], consent=True, child=True
        )
        last = store.members("Ünterm Dach")[0].exemplars[-1]
        store.forget("Ünterm Dach", "Leo", clips=[last.id])
        store.backup(tmp_path / "copy.sqlite3")
    return tmp_path / "copy.sqlite3", last.id


def rows(store):
    """Every row of every table but those of which each copy has its own."""
    own = {identity.name, deletions.name}
    return store._database.read(
        lambda connection: {
            name: sorted(map(repr, connection.execute(table.select()).all()))
            for name, table in metadata.tables.items()
            if name not in own
        }
    )


def test_everything_is_there_and_goes_on(backup, place_on_server, model, cast):
    path, last_id = backup
    before = path.read_bytes()
    done = restore(path, place_on_server)
    assert (done.n_members, done.n_clips, done.kept) == (3, 5, None)
    assert path.read_bytes() == before
    with Store.open(path) as copy, Store.open(place_on_server) as store:
        assert rows(store) == rows(copy)
        assert all(rows(copy)[name] for name in ("kept_audio", "inbox", "unknown_voice"))
        home = Household(store, "home", model=model)
        assert home.identify(cast["Ana"]["heard"][0]).member == "Ana"
        ana = store.members("home")[0]
        sealed = store.recording(ana.exemplars[0].id, VAULT)
        assert sealed == copy.recording(ana.exemplars[0].id, VAULT)
        assert sealed
        home.enroll("Leo", cast["Leo"]["enroll"], consent=True)
        ids = [clip.id for member in store.members("home") for clip in member.exemplars]
        assert max(ids) > last_id  # the id of a clip that is gone names no other
        assert last_id not in ids
        np.testing.assert_array_equal(
            ana.exemplars[0].vector, copy.members("home")[0].exemplars[0].vector
        )
    assert not list(path.parent.glob(".restore-*"))


def test_a_server_in_use_is_left_as_it_is(backup, place_on_server, model, cast):
    path, _ = backup
    with Store.open(place_on_server) as store:
        home = Household(store, "here", model=model)
        home.enroll("Ben", cast["Ben"]["enroll"][:2], consent=True)
        for _ in range(2):  # also where all of it was deleted: its log knows of it
            before = rows(store)
            with pytest.raises(SpkidError) as error:
                restore(path, place_on_server)
            assert error.value.code == "not_empty"
            assert rows(store) == before
            if store.households():
                store.forget("here")


def test_half_a_move_is_none(backup, place_on_server, monkeypatch):
    path, _ = backup

    with monkeypatch.context() as context:
        context.setattr("enrollment.store.moving.GIVEN", None)
        with pytest.raises(Exception, match="None"):
            restore(path, place_on_server)
    with Store.open(place_on_server) as store:
        assert store.households() == []
    assert restore(path, place_on_server).n_members == 3


def test_a_damaged_backup_moves_nowhere(backup, place_on_server):
    path, _ = backup
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(SpkidError) as error:
        restore(path, place_on_server)
    assert error.value.code == "damaged_store"
    with pytest.raises(SpkidError) as error:
        restore(path.with_name("none"), place_on_server)
    assert error.value.code == "no_store"
