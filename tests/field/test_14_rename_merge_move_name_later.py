"""Profiles could not be renamed, merged or moved, and yesterday's unknown voice not named; held."""

from __future__ import annotations

import json

import pytest

CONSENT = "--consent"


@pytest.fixture
def home(spkid, cast):
    """Ana and Ben of "home", Ana's second profile "Anna" with other clips, and Leo of "away"."""

    def enroll(household: str, member: str, clips: list, *more: object) -> None:
        words = ("--household", household, "--member", member, CONSENT, *more)
        assert spkid("enroll", *clips, *words)[0] == 0

    enroll("home", "Ana", cast["Ana"]["enroll"])
    enroll("home", "Ben", cast["Ben"]["enroll"])
    enroll("home", "Anna", cast["Ana"]["heard"][:1], "--another-person")
    enroll("away", "Leo", cast["Leo"]["enroll"])
    return spkid


def listed(spkid) -> list[tuple[str, str, int]]:
    rows = json.loads(spkid("profiles", "--json")[1])
    return [(row["household"], row["member"], row["n_clips"]) for row in rows]


def heard(spkid, clip, household: str) -> dict:
    return json.loads(spkid("identify", clip, "--household", household, "--json")[1])[0]


def test_a_member_and_a_household_get_other_names(home, cast):
    code, out, _ = home("rename", "--household", "home", "--member", "Ben", "--to", "Benjamin")
    assert (code, out) == (0, "Ben of home is called Benjamin now.\n")
    assert home("rename", "--household", "home", "--to", "the house")[1] == (
        "home is called the house now.\n"
    )
    assert heard(home, cast["Ben"]["heard"][0], "the house")["member"] == "Benjamin"
    code, _, err = home("rename", "--household", "the house", "--member", "Ana", "--to", "BENJAMIN")
    assert code == 2
    assert "merge the two profiles with 'spkid merge'" in err
    assert home("rename", "--household", "the house", "--to", "away")[0] == 2


def test_two_profiles_of_one_person_become_one(home, cast):
    clip = cast["Ana"]["heard"][1]
    assert heard(home, clip, "home")["status"] == "ambiguous"
    words = ("--household", "home", "--member", "Anna", "--into", "Ana")
    code, out, _ = home("merge", *words)
    assert (code, out) == (0, "Anna is part of Ana of home now.\n")
    assert listed(home) == [("away", "Leo", 3), ("home", "Ana", 4), ("home", "Ben", 3)]
    assert heard(home, clip, "home")["member"] == "Ana"
    assert home("merge", *words)[0] == 2  # there is no Anna any more


def test_a_member_moves_to_another_household(home, cast):
    code, out, _ = home("move", "--household", "away", "--member", "Leo", "--to-household", "home")
    assert code == 0
    assert out == "Leo belongs to home now.\naway had no other member and is gone.\n"
    assert ("home", "Leo", 3) in listed(home)
    answer = json.loads(home("identify", cast["Leo"]["heard"][0], "--json")[1])[0]  # by the index
    assert (answer["household"], answer["member"]) == ("home", "Leo")


def test_a_voice_of_yesterday_gets_a_name(home, cast):
    words = ("--household", "home")
    clips = cast["Leo"]["heard"]
    assert home("identify", *clips, *words)[0] == 0
    assert json.loads(home("inbox", "list", *words, "--json")[1])["speakers"] == []  # off
    assert home("inbox", "on", *words, "--by", "Ana")[0] == 2  # nobody agreed
    code, out, _ = home("inbox", "on", *words, "--by", "Ana", "--consent")
    assert (code, out) == (0, "Unknown voices in home are kept for 30 days, as Ana agreed.\n")
    assert [heard(home, clip, "home")["status"] for clip in clips] == ["unknown"] * len(clips)
    (row,) = json.loads(home("inbox", "list", *words, "--json")[1])["speakers"]
    assert row["n_clips"] == len(clips)
    assert ("home", "Leo", len(clips)) not in listed(home)  # no profile by itself
    name = ("inbox", "name", row["number"], *words, "--member", "Leo")
    assert home(*name)[0] == 2  # Leo has not agreed
    code, out, _ = home(*name, CONSENT)
    assert code == 0
    assert out.startswith(f"Leo: {len(clips)} clips,")
    assert heard(home, cast["Leo"]["enroll"][0], "home")["member"] == "Leo"
    assert json.loads(home("inbox", "list", *words, "--json")[1])["speakers"] == []
