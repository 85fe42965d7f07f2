"""Names that look alike were different members, and one could be called ``unknown``; held."""

from __future__ import annotations

import json

import pytest

from enrollment import Household
from enrollment.names import new_name
from spkid import SpkidError

CONSENT = "--consent"


def rows(spkid) -> list[tuple[str, str, int]]:
    listed = json.loads(spkid("profiles", "--json")[1])
    return [(row["household"], row["member"], row["n_clips"]) for row in listed]


@pytest.mark.parametrize(
    ("first", "second"),
    [("Zo\u00eb", "Zoe\u0308"), ("Ana", "ana"), ("Ana", " ANA  "), ("Ana Maria", "ana   maria")],
)
def test_a_look_alike_adds_to_the_member_and_says_so(spkid, cast, first, second):
    clip, *more = cast["Ana"]["enroll"]
    assert spkid("enroll", clip, "--household", "home", "--member", first, CONSENT)[0] == 0
    code, out, err = spkid("enroll", *more, "--household", "Home ", "--member", second)
    assert code == 0  # who is enrolled has agreed
    assert f"is {first}, who is enrolled already" in err
    assert out.startswith(f"{first} in home")
    assert rows(spkid) == [("home", first, 3)]
    code, out, _ = spkid(
        "verify", cast["Ana"]["heard"][0], "--household", "HOME", "--member", second
    )
    assert (code, "same speaker" in out) == (0, True)
    heard = json.loads(spkid("identify", cast["Ana"]["heard"][0], "--json")[1])
    assert (heard[0]["member"], heard[0]["household"]) == (first, "home")
    assert spkid("forget", "--household", "HOME", "--member", second, "--yes")[0] == 0
    assert rows(spkid) == []


@pytest.mark.parametrize("name", ["unknown", "Ambiguous", "stranger", "guest", "none"])
def test_nobody_is_called_what_answers_call_nobody(spkid, cast, name):
    clip = cast["Ana"]["enroll"][0]
    for household, member in (("home", name), (name, "Ana")):
        code, _, err = spkid("enroll", clip, "--household", household, "--member", member, CONSENT)
        assert code == 2
        assert f"the name {name!r}, which answers and tables use" in err
    assert rows(spkid) == []


@pytest.mark.parametrize("name", ["A\u200bna", "A\u0007na", "\u2060"])
def test_a_name_that_only_seems_to_be_another_is_refused(store, model, name):
    for act in (
        lambda: Household(store, "home", model=model).session(name, consent=True),
        lambda: Household(store, name, model=model),
    ):
        with pytest.raises(SpkidError) as caught:
            act()
        assert caught.value.code == "bad_name"


@pytest.mark.parametrize("name", ["\u0410na", "Unkn\u043ewn", "\u0391na Maria", "Jos\u0435\u0301"])
def test_letters_of_another_script_do_not_pass_for_a_name(spkid, cast, name):
    clip = cast["Ana"]["enroll"][0]
    for household, member in (("home", name), (name, "Ana")):
        code, _, err = spkid("enroll", clip, "--household", household, "--member", member, CONSENT)
        assert code == 2
        assert "mixes Latin, Greek or Cyrillic letters" in err
    assert rows(spkid) == []


@pytest.mark.parametrize(
    "name",
    [
        "\u0410\u043d\u043d\u0430",
        "\u0386\u03bd\u03bd\u03b1",
        "Anna \u0410\u043d\u043d\u0430",
        "\u7530\u4e2d Ana",
        "Zo\u00eb 2",
        "O\u2019Neil-\u00d1",
    ],
)
def test_names_in_any_script_are_names(name):
    assert new_name(name) == name
