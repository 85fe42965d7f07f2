"""One person under two names, or one clip at two levels, was accepted without a word; held."""

from __future__ import annotations

import json
import re
import sys
import types

import pytest

from enrollment import Household
from spkid import SpkidError
from spkid.audio.reading import load_audio


@pytest.fixture
def home(store, cast, model):
    home = Household(store, "home", model=model)
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    return home


def test_the_voice_of_a_member_is_not_enrolled_under_a_second_name(home, cast):
    session = home.session("Bea", consent=True)
    verdict = session.add(cast["Ana"]["heard"][0])
    assert (verdict.accepted, verdict.sounds_like) == (True, "Ana")
    assert session.sounds_like == "Ana"
    with pytest.raises(SpkidError) as caught:
        session.save()
    assert caught.value.code == "same_voice"
    assert "'Bea' that sound like 'Ana'" in str(caught.value)
    assert [member.name for member in home.members()] == ["Ana"]


def test_a_twin_is_enrolled_when_somebody_says_so(store, model, cast):
    first, *own, second, last = cast["Ana"]["enroll"] + cast["Ana"]["heard"]
    home = Household(store, "home", model=model)
    home.enroll("Ana", [*own, last], consent=True)
    twin = home.enroll("Bea", [first], consent=True, another_person=True)
    assert twin.clips[0].sounds_like == "Ana"
    assert [member.name for member in home.members()] == ["Ana", "Bea"]
    with pytest.raises(SpkidError) as caught:  # it still fits Ana's profile better
        home.enroll("Bea", [second], consent=True)
    assert caught.value.code == "same_voice"
    assert home.enroll("Ana", [second], consent=True).clips[0].sounds_like is None


@pytest.mark.parametrize("level", [0.1, 0.5, 1.5])
@pytest.mark.parametrize("name", ["Ana", "Bea"])
def test_the_same_clip_at_another_level_is_the_same_clip(home, cast, level, name):
    louder = level * load_audio(cast["Ana"]["enroll"][1])
    (verdict,) = home.enroll(name, [louder], consent=True, another_person=True).clips
    assert verdict.reason == "same_clip"
    assert verdict.sounds_like == ("Ana" if name == "Bea" else None)
    assert [len(member.exemplars) for member in home.members()] == [3]


def test_a_clip_given_twice_at_two_levels_counts_once(home, cast):
    quiet = 0.5 * load_audio(cast["Ben"]["enroll"][0])
    clips = home.enroll("Ben", [cast["Ben"]["enroll"][0], quiet], consent=True).clips
    assert [clip.reason for clip in clips] == ["ok", "same_clip"]


def test_other_people_and_other_homes_are_not_pointed_out(home, cast, store, model):
    for name in ("Ben", "Leo"):
        clips = home.enroll(name, cast[name]["enroll"], consent=True).clips
        assert [clip.sounds_like for clip in clips] == [None] * 3
    away = Household(store, "away", model=model)
    moved_in = away.enroll("Bea", cast["Ana"]["enroll"], consent=True)
    assert [clip.sounds_like for clip in moved_in.clips] == [None] * 3  # that is Ana's affair


def test_more_clips_of_a_member_fit_the_own_profile_best(home, cast):
    home.enroll("Ben", cast["Ben"]["enroll"], consent=True)
    assert home.enroll("Ana", cast["Ana"]["heard"], consent=True).clips[0].sounds_like is None
    with pytest.raises(SpkidError) as caught:
        home.enroll("Ana", [cast["Ben"]["heard"][0]], consent=True, force=True)
    assert caught.value.code == "same_voice"


def test_the_command_line_says_whose_voice_it_is(spkid, cast, monkeypatch):
    def enroll(*words: object) -> tuple[int, str, str]:
        return spkid("enroll", *words, "--household", "home", "--consent")

    assert enroll(*cast["Ana"]["enroll"], "--member", "Ana")[0] == 0
    clip = cast["Ana"]["heard"][0]
    code, out, err = enroll(clip, "--member", "Bea", "--json")
    assert (code, json.loads(out)["code"]) == (2, "same_voice")
    assert "add them to 'Ana', or pass --another-person if these are two people" in err
    code, _, err = enroll(cast["Ana"]["enroll"][0], "--member", "Bea")
    assert code == 2
    assert "as a clip of Ana" in err
    assert "Bea" not in spkid("profiles")[1]
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    asked: list[str] = []
    for answer, expected in ((False, 2), (True, 0)):
        monkeypatch.setattr(
            "typer.confirm", lambda text, abort, answer=answer: asked.append(text) or answer
        )
        assert enroll(clip, "--member", "Bea")[0] == expected
    assert set(asked) == {"These clips sound like Ana. Is Bea another person?"}
    code, out, _ = enroll(cast["Ana"]["heard"][1], "--member", "Eva", "--another-person")
    assert code == 0
    # both profiles are of one voice
    assert re.search("accepted, but sounds like (Ana|Bea)", out)
