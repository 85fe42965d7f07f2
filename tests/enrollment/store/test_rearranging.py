"""Rename, merge and move in both databases: ids stay, nothing is lost, the rest is refused."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest

from enrollment import Store
from enrollment.export import export_member
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import MAX_EXEMPLARS, Consent, Exemplar
from enrollment.store.vault import Vault
from spkid import SpkidError

VAULT = Vault(b"k" * 32)


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        yield opened


def exemplar(seed: int, *, speech_s: float = 4.0) -> Exemplar:
    drawn = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(drawn / np.linalg.norm(drawn), f"digest-{seed}", speech_s, 30.0)


def add(store, household: str, member: str, *seeds: int, kept: bool = False, model: str = "m1"):
    clips = [exemplar(seed, speech_s=4.0 + seed / 100) for seed in seeds]
    consent = Consent(member, audio_text="clips too" if kept else "")
    recordings = {clip.digest: clip.digest.encode() for clip in clips} if kept else {}
    vault = VAULT if kept else None
    return store.add(
        household, member, clips, model=model, consent=consent, recordings=recordings, vault=vault
    )


def ids(member) -> list[int]:
    return [clip.id for clip in member.exemplars]


def kinds(store, after: int) -> list[str]:
    return [change.kind for change in store.changes(after)]


def test_a_new_name_changes_nothing_else(store):
    ana = add(store, "home", "Ana", 1, 2, kept=True)
    store.set_calibration("home", "{}")
    before = store.last_sequence()
    done = store.rename("HOME", " Anna ", member="ana")
    assert (done.household, done.member, done.uncalibrated) == ("home", "Anna", ())
    (anna,) = store.members()
    assert (anna.name, ids(anna), anna.consent_at) == ("Anna", ids(ana), ana.consent_at)
    assert store.consents("home", "Anna")["voice"].given_by == "Ana"  # who agreed then
    assert store.recording(ids(anna)[0], VAULT) == b"digest-1"
    assert store.calibration("home") == "{}"
    assert kinds(store, before) == ["member_renamed"]
    assert store.rename("home", "ANNA", member="Anna").member == "ANNA"  # the own name, other case
    assert store.rename("home", "House").household == "House"
    assert store.households() == ["House"]


@pytest.mark.parametrize(
    ("code", "act"),
    [
        ("name_taken", lambda store: store.rename("home", "BEN", member="Ana")),
        ("name_taken", lambda store: store.rename("home", "Away")),
        ("reserved_name", lambda store: store.rename("home", "unknown", member="Ana")),
        ("bad_name", lambda store: store.rename("home", "A\u200bna", member="Ana")),
        ("unknown_member", lambda store: store.rename("home", "Zoe", member="Bob")),
        ("same_profile", lambda store: store.merge("home", "Ana", "ana")),
        ("unknown_member", lambda store: store.merge("home", "Ana", "Zoe")),
        ("other_model", lambda store: store.merge("home", "Ana", "Old")),
        ("bad_key", lambda store: store.merge("home", "Ben", "Ana")),
        ("bad_key", lambda store: store.merge("home", "Ben", "Ana", vault=Vault(b"o" * 32))),
        ("same_profile", lambda store: store.move("home", "Ana", "Home")),
        ("name_taken", lambda store: store.move("home", "Ana", "away")),
        ("same_clip", lambda store: store.move("home", "Leo", "away")),
        ("other_model", lambda store: store.move("home", "Old", "away")),
        ("reserved_name", lambda store: store.move("home", "Ana", "none")),
        ("unknown_household", lambda store: store.move("none", "Ana", "home")),
    ],
)
def test_refusals_leave_everything_as_it_was(store, code, act):
    add(store, "home", "Ana", 1)
    add(store, "home", "Ben", 2, kept=True)
    add(store, "home", "Old", 3, model="m0")
    add(store, "home", "Leo", 5)
    add(store, "away", "ana", 4, 5)
    before = store.last_sequence(), store.members(), store.households()
    with pytest.raises(SpkidError) as caught:
        act(store)
    assert caught.value.code == code
    after = store.last_sequence(), store.members(), store.households()
    assert repr(after) == repr(before)


def test_a_merge_keeps_clips_consents_and_kept_audio(store, tmp_path):
    ana, other = add(store, "home", "Ana", 1, 2), add(store, "home", "Anna", 3, kept=True)
    store.set_calibration("home", "{}")
    before = store.last_sequence()
    done = store.merge("home", "Anna", "Ana", vault=VAULT)
    assert (done.member, done.dropped, done.uncalibrated) == ("Ana", (), ("home",))
    (merged,) = store.members()
    assert (merged.name, ids(merged)) == ("Ana", [*ids(ana), *ids(other)])
    assert store.calibration("home") is None
    assert store.recording(ids(other)[0], VAULT) == b"digest-3"
    assert kinds(store, before) == ["member_merged", "calibrated"]
    consents = store.consents("home", "Ana")
    assert (consents["voice"].given_by, consents["audio"].given_by) == ("Ana", "Anna")
    ((subject, consent),) = store.merged_consents("home", "Ana")
    assert (subject, consent.given_by) == ("voice", "Anna")
    export_member(store, "home", "Ana", tmp_path / "ana.zip")
    with zipfile.ZipFile(tmp_path / "ana.zip") as archive:
        (told,) = json.loads(archive.read("profile.json"))["consents_of_merged_profiles"]
    assert (told["subject"], told["given_by"]) == ("voice", "Anna")
    store.forget("home", "Ana")
    assert store.merged_consents("home", "Ana") == []


def test_of_too_many_clips_those_with_most_speech_stay(store):
    ana, other = add(store, "home", "Ana", *range(1, 8)), add(store, "home", "Anna", *range(8, 15))
    done = store.merge("home", "Anna", "Ana")
    (merged,) = store.members()
    assert [clip.digest for clip in merged.exemplars] == [f"digest-{n}" for n in range(5, 15)]
    assert len(merged.exemplars) == MAX_EXEMPLARS
    assert list(done.dropped) == ids(ana)[:4]
    assert set(ids(merged)) == {*ids(ana)[4:], *ids(other)}


def test_a_move_takes_clips_consent_and_audio_along(store):
    add(store, "home", "Ben", 2)
    ana = add(store, "home", "Ana", 1, kept=True)
    add(store, "away", "Leo", 3)
    for household in ("home", "away"):
        store.set_calibration(household, "{}")
    before = store.last_sequence()
    done = store.move("home", "Ana", "AWAY")
    assert (done.household, done.member, done.gone_household) == ("away", "Ana", None)
    assert done.uncalibrated == ("home", "away")
    assert kinds(store, before) == ["member_left", "member_joined", "calibrated", "calibrated"]
    moved, _ = store.members("away")
    assert dataclasses.replace(moved, household="home", exemplars=()) == dataclasses.replace(
        ana, exemplars=()
    )
    assert ids(moved) == ids(ana)
    assert store.recording(ids(moved)[0], VAULT) == b"digest-1"
    assert sorted(store.consents("away", "Ana")) == ["audio", "voice"]
    assert store.move("home", "Ben", "new").gone_household == "home"
    assert store.households() == ["away", "new"]


def test_an_index_knows_where_everybody_is_now(store):
    add(store, "home", "Ana", 1)
    add(store, "home", "Anna", 2)
    add(store, "home", "Ben", 3)
    index = ProfileIndex(store, model="m1")

    def found(seed: int) -> tuple[str, str]:
        hit = index.search(exemplar(seed).vector, n_hits=1)[0]
        return hit.household, hit.member

    store.merge("home", "Anna", "Ana")
    store.rename("home", "Benjamin", member="Ben")
    store.move("home", "Benjamin", "away")
    assert [found(seed) for seed in (1, 2, 3)] == [
        ("home", "Ana"),
        ("home", "Ana"),
        ("away", "Benjamin"),
    ]


def test_look_alikes_of_an_older_store_are_merged_by_one_name(store):
    add(store, "home", "Zo\u00eb", 1)
    add(store, "home", "other", 2)
    store._database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE member SET name = 'Zoe\u0308', key = 'zoe\u0308\x1f2' WHERE name = 'other'"
        )
    )
    assert len(store.members()) == 2
    done = store.merge("home", "zo\u00eb", "Zo\u00eb")
    assert done.member == "Zo\u00eb"
    (merged,) = store.members()
    assert [clip.digest for clip in merged.exemplars] == ["digest-1", "digest-2"]
