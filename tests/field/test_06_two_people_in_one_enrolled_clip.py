"""A clip with two people, summed or one after the other, was enrolled; now it is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from enrollment import Household
from spkid.audio.reading import load_audio


def levelled(path):
    waveform = load_audio(path)
    return 0.05 * waveform / waveform.std()


@pytest.fixture
def both(cast):
    return [levelled(person["heard"][0]) for person in list(cast.values())[:2]]


@pytest.fixture
def household(store, model):
    return Household(store, "home", model=model)


def test_one_after_the_other_is_refused_with_the_seconds_of_the_other(household, both):
    one, two = both
    (verdict,) = household.enroll("Ana", [np.concatenate([one, two])], consent=True).clips
    assert not verdict.accepted
    assert verdict.reason == "several_voices"
    turn_s, end_s = len(one) / 16_000, (len(one) + len(two)) / 16_000
    # the other one is whoever speaks less
    first_s, last_s = (turn_s, end_s) if len(one) > len(two) else (0, turn_s)
    others = verdict.other_voices
    # half a second of silence is between them, and a frame of the next voice may stand before it
    assert first_s - 0.6 <= others[0].start_s <= others[-1].end_s <= last_s + 0.6
    assert sum(other.end_s - other.start_s for other in others) > 0.5 * (last_s - first_s)


def test_two_summed_are_refused(household, both):
    length = min(map(len, both))
    mixed = both[0][:length] + both[1][:length]
    (verdict,) = household.enroll("Ana", [mixed], consent=True).clips
    assert (verdict.accepted, verdict.reason) == (False, "several_voices")
    assert verdict.other_voices


def test_nothing_is_stored_and_the_sentence_says_why(spkid, both, tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, np.concatenate(both), 16_000)
    words = ("enroll", "--json", "--household", "home", "--member", "Ana", "--consent", path)
    code, out, err = spkid(*words)
    assert code == 2
    assert "somebody else speaks too" in err
    error = json.loads(out[out.index('{\n  "error"') :])
    assert error["code"] == "several_voices"
    assert spkid("profiles", "--household", "home")[0] == 2


def test_a_person_who_listened_may_take_it(household, both):
    session = household.session("Ana", consent=True)
    session.add(np.concatenate(both))
    assert session.accept(0).accepted


def test_every_clip_of_the_demo_is_of_one_voice(household, clips):
    session = household.session("Ana", consent=True)
    for clip in clips.values():
        session.add(clip)
    assert [v.name for v in session.verdicts if v.reason == "several_voices"] == []
    assert all(verdict.other_voices == () for verdict in session.verdicts)


def test_one_persons_clips_one_after_the_other_are_one_voice(household, cast):
    members = {name: person for name, person in cast.items() if person["enroll"]}
    for name, person in members.items():
        joined = np.concatenate([levelled(path) for path in person["enroll"][:2]])
        (verdict,) = household.enroll(name, [joined], consent=True).clips
        assert verdict.reason == "ok", name
