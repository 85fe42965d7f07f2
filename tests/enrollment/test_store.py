"""The store: what is kept, what is refused, and that deletion leaves no bytes behind."""

from __future__ import annotations

import multiprocessing
import sqlite3

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Exemplar
from spkid import SpkidError


def exemplar(seed: int, *, digest: str | None = None) -> Exemplar:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), digest or f"digest-{seed}", 4.0, 30.0)


def add(store: Store, household: str, member: str, *seeds: int, model: str = "m1"):
    own = [exemplar(seed) for seed in seeds]
    return store.add(household, member, own, model=model, consent_text="yes")


def test_members_come_back_as_they_were_stored(store):
    added = add(store, "home", "Ana", 1, 2)
    add(store, "home", "Ben", 3)
    add(store, "other", "Ana", 4)
    ana, ben = store.members("home")
    assert (ana.name, ben.name, ana.model, ana.household) == ("Ana", "Ben", "m1", "home")
    assert ana.consent_at == added.consent_at
    np.testing.assert_array_equal(ana.exemplars[1].vector, exemplar(2).vector)
    assert ana.exemplars[0].speech_s == 4.0
    assert ana.exemplars[0].snr_db == 30.0
    assert store.households() == ["home", "other"]
    assert len(store.members()) == 3


def test_store_survives_closing(tmp_path):
    with Store.open(tmp_path / "s.sqlite3") as store:
        add(store, "home", "Ana", 1)
    with Store.open(tmp_path / "s.sqlite3", create=False) as store:
        assert [member.name for member in store.members()] == ["Ana"]


def test_store_is_private_to_the_user(tmp_path):
    with Store.open(tmp_path / "s.sqlite3"):
        assert (tmp_path / "s.sqlite3").stat().st_mode & 0o077 == 0


def test_unknown_snr_survives(store):
    vector = exemplar(1).vector
    unknown = Exemplar(vector, "d", 4.0, float("nan"))
    member = store.add("home", "Ana", [unknown], model="m1", consent_text="yes")
    assert np.isnan(member.exemplars[0].snr_db)


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("other_model", lambda store: add(store, "home", "Ana", 9, model="m2")),
        ("same_clip", lambda store: add(store, "home", "Ana", 1)),
        ("same_clip", lambda store: add(store, "home", "Ben", 1)),
        ("same_clip", lambda store: add(store, "home", "Ben", 5, 5)),
        ("profile_full", lambda store: add(store, "home", "Ana", *range(10, 20))),
        ("unknown_member", lambda store: store.forget("home", "Zoe")),
        ("unknown_household", lambda store: store.forget("away")),
        ("unknown_household", lambda store: store.forget("away", "Ana")),
    ],
)
def test_refusals_leave_the_store_unchanged(store, code, act):
    add(store, "home", "Ana", 1)
    before = "\n".join(store._connection.iterdump())
    with pytest.raises(SpkidError) as caught:
        act(store)
    assert caught.value.code == code
    assert "\n".join(store._connection.iterdump()) == before


@pytest.mark.parametrize("value", [0.0, float("nan"), 2.0])
def test_no_vector_enters_that_is_not_unit(store, value):
    bad = Exemplar(np.full(192, value, dtype=np.float32), "d", 4.0, 30.0)
    with pytest.raises(SpkidError, match="unit length"):
        store.add("home", "Ana", [bad], model="m1", consent_text="yes")
    assert store.households() == []


def test_same_clip_may_serve_two_households(store):
    add(store, "home", "Ana", 1)
    add(store, "away", "Ana", 1)
    assert len(store.members()) == 2


def test_forget_a_member_then_the_household(store):
    add(store, "home", "Ana", 1, 2)
    add(store, "home", "Ben", 3)
    receipt = store.forget("home", "Ana")
    assert (receipt.members, receipt.n_exemplars) == (("Ana",), 2)
    assert [member.name for member in store.members("home")] == ["Ben"]
    assert store.forget("home").members == ("Ben",)
    assert store.households() == []


def test_household_goes_with_its_last_member(store):
    add(store, "home", "Ana", 1)
    store.forget("home", "Ana")
    assert store.households() == []


def test_forgotten_vectors_leave_no_bytes_in_any_file(tmp_path):
    path = tmp_path / "s.sqlite3"
    gone, kept = exemplar(1).vector.tobytes(), exemplar(2).vector.tobytes()

    def bytes_of_all_files() -> bytes:
        return b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))

    with Store.open(path) as store:
        add(store, "home", "Ana", 1)
        add(store, "home", "Ben", 2)
        assert gone in bytes_of_all_files()
        store.forget("home", "Ana")
        found = bytes_of_all_files()
        assert gone not in found
        assert b"digest-1" not in found
        assert kept in found


def test_receipt_says_when_a_reader_keeps_the_log(tmp_path):
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        add(store, "home", "Ana", 1)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM member").fetchone()
        store._connection.execute("PRAGMA busy_timeout = 20")
        assert store.forget("home").log_emptied is False
        reader.execute("COMMIT")
        reader.close()
        add(store, "home", "Ben", 2)
        assert store.forget("home").log_emptied is True
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert exemplar(1).vector.tobytes() not in files


def test_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        add(store, "home", "Ana", 1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SpkidError) as caught:
        Store.open(path)
    assert caught.value.code == "newer_schema"
    assert path.read_bytes() == before


def test_foreign_database_is_refused(tmp_path):
    path = tmp_path / "s.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cakes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SpkidError) as caught:
        Store.open(path)
    assert caught.value.code == "foreign_store"
    assert path.read_bytes() == before


def test_damaged_file_a_directory_and_a_missing_file(tmp_path):
    damaged = tmp_path / "s.sqlite3"
    damaged.write_bytes(b"not a database at all" * 100)
    for path, create in ((damaged, True), (tmp_path, True), (tmp_path / "none", False)):
        with pytest.raises(SpkidError):
            Store.open(path, create=create)
    assert damaged.read_bytes() == b"not a database at all" * 100
    assert not (tmp_path / "none").exists()


def _enrol(path, worker: int) -> None:
    with Store.open(path) as store:
        for number in range(5):
            add(store, f"home {number}", f"member {worker}", 100 * worker + number)


def test_processes_enrol_at_once_and_nothing_is_lost(tmp_path):
    path = tmp_path / "s.sqlite3"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_enrol, args=(path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with Store.open(path) as store:
        assert len(store.members()) == 15
        assert len(store.households()) == 5
