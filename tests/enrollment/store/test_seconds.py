"""Vectors of a second model in both databases: they go wherever their clip goes, and no further."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import zipfile
from contextlib import closing

import numpy as np
import pytest

from enrollment import Store
from enrollment.export import export_member
from enrollment.profile import Consent, Exemplar, SecondVectors
from enrollment.reembed import Move, reembed
from enrollment.store.vault import Vault, to_flac
from spkid import SpkidError

CONSENT = Consent("Ana", audio_text="clips too")


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        yield opened


@pytest.fixture
def vault():
    return Vault(b"k" * 32)


class FromSpectrum:
    """A model: a vector from the clip's spectrum, ``first`` numbers on."""

    def __init__(self, fingerprint: str, first: int, dim: int) -> None:
        self.fingerprint, self._first, self._dim = fingerprint, first, dim

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        vector = np.abs(np.fft.rfft(waveform))[self._first :][: self._dim].astype(np.float32)
        return vector / np.linalg.norm(vector)


QUICK = FromSpectrum("q1", 1, 64)  # without the offset, which is taken away


def waveform(seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=8_000) / 10).astype(np.float32)


def unit(seed: int, dim: int = 192) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=dim).astype(np.float32)
    return vector / np.linalg.norm(vector)


def add(store, member: str, *seeds: int, vault=None, seconds=True, model="m1", household="home"):
    clips = [Exemplar(unit(seed), f"digest-{seed}", 4.0 + seed / 100, 30.0) for seed in seeds]
    vectors = {clip.digest: unit(100 + seed, 64) for seed, clip in zip(seeds, clips, strict=True)}
    return store.add(
        household,
        member,
        clips,
        model=model,
        consent=CONSENT,
        seconds=SecondVectors("q1", vectors) if seconds else None,
        vault=vault,
        recordings={f"digest-{seed}": to_flac(waveform(seed)) for seed in seeds} if vault else {},
    )


def seeds_of(store, household: str = "home") -> dict[int, int]:
    """Which seed's second vector each clip has."""
    found = {}
    for clip_id, (model, vector) in store.second_vectors(household).items():
        assert model == "q1"
        found[clip_id] = next(s for s in range(1, 30) if np.array_equal(unit(100 + s, 64), vector))
    return found


def test_a_second_vector_is_kept_beside_the_first(store):
    first, second = add(store, "Ana", 1, 2).exemplars
    add(store, "Ben", 3, seconds=False)
    assert seeds_of(store) == {first.id: 1, second.id: 2}
    assert store.second_vectors("nowhere") == {}
    with pytest.raises(SpkidError, match="not of unit length"):
        SecondVectors("q1", {"digest": np.ones(4, dtype=np.float32)})


def test_it_goes_where_its_clip_goes(store, vault):
    first, second = add(store, "Ana", 1, 2).exemplars
    (third,) = add(store, "Ann", 3).exemplars
    (last,) = add(store, "Ben", 4).exemplars
    store.rename("home", "flat", member=None)
    store.rename("flat", "Anna", member="Ana")
    store.merge("flat", "Ann", "Anna")
    store.move("flat", "Ben", "attic")
    assert seeds_of(store, "flat") == {first.id: 1, second.id: 2, third.id: 3}
    assert seeds_of(store, "attic") == {last.id: 4}
    store.forget("flat", "Anna", clips=[second.id])
    assert seeds_of(store, "flat") == {first.id: 1, third.id: 3}
    store.forget("attic")
    store.forget("flat", "Anna")
    rows = store._database.read(
        lambda connection: connection.exec_driver_sql("SELECT * FROM second_vector").all()
    )
    assert rows == []


def test_a_merge_drops_the_second_vectors_of_the_clips_that_it_drops(store):
    add(store, "Ana", *range(1, 9))
    add(store, "Ann", *range(9, 13))
    dropped = store.merge("home", "Ann", "Ana").dropped
    assert len(dropped) == 2
    assert sorted(seeds_of(store).values()) == list(range(3, 13))  # those with most speech


def test_no_byte_of_a_second_vector_is_left_after_forget(tmp_path):
    with Store.open(tmp_path / "store.sqlite3") as store:
        add(store, "Ana", 1)
        add(store, "Ben", 2)
        kept = unit(101, 64).tobytes()
        assert any(kept in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        store.forget("home", "Ana")
        assert not any(kept in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_a_backup_and_an_archive_hold_it(tmp_path):
    with Store.open(tmp_path / "store.sqlite3") as store:
        (clip,) = add(store, "Ana", 1).exemplars
        store.backup(tmp_path / "copy.sqlite3")
        export_member(store, "home", "Ana", tmp_path / "ana.zip")
    with Store.open(tmp_path / "copy.sqlite3") as copy:
        assert seeds_of(copy) == {clip.id: 1}
    with zipfile.ZipFile(tmp_path / "ana.zip") as archive:
        (about,) = json.loads(archive.read("profile.json"))["clips"]
    assert about["second_model"] == "q1"
    np.testing.assert_array_equal(np.float32(about["second_vector"]), unit(101, 64))


def test_a_damaged_second_vector_is_refused(tmp_path):
    place = tmp_path / "store.sqlite3"
    with Store.open(place) as store:
        add(store, "Ana", 1)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE second_vector SET vector = zeroblob(256)")
    with Store.open(place) as store, pytest.raises(SpkidError, match="a damaged vector"):
        store.second_vectors("home")


def test_a_store_of_the_fourth_schema_gets_the_place_for_it(tmp_path):
    place = tmp_path / "store.sqlite3"
    with Store.open(place) as store:
        (clip,) = add(store, "Ana", 1, seconds=False).exemplars
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("DROP TABLE second_vector")
        for table in ("exemplar", "unknown_voice"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN is_narrowband")
        connection.execute("PRAGMA user_version = 4")
    with Store.open(place) as store:
        (found,) = store.members("home")
        assert found.exemplars == (dataclasses.replace(clip, is_narrowband=True),)
        store.set_seconds(found, SecondVectors("q1", {clip.digest: unit(101, 64)}))
        assert seeds_of(store) == {clip.id: 1}


def test_earlier_second_vectors_give_way_and_readers_are_told(store):
    ana = add(store, "Ana", 1, 2)
    before = store.last_sequence()
    store.set_seconds(ana, SecondVectors("q1", {"digest-1": unit(107, 64)}))
    assert seeds_of(store) == {ana.exemplars[0].id: 7}
    assert [change.kind for change in store.changes(before)] == ["second_vectors"]
    with pytest.raises(SpkidError, match="changed meanwhile"):
        store.set_seconds(
            dataclasses.replace(ana, exemplars=ana.exemplars[:1]), SecondVectors("q1", {})
        )


def test_reembed_adds_second_vectors_from_kept_clips(store, vault):
    accurate = FromSpectrum("m1", 64, 192)
    add(store, "Ana", 1, 2, vault=vault, seconds=False)
    add(store, "Ana", 3, seconds=False)
    add(store, "Ben", 4, seconds=False)
    add(store, "Cleo", 5)  # has one already
    add(store, "Dora", 6, vault=vault, seconds=False, model="m0")
    assert reembed(store, accurate, vault, quick=QUICK) == [
        Move("home", "Ana", "doubled", "", 2, 1),
        Move("home", "Ben", "enroll_again", "no audio was kept", 0, 0),
        Move("home", "Dora", "moved", "", 1, 0),
    ]
    members = {who.name: who for who in store.members("home")}
    assert {who.model for who in members.values()} == {"m1"}
    seconds = store.second_vectors("home")
    for name, seeds in (("Ana", (1, 2)), ("Dora", (6,))):
        for clip, seed in zip(members[name].exemplars, seeds, strict=False):
            heard = QUICK.embed(np.clip(waveform(seed), -1, 1))
            np.testing.assert_allclose(seconds[clip.id][1], heard, atol=1e-3)
    again = reembed(store, accurate, None, quick=QUICK)  # one of Ana's clips has no audio
    assert [(move.member, move.outcome) for move in again] == [
        ("Ana", "enroll_again"),
        ("Ben", "enroll_again"),
    ]
