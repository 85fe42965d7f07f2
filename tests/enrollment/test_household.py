"""The four verbs on real clips of five people."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from enrollment import Household
from enrollment.index.profile_index import ProfileIndex, nearest_household
from enrollment.store.database import Database
from enrollment.verification import verify_clips
from spkid import Model, SpkidError
from spkid.audio.reading import load_audio
from spkid.encoder.hearing import hear
from spkid.errors import ModelMismatch, NotCalibrated


@pytest.fixture
def home(store, model):
    return Household(store, "home", model=model)


@pytest.fixture
def family(home, cast):
    for name, own in cast.items():
        if own["enroll"]:
            home.enroll(name, own["enroll"], consent=True)
    return home


def dump(home: Household) -> str:
    with closing(sqlite3.connect(home.store.place)) as connection:
        return "\n".join(connection.iterdump())


def test_family_is_recognised_and_strangers_are_not_named(family, cast):
    for name, own in cast.items():
        for clip in own["heard"]:
            decision = family.identify(clip)
            if own["enroll"]:
                assert decision.member == name
            else:
                assert (decision.status, decision.member) == ("unknown", None)
            assert decision.model == family.model.fingerprint


def test_an_answer_reads_the_store_twice(family, cast, monkeypatch):
    heard = hear(cast["Ana"]["heard"][0], family.model.encoder)
    family.identify(heard)
    readings = []
    read = Database.read
    monkeypatch.setattr(Database, "read", lambda *own: readings.append(own) or read(*own))
    assert family.identify(heard).member == "Ana"
    assert len(readings) == 2  # has anything changed, and is anything over that is kept for a while


def test_one_path_in_place_of_a_list_is_refused(home, cast):
    clip = cast["Ana"]["enroll"][0]
    for given in (str(clip), Path(clip)):
        with pytest.raises(SpkidError, match=r"clips=.*; expected a list of clips"):
            home.enroll("Ana", given, consent=True)
    assert home.store.households() == []


def test_reprs_name_the_store_the_home_and_the_model_without_numbers_of_a_voice(home):
    assert repr(home) == f"Household(Store({home.store.place!r}), 'home')"
    assert repr(home.model.encoder) == f"SpeakerEncoder({home.model.fingerprint!r}, dim=192)"
    assert "thresholds" not in repr(home.model)
    assert "landmarks" not in repr(home.model)


def test_verify_against_a_member_and_between_clips(family, cast, model):
    ana, ben = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    assert family.verify("Ana", ana).same is True
    assert family.verify("Ana", ben).same is False
    pair = {"model": model}
    assert verify_clips(ana, cast["Ana"]["heard"][1], **pair).same is True
    assert verify_clips(ana, ben, **pair).same is False
    assert verify_clips(ana, ben, **pair).llr == pytest.approx(verify_clips(ben, ana, **pair).llr)


def test_a_pair_by_telephone_needs_more_than_one_with_one_clip_by_telephone(
    cast, model, monkeypatch
):
    first, second = (load_audio(clip) for clip in cast["Ana"]["heard"][:2])
    calibration = dataclasses.replace(model.calibration, narrowband_margin=100.0)
    told = {}
    for narrow in ([], [first], [second], [first, second]):
        monkeypatch.setattr(
            "spkid.audio.speech.is_narrowband",
            lambda waveform, is_said, own=narrow: any(np.array_equal(waveform, w) for w in own),
        )
        pair = verify_clips(first, second, model=Model(model.encoder, calibration))
        told[len(narrow)] = told.get(len(narrow), True) and pair.same
    assert told == {0: True, 1: True, 2: False}


def test_a_profile_remembers_which_clips_came_by_telephone(home, cast, monkeypatch):
    """Enrolled, and named from the inbox later."""
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    monkeypatch.setattr("spkid.audio.speech.is_narrowband", lambda waveform, is_said: True)
    home.enroll("Leo", cast["Leo"]["enroll"], consent=True)
    home.inbox.switch_on("Ana", consent=True)
    for clip in cast["Ben"]["enroll"]:
        home.identify(clip)
    (ben,) = home.inbox.speakers()
    home.inbox.name(ben.number, "Ben", consent=True)
    shares = {member.name: member.narrowband_share for member in home.members()}
    assert shares == {"Ana": 0.0, "Ben": 1.0, "Leo": 1.0}


def test_enrolment_reports_progress_and_stores_the_model(home, cast):
    advanced = []
    clips = cast["Leo"]["enroll"]
    result = home.enroll("Leo", clips, consent=True, advance=lambda: advanced.append(1))
    assert len(advanced) == len(clips)
    assert [clip.reason for clip in result.clips] == ["ok"] * 3
    assert result.member.model == home.model.fingerprint
    assert 0 < result.member.percent < 100
    speech_s = sum(clip.speech_s for clip in result.clips)
    assert result.member.speech_needed_s == pytest.approx(20 - speech_s)


def test_no_consent_no_write(home, cast):
    with pytest.raises(SpkidError) as caught:
        home.enroll("Ana", cast["Ana"]["enroll"], consent=False)
    assert caught.value.code == "no_consent"
    assert home.store.households() == []


def test_consent_once_given_holds_for_further_clips(home, cast):
    first, *more = cast["Ana"]["enroll"]
    home.enroll("Ana", [first], consent=True)
    assert len(home.enroll("Ana", more, consent=False).member.exemplars) == 3


def test_clip_of_another_voice_is_refused_unless_forced(home, cast):
    clips = [*cast["Ana"]["enroll"], cast["Ben"]["enroll"][0]]
    result = home.enroll("Ana", clips, consent=True)
    assert [clip.reason for clip in result.clips] == ["ok", "ok", "ok", "unlike_others"]
    assert len(result.member.exemplars) == 3
    forced = home.enroll("Ana", [cast["Ben"]["enroll"][0]], consent=True, force=True)
    assert len(forced.member.exemplars) == 4


@pytest.mark.parametrize("seconds", [1.2, 1.8])
def test_short_clips_are_matched_but_never_enrolled(family, cast, seconds):
    waveform = load_audio(cast["Ana"]["heard"][0])
    start = 16_000  # in the middle of speech
    short = waveform[start : start + int(seconds * 16_000)]
    result = family.enroll("Zoe", [short], consent=True)
    assert [clip.reason for clip in result.clips] == ["too_short"]
    assert result.member is None
    assert family.identify(short).status in {"known", "unknown", "ambiguous"}


def test_what_cannot_be_heard_gets_a_reason(family, cast):
    silence = np.zeros(48_000, dtype=np.float32)
    assert family.identify(silence).status == "no_speech"
    assert family.verify("Ana", silence).same is None
    assert family.verify("Ana", silence).reason == "no_speech"
    speech = load_audio(cast["Ana"]["heard"][0])
    loud = np.clip(30 * speech, -1, 1)
    assert family.identify(loud).status == "poor_audio"
    assert family.identify(speech[20_000:26_400]).status == "too_short"


def test_bad_input_leaves_the_store_unchanged(family, cast, tmp_path):
    before = dump(family)
    text = tmp_path / "text.wav"
    text.write_text("this is not audio")
    new = cast["Ana"]["heard"]
    nan = np.full(48_000, np.nan, dtype=np.float32)
    for clips in ([new[0], text], [nan]):
        with pytest.raises(SpkidError):
            family.enroll("Ana", clips, consent=True)
    with pytest.raises(SpkidError):
        family.enroll("  ", new, consent=True)
    assert dump(family) == before


def test_a_clip_given_twice_is_named_and_the_good_ones_are_kept(family, cast):
    first, second = cast["Ana"]["heard"]
    result = family.enroll("Ana", [first, cast["Ben"]["enroll"][0], first, second], consent=True)
    assert [clip.reason for clip in result.clips] == ["ok", "same_clip", "same_clip", "ok"]
    assert result.clips[2].name == str(first)
    assert len(result.member.exemplars) == 5


def test_unknown_household_and_member(family, cast, store, model):
    clip = cast["Ana"]["heard"][0]
    other = Household(store, "away", model=model)
    with pytest.raises(SpkidError) as caught:
        other.identify(clip)
    assert caught.value.code == "unknown_household"
    with pytest.raises(SpkidError) as caught:
        family.verify("Zoe", clip)
    assert caught.value.code == "unknown_member"
    assert "one of: Ana, Ben, Leo" in str(caught.value)


def test_profiles_of_another_model_are_never_compared(family, cast, calibration):
    class Other:
        fingerprint, dim = "another", 192

    other = dataclasses.replace(calibration, model="another")
    home = Household(family.store, "home", model=Model(Other(), other))
    for act in (
        lambda: home.identify(cast["Ana"]["heard"][0]),
        lambda: home.verify("Ana", cast["Ana"]["heard"][0]),
        lambda: home.enroll("Ana", cast["Ana"]["heard"], consent=True),
    ):
        with pytest.raises(SpkidError) as caught:
            act()
        assert caught.value.code == "other_model"


def test_profiles_of_the_model_that_was_the_default_go_on_with_it(store, cast):
    small = Household(store, "home", model=Model.load("small"))
    small.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    with pytest.raises(ModelMismatch) as caught:
        Household(store, "home").identify(cast["Ana"]["heard"][0])
    assert "made with model small; expected one of the model in use, accurate" in str(caught.value)
    assert "give model='small'" in str(caught.value)
    assert small.identify(cast["Ana"]["heard"][0]).member == "Ana"


def test_without_a_calibration_nobody_is_named(family, cast, store, encoder):
    home = Household(store, "home", model=Model(encoder))
    clip = cast["Ana"]["heard"][0]
    for act in (
        lambda: home.identify(clip),
        lambda: home.verify("Ana", clip),
        lambda: home.timeline(clip),
        lambda: home.calibrate(0.05),
        lambda: home.enroll("Zoe", [clip], consent=True),
        lambda: verify_clips(clip, clip, model=home.model),
    ):
        with pytest.raises(NotCalibrated, match="spkid fit"):
            act()


def test_calibration_of_another_model_is_refused(encoder, calibration):
    other = dataclasses.replace(calibration, model="another")
    with pytest.raises(ModelMismatch):
        Model(encoder, other)


def test_forget_takes_one_member_and_then_all(family):
    assert family.forget("Ana").n_exemplars == 3
    assert [member.name for member in family.members()] == ["Ben", "Leo"]
    assert family.forget().members == ("Ben", "Leo")
    with pytest.raises(SpkidError):
        family.members()


def test_nearest_household_is_found_without_a_name(cast, store, encoder, model):
    for name, members in (("home", ("Ana", "Ben")), ("away", ("Leo",))):
        household = Household(store, name, model=model)
        for member in members:
            household.enroll(member, cast[member]["enroll"], consent=True)
    index = ProfileIndex(store, model=encoder.fingerprint)
    assert nearest_household(store, index, hear(cast["Ben"]["heard"][0], encoder)) == "home"
    assert nearest_household(store, index, hear(cast["Leo"]["heard"][0], encoder)) == "away"
    silence = hear(np.zeros(16_000, dtype=np.float32), encoder)
    assert nearest_household(store, index, silence) == "away"  # the first by name


def test_nearest_household_of_an_empty_store(store, encoder, cast):
    index = ProfileIndex(store, model=encoder.fingerprint)
    with pytest.raises(SpkidError):
        nearest_household(store, index, hear(cast["Ana"]["heard"][0], encoder))
