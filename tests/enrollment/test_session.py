"""Enrollment clip by clip and live, on real clips of five people."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from enrollment import Household
from enrollment.store.vault import Vault
from spkid import SpkidError
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.errors import BadAudio


@pytest.fixture
def home(store, model):
    return Household(store, "home", model=model)


def test_it_says_what_is_still_needed_until_it_is_done(home, cast):
    session = home.session("Ana", consent=True)
    assert (session.percent, session.speech_needed_s, session.clips_needed) == (0, 20.0, 3)
    seen = []
    for clip in [*cast["Ana"]["enroll"], *cast["Ana"]["heard"]]:
        verdict = session.add(clip)
        assert verdict.reason == "ok"
        seen.append(session.percent)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 50
    assert seen[-1] == 100
    assert (session.speech_needed_s, session.clips_needed) == (0.0, 0)
    assert home.store.households() == []  # nothing is written before the end
    stored = session.save().member
    assert (stored.percent, len(stored.exemplars)) == (100, 5)
    assert stored.speech_s == pytest.approx(session.speech_s)


def test_a_second_session_goes_on_where_the_first_ended(home, cast):
    first, *more = cast["Ana"]["enroll"]
    home.enroll("Ana", [first], consent=True, device="hall")
    session = home.session("Ana", consent=False, device="kitchen")
    assert 0 < session.percent < 50
    assert session.clips_needed == 2
    for clip in more:
        session.add(clip)
    clips = session.save().member.exemplars
    assert [clip.device for clip in clips] == ["hall", "kitchen", "kitchen"]


def test_the_odd_one_out_is_named_and_a_person_may_take_it(home, cast):
    session = home.session("Ana", consent=True)
    session.add(cast["Ben"]["enroll"][0])
    for clip in cast["Ana"]["enroll"]:
        session.add(clip)
    reasons = [verdict.reason for verdict in session.verdicts]
    assert reasons == ["unlike_others", "ok", "ok", "ok"]
    before = session.n_clips
    assert session.accept(0).reason == "ok"
    assert session.n_clips == before + 1
    assert len(session.save().member.exemplars) == 4


def test_a_noisy_clip_may_be_taken_after_review_but_never_a_short_one(home, cast):
    speech = load_audio(cast["Ana"]["enroll"][0])
    noise = np.random.default_rng(0).normal(size=len(speech)).astype(np.float32)
    noisy = speech + 1.5 * float(np.sqrt(np.mean(speech**2))) * noise
    session = home.session("Ana", consent=True)
    assert session.add(noisy).reason == "too_noisy"
    assert session.add(np.zeros(48_000, dtype=np.float32)).reason == "no_speech"
    assert session.add(speech[16_000:40_000]).reason == "too_short"
    assert session.n_clips == 0
    for number in (1, 2):
        with pytest.raises(SpkidError):
            session.accept(number)
    assert session.accept(0).accepted
    (stored,) = session.save().member.exemplars
    assert np.linalg.norm(stored.vector) == pytest.approx(1.0, abs=1e-5)


def test_a_bad_clip_leaves_the_session_as_it_was(home, cast, tmp_path):
    session = home.session("Ana", consent=True)
    first = cast["Ana"]["enroll"][0]
    session.add(first)
    text = tmp_path / "text.wav"
    text.write_text("no audio")
    for bad in (text, np.full(48_000, np.nan, dtype=np.float32)):
        with pytest.raises(SpkidError):
            session.add(bad)
    assert session.n_clips == 1
    assert len(session.verdicts) == 1


def test_a_clip_that_changed_since_it_was_judged_is_not_kept(home, cast, tmp_path):
    path, key = tmp_path / "clip.wav", tmp_path / "home.key"
    soundfile.write(path, load_audio(cast["Ana"]["enroll"][0]), SAMPLE_RATE_HZ)
    session = home.session("Ana", consent=True, vault=Vault.load(key, create=True))
    session.add(path)
    soundfile.write(path, load_audio(cast["Ben"]["enroll"][0]), SAMPLE_RATE_HZ)
    with pytest.raises(BadAudio) as caught:
        session.save()
    assert caught.value.code == "changed_meanwhile"
    assert home.store.households() == []


def test_confirmed_clips_need_an_enrolled_member_and_can_be_taken_back(home, cast):
    heard = cast["Ana"]["heard"]
    with pytest.raises(SpkidError) as caught:
        home.session("Ana", consent=True, origin="confirmed")
    assert caught.value.code == "unknown_member"
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    before = home.members()[0].vector
    session = home.session("Ana", consent=False, origin="confirmed")
    assert session.add(heard[0]).reason == "ok"
    assert session.add(cast["Ben"]["heard"][0]).reason == "unlike_others"
    grown = session.save().member
    assert [clip.origin for clip in grown.exemplars] == ["enrolled"] * 3 + ["confirmed"]
    assert not np.allclose(grown.vector, before)
    confirmed = [clip.id for clip in grown.exemplars if clip.origin == "confirmed"]
    home.store.forget("home", "Ana", clips=confirmed)
    np.testing.assert_array_equal(home.members()[0].vector, before)
