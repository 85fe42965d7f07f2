"""Names: how one is kept, which look alike, which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.names import is_reserved, name_key, new_name, tidy_name
from spkid import SpkidError


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Ana", "ANA"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("Ana  Maria", " ana\u00a0maria "),
        ("Stra\u00dfe", "STRASSE"),
        ("\uff21na", "Ana"),  # full width
        ("\ufb01n", "fin"),  # a ligature
        ("Ana\ufe0f", "Ana"),  # a selector of a glyph's form
        (
            "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
            "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3",
        ),
    ],
)
def test_look_alikes_have_one_key(first, second):
    assert name_key(first) == name_key(second)


@pytest.mark.parametrize(("first", "second"), [("Ana", "Anna"), ("Zoe", "Zo\u00eb"), ("A B", "AB")])
def test_other_names_have_other_keys(first, second):
    assert name_key(first) != name_key(second)


def test_a_name_is_kept_composed_with_single_blanks():
    assert tidy_name(" Zoe\u0308 \u00a0 Ana\n") == "Zo\u00eb Ana"
    assert tidy_name("Ana") == "Ana"  # the case stays


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a" * 81,
        "A\u200bna",
        "Ana\u200d",
        "a\x00b",
        "a\x1bb",
        "a\nb",
        "\u3164",
        "\u202eAna",
    ],
)
def test_what_nobody_can_see_is_refused(name):
    with pytest.raises(SpkidError) as caught:
        tidy_name(name)
    assert caught.value.code == "bad_name"


@pytest.mark.parametrize(
    "name",
    ["unknown", "Unknown", " None", "NONE", "null", "N/A", "too short", "no_speech", "<Guest>"],
)
def test_reserved_words_are_refused_for_new_names(name):
    assert is_reserved(name)
    assert tidy_name(name) == name.strip()  # an older store may have one
    with pytest.raises(SpkidError) as caught:
        new_name(name)
    assert caught.value.code == "reserved_name"


@pytest.mark.parametrize("name", ["Nan", "Na", "Nil", "Allan", "Unknown Ana", "home"])
def test_names_of_people_are_not_reserved(name):
    assert new_name(name) == name


@given(st.text(max_size=40))
def test_keeping_a_name_changes_neither_its_key_nor_itself_again(name):
    try:
        tidy = tidy_name(name)
    except SpkidError:
        return
    assert name_key(tidy) == name_key(name)
    assert tidy_name(tidy) == tidy
    assert name_key(name_key(name)) == name_key(name)
