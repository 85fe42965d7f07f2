"""An old profile asks for new clips, a child's sooner."""

from __future__ import annotations

import dataclasses
import datetime
import json

import pytest

from enrollment import Household
from enrollment.age import is_old
from enrollment.profile import Consent
from spkid import Model

TODAY = datetime.datetime.now(datetime.UTC)


def days_ago(days: int) -> str:
    return (TODAY - datetime.timedelta(days=days)).isoformat(timespec="seconds")


@pytest.fixture
def enrolled(store, cast, model):
    """``enrolled(household, days, child)``: the household of Ana, enrolled that long ago."""
    fresh = Household(store, "fresh", model=model)
    clips = fresh.enroll("Ana", cast["Ana"]["enroll"], consent=True).member.exemplars

    def enroll(household: str, days: list[int], *, child: bool) -> Household:
        aged = [
            dataclasses.replace(clip, added_at=days_ago(age))
            for clip, age in zip(clips, days, strict=False)
        ]
        store.add(
            household,
            "Ana",
            aged,
            model=model.fingerprint,
            consent=Consent("Ana"),
            age_group="child" if child else "",
        )
        return Household(store, household, model=Model(model.encoder, model.calibration))

    return enroll


@pytest.mark.parametrize(
    ("days", "child", "old"),
    [
        ([800, 900], False, True),
        ([800, 700], False, False),  # the newest clip counts
        ([200, 300], False, False),
        ([200, 300], True, True),
        ([100, 900], True, False),
    ],
)
def test_the_newest_clip_is_old_sooner_for_a_child(enrolled, cast, days, child, old):
    home = enrolled("home", days, child=child)
    (ana,) = home.members()
    assert ana.age_group == ("child" if child else "")
    assert is_old(ana) is old
    answer = home.identify(cast["Ana"]["heard"][0])
    assert answer.member == "Ana"
    assert [hint.startswith("Ana's newest clip is of") for hint in answer.hints] == [True] * old
    assert home.identify(cast["Ben"]["heard"][0]).hints == ()  # nobody was named


def test_a_child_is_declared_and_the_word_can_be_taken_back(spkid, cast, monkeypatch):
    words = ("--household", "home", "--member", "Leo", "--consent")
    first, second, third = cast["Leo"]["enroll"]

    def row() -> dict:
        return json.loads(spkid("profiles", "--json")[1])[0]

    assert spkid("enroll", first, *words, "--child")[0] == 0
    assert (row()["age_group"], row()["enroll_again"]) == ("child", False)
    assert spkid("enroll", second, *words)[0] == 0
    assert row()["age_group"] == "child"
    monkeypatch.setattr("enrollment.age.CHILD_DAYS", -1)
    assert row()["enroll_again"] is True
    assert "a child's voice changes fast: enroll some new clips." in spkid("profiles")[1]
    assert "a child's voice changes fast" in spkid("identify", cast["Leo"]["heard"][0])[2]
    assert spkid("enroll", third, *words, "--no-child")[0] == 0
    assert (row()["age_group"], row()["enroll_again"]) == ("", False)
