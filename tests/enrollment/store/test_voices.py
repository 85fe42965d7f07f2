"""Unknown voices in both databases: only where agreed, bounded, expiring, deleted to the byte."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store.terms import Terms
from enrollment.store.voices import MAX_VOICES, UnknownVoice
from spkid import SpkidError

TERMS = Terms("Ana", "We agree.", 30)
CONSENT = Consent("Zoe")


def unit(seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def voice(seed: int, *, days_old: int = 0) -> UnknownVoice:
    heard_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_old)
    at = heard_at.isoformat(timespec="seconds")
    digest, is_narrowband = f"digest-{seed}", seed % 2 == 0
    return UnknownVoice(unit(seed), "m1", digest, 3.0, 20.0, at, is_narrowband=is_narrowband)


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        clip = Exemplar(unit(1000), "enrolled", 4.0, 30.0)
        opened.add("home", "Ana", [clip], model="m1", consent=Consent("Ana"))
        yield opened


def seeds(store) -> list[str]:
    return [kept.digest for kept in store.voices.voices("home")]


def test_nothing_is_kept_before_somebody_agreed(store):
    assert store.voices.terms("home") is None
    assert store.voices.add("home", voice(1)) is False
    assert store.voices.add("nowhere", voice(1)) is False
    store.voices.switch_on("HOME", TERMS)
    terms = store.voices.terms("home")
    assert terms == dataclasses.replace(TERMS, given_at=terms.given_at)
    assert terms.given_at.endswith("+00:00")
    assert store.voices.add("home", voice(1)) is True
    (kept,) = store.voices.voices("home")
    np.testing.assert_array_equal(kept.vector, unit(1))
    assert (kept.model, kept.speech_s, kept.snr_db) == ("m1", 3.0, 20.0)
    assert "array" not in repr(kept)


def test_the_same_clip_counts_once_and_the_oldest_make_room(store):
    store.voices.switch_on("home", TERMS)
    for seed in [1, 1, *range(2, MAX_VOICES + 3)]:
        assert store.voices.add("home", voice(seed))
    assert seeds(store) == [f"digest-{seed}" for seed in range(3, MAX_VOICES + 3)]


def test_voices_expire_and_the_day_follows_the_terms(store):
    store.voices.switch_on("home", TERMS)
    for seed, days_old in ((1, 31), (2, 30), (3, 8), (4, 0)):
        store.voices.add("home", voice(seed, days_old=days_old))
    assert seeds(store) == ["digest-2", "digest-3", "digest-4"]  # before anything is deleted
    assert store.voices.expire() == 1
    assert store.voices.expire() == 0
    store.voices.switch_on("home", dataclasses.replace(TERMS, keep_days=7))
    assert seeds(store) == ["digest-4"]
    assert store.voices.expire() == 2


def test_opening_deletes_what_has_expired(store, place):
    store.voices.switch_on("home", TERMS)
    store.voices.add("home", voice(1, days_old=31))
    with Store.open(place) as again:
        assert again.voices.expire() == 0  # nothing was left to do


@pytest.mark.parametrize(
    "act",
    [
        lambda store, ids: store.voices.switch_off("home"),
        lambda store, ids: store.voices.delete("home", ids),
        lambda store, ids: store.forget("home"),
        lambda store, ids: store.move("home", "Ana", "away"),
    ],
)
def test_deleted_voices_leave_no_bytes_in_any_file(tmp_path, act):
    with Store.open(tmp_path / "s.sqlite3") as store:
        clip = Exemplar(unit(1000), "enrolled", 4.0, 30.0)
        store.add("home", "Ana", [clip], model="m1", consent=Consent("Ana"))
        store.voices.switch_on("home", TERMS)
        store.voices.add("home", voice(1))
        ids = [kept.id for kept in store.voices.voices("home")]

        def files() -> bytes:
            return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

        assert unit(1).tobytes() in files()
        act(store, ids)
        assert unit(1).tobytes() not in files()
        assert store.voices.voices("home") == []


def test_a_deletion_that_was_killed_is_finished_on_opening(tmp_path, monkeypatch):
    def files(folder: Path) -> bytes:
        return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    (tmp_path / "before").mkdir()
    with Store.open(tmp_path / "before" / "s.sqlite3") as store:
        clip = Exemplar(unit(1000), "enrolled", 4.0, 30.0)
        store.add("home", "Ana", [clip], model="m1", consent=Consent("Ana"))
        store.voices.switch_on("home", TERMS)
        store.voices.add("home", voice(1))
        monkeypatch.setattr("enrollment.store.terms.scrub", lambda database: None)
        store.voices.switch_off("home")
        shutil.copytree(tmp_path / "before", tmp_path / "killed")  # before anything is tidied up
    assert unit(1).tobytes() in files(tmp_path / "killed")
    with Store.open(tmp_path / "killed" / "s.sqlite3"):
        assert unit(1).tobytes() not in files(tmp_path / "killed")


def test_named_voices_become_a_profile_in_one_transaction(store):
    store.voices.switch_on("home", TERMS)
    for seed in (1, 2, 3):
        store.voices.add("home", voice(seed))
    first, second, third = store.voices.voices("home")
    about = {"model": "m1", "consent": None}
    with pytest.raises(SpkidError) as caught:
        store.voices.name("home", [first.id], "Zoe", **about)
    assert caught.value.code == "no_consent"
    about["consent"] = CONSENT
    for ids, code in (([first.id, 999], "unknown_voice"), ([], "unknown_voice")):
        with pytest.raises(SpkidError) as caught:
            store.voices.name("home", ids, "Zoe", **about)
        assert caught.value.code == code
    assert len(seeds(store)) == 3
    zoe = store.voices.name("home", [first.id, second.id], "Zoe", left_out=[third.id], **about)
    assert [clip.digest for clip in zoe.exemplars] == ["digest-1", "digest-2"]
    assert {clip.origin for clip in zoe.exemplars} == {"confirmed"}
    assert [clip.is_narrowband for clip in zoe.exemplars] == [False, True]
    assert zoe.exemplars[0].added_at == first.heard_at
    assert seeds(store) == []
    assert store.consents("home", "Zoe")["voice"].given_by == "Zoe"
