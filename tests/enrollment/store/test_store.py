"""The store: what is kept, what is refused, and that deletion leaves no bytes behind."""

from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import create_engine

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store.database import Database
from enrollment.store.schema import metadata
from spkid import SpkidError
from spkid.errors import StoreError

CONSENT = Consent("Ana's mother", "1", "yes")


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        yield opened


def dump(store: Store) -> dict[str, list]:
    """Every row of every table."""
    return store._database.read(
        lambda connection: {
            name: connection.execute(table.select()).all()
            for name, table in metadata.tables.items()
        }
    )


def exemplar(seed: int, *, digest: str | None = None) -> Exemplar:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), digest or f"digest-{seed}", 4.0, 30.0)


def add(store: Store, household: str, member: str, *seeds: int, model: str = "m1"):
    own = [exemplar(seed) for seed in seeds]
    return store.add(household, member, own, model=model, consent=CONSENT)


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


def test_store_survives_closing(place):
    with Store.open(place) as store:
        add(store, "home", "Ana", 1)
    with Store.open(place, create=False) as store:
        assert [member.name for member in store.members()] == ["Ana"]


def test_store_is_private_to_the_user(tmp_path):
    with Store.open(tmp_path / "s.sqlite3"):
        assert (tmp_path / "s.sqlite3").stat().st_mode & 0o077 == 0


def test_unknown_snr_survives(store):
    vector = exemplar(1).vector
    unknown = Exemplar(vector, "d", 4.0, None)
    member = store.add("home", "Ana", [unknown], model="m1", consent=CONSENT)
    assert member.exemplars[0].snr_db is None


@pytest.mark.parametrize("is_narrowband", [False, True])
def test_it_is_kept_whether_a_clip_came_by_telephone(store, is_narrowband):
    clip = Exemplar(exemplar(1).vector, "d", 4.0, 30.0, is_narrowband=is_narrowband)
    store.add("home", "Ana", [clip], model="m1", consent=CONSENT)
    ((kept,),) = (member.exemplars for member in store.members())
    assert kept.is_narrowband is is_narrowband


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("other_model", lambda store: add(store, "home", "Ana", 9, model="m2")),
        ("same_clip", lambda store: add(store, "home", "Ana", 1)),
        ("same_clip", lambda store: add(store, "home", "Ben", 1)),
        ("same_clip", lambda store: add(store, "home", "Ben", 5, 5)),
        ("bad_input", lambda store: add(store, "home", "Ben")),
        ("profile_full", lambda store: add(store, "home", "Ana", *range(10, 20))),
        ("unknown_member", lambda store: store.forget("home", "Zoe")),
        ("unknown_household", lambda store: store.forget("away")),
        ("unknown_household", lambda store: store.forget("away", "Ana")),
    ],
)
def test_refusals_leave_the_store_unchanged(store, code, act):
    add(store, "home", "Ana", 1)
    before = dump(store)
    with pytest.raises(SpkidError) as caught:
        act(store)
    assert caught.value.code == code
    assert dump(store) == before


@pytest.mark.parametrize("value", [0.0, float("nan"), 2.0])
def test_no_vector_enters_that_is_not_unit(value):
    with pytest.raises(SpkidError, match="unit length"):
        Exemplar(np.full(192, value, dtype=np.float32), "d", 4.0, 30.0)


def test_a_store_opens_again_in_another_process_without_a_password(place):
    with Store.open(place) as store:
        add(store, "home", "Ana", 1)
        with pickle.loads(pickle.dumps(store)) as again:
            assert [member.name for member in again.members()] == ["Ana"]
    engine = create_engine("postgresql+psycopg://ana:secret@nowhere/homes")
    with pytest.raises(StoreError, match="password") as caught:
        pickle.dumps(Store(Database(engine, "nowhere", None)))
    assert "secret" not in str(caught.value)


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
        store._database.alone(lambda own: own.exec_driver_sql("PRAGMA busy_timeout = 20"))
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


def _enrol(place, worker: int) -> None:
    with Store.open(place) as store:
        for number in range(5):
            add(store, f"home {number}", f"member {worker}", 100 * worker + number)


def test_processes_enrol_at_once_and_nothing_is_lost(place):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_enrol, args=(place, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with Store.open(place) as store:
        assert len(store.members()) == 15
        assert len(store.households()) == 5
        sequences = [change.sequence for change in store.changes()]
        assert len(set(sequences)) == len(sequences) == 15


def test_consent_comes_before_the_first_write(store):
    empty = dump(store)
    with pytest.raises(SpkidError) as caught:
        store.add("home", "Ana", [exemplar(1)], model="m1", consent=None)
    assert caught.value.code == "no_consent"
    assert dump(store) == empty
    add(store, "home", "Ana", 1)
    (row,) = dump(store)["consent"]
    assert (row.subject, row.given_by, row.version, row.text) == (
        "voice",
        "Ana's mother",
        "1",
        "yes",
    )
    assert row.given_at == store.members()[0].consent_at
    more = store.add("home", "Ana", [exemplar(2)], model="m1", consent=None)
    assert len(more.exemplars) == 2


def test_what_is_known_of_a_clip_comes_back(store):
    clip = Exemplar(exemplar(1).vector, "d", 4.5, 21.0, device="kitchen", origin="confirmed")
    (back,) = store.add("home", "Ana", [clip], model="m1", consent=CONSENT).exemplars
    assert (back.device, back.origin, back.speech_s) == ("kitchen", "confirmed", 4.5)
    assert back.id > 0
    assert back.added_at.endswith("+00:00")


def test_clips_go_one_by_one_and_the_member_with_the_last(store):
    add(store, "home", "Ben", 9)
    first, second, third = add(store, "home", "Ana", 1, 2, 3).exemplars
    receipt = store.forget("home", "Ana", clips=[first.id, third.id])
    assert (receipt.members, receipt.n_exemplars) == (("Ana",), 2)
    ana, ben = store.members("home")
    assert [clip.id for clip in ana.exemplars] == [second.id]
    with pytest.raises(SpkidError) as caught:
        store.forget("home", "Ana", clips=[second.id, ben.exemplars[0].id])
    assert caught.value.code == "unknown_clip"
    assert len(store.members()) == 2
    store.forget("home", "Ana", clips=[second.id])
    assert [member.name for member in store.members()] == ["Ben"]


def test_ids_are_never_given_twice(store):
    first = add(store, "home", "Ana", 1).exemplars[0].id
    store.forget("home")
    assert add(store, "home", "Ana", 1).exemplars[0].id > first
    kinds = [change.kind for change in store.changes()]
    assert kinds == [
        "clip_added",
        "clip_removed",
        "member_forgotten",
        "household_forgotten",
        "clip_added",
    ]
    old, new = store.changes()[0], store.changes()[-1]
    assert old.household_id < new.household_id
    assert old.member_id < new.member_id


def test_the_log_tells_what_came_and_went_since(store):
    add(store, "home", "Ana", 1)
    seen = store.last_sequence()
    (second,) = add(store, "home", "Ben", 2).exemplars
    store.set_calibration("home", "{}")
    store.forget("home", "Ben")
    changes = store.changes(seen)
    assert [change.kind for change in changes] == [
        "clip_added",
        "calibrated",
        "clip_removed",
        "member_forgotten",
    ]
    assert changes[0].exemplar_id == changes[2].exemplar_id == second.id
    assert changes[-1].sequence == store.last_sequence()
    assert [change.sequence for change in changes] == sorted(change.sequence for change in changes)
    text = repr(dump(store)["operation"])
    assert not {"Ana", "Ben", "home"} & set(text.replace("'", " ").split())


def test_exemplars_in_batches_are_all_in_order_of_their_model(store):
    for number in range(5):
        add(store, f"home {number}", "Ana", 2 * number, 2 * number + 1)
    add(store, "home 0", "Ben", 77, model="m2")
    store.forget("home 2")
    batches = list(store.exemplars("m1", batch_size=3))
    assert [len(batch.ids) for batch in batches] == [3, 3, 2]
    expected = [
        (clip.id, member.household, clip.vector)
        for member in store.members()
        if member.model == "m1"
        for clip in member.exemplars
    ]
    looked_up = store.found(np.concatenate([batch.ids for batch in batches]))
    found = [
        (exemplar_id, looked_up[exemplar_id][0], vector)
        for batch in batches
        for exemplar_id, vector in zip(batch.ids.tolist(), batch.vectors, strict=True)
    ]
    for exemplar_id, _, vector in found:
        np.testing.assert_array_equal(looked_up[exemplar_id][2], vector)
    assert [row[:2] for row in found] == [row[:2] for row in sorted(expected, key=lambda r: r[0])]
    np.testing.assert_array_equal(
        [row[2] for row in found], [row[2] for row in sorted(expected, key=lambda r: r[0])]
    )
    assert [len(batch.ids) for batch in store.exemplars("m1", after_id=found[5][0])] == [2]


def test_calibration_of_a_household_goes_with_it(store):
    add(store, "home", "Ana", 1)
    assert store.calibration("home") is None
    store.set_calibration("home", '{"scale": 2}')
    assert store.calibration("home") == '{"scale": 2}'
    store.set_calibration("home", None)
    assert store.calibration("home") is None
    with pytest.raises(SpkidError) as caught:
        store.set_calibration("away", "{}")
    assert caught.value.code == "unknown_household"


def test_names_are_ordered_by_code_point_in_both_databases(store):
    for name in ("zoe", "Ana", "Übel", "ana b", "Zed", "ben"):
        add(store, name, "x", 1)
    assert store.households() == ["Ana", "Zed", "ana b", "ben", "zoe", "Übel"]


def test_threads_share_a_store(store):
    def enroll(number: int) -> int:
        return len(add(store, f"home {number % 3}", f"member {number}", number).exemplars)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(enroll, range(16))) == [1] * 16
    assert len(store.members()) == 16


def test_look_alike_names_are_one_name_in_every_verb(store):
    add(store, "home", "Zo\u00eb", 1)
    grown = add(store, " HOME", "zoe\u0308 ", 2)
    assert (grown.household, grown.name, len(grown.exemplars)) == ("home", "Zo\u00eb", 2)
    assert store.households() == ["home"]
    assert list(store.consents("Home", "ZO\u00cb")) == ["voice"]
    store.set_calibration("HOME", "{}")
    assert store.calibration("hoMe") == "{}"
    assert [member.name for member in store.members("HOME")] == ["Zo\u00eb"]
    assert store.forget("HOME", "zo\u00eb").n_exemplars == 2


def test_the_database_itself_refuses_a_second_look_alike(store):
    add(store, "home", "Ana", 1)
    rows = metadata.tables["member"]
    same_key = rows.insert().values(household_id=1, name="ana", key="ana", model="m1")
    with pytest.raises(StoreError, match=r"(?i)unique"):
        store._database.write(lambda connection: connection.execute(same_key))


@pytest.mark.parametrize("name", ["unknown", "", "a\nb"])
def test_no_new_household_or_member_gets_a_name_that_is_refused(store, name):
    empty = dump(store)
    for household, member in ((name, "Ana"), ("home", name)):
        with pytest.raises(SpkidError, match="the name"):
            add(store, household, member, 1)
    assert dump(store) == empty
