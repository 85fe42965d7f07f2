"""How groups are written and cut, and whom they hold."""

from __future__ import annotations

import pandas as pd
import pytest

from spkid.audit.grouping import Part, attach_groups, group_names, members_of, parse_grouping
from spkid.errors import SpkidError


def names_of(text, **columns):
    n = len(next(iter(columns.values())))
    metadata = pd.DataFrame({"speaker": [f"s{row}" for row in range(n)], **columns})
    return group_names(metadata, parse_grouping(text)).tolist()


def test_what_is_written_is_what_is_meant():
    grouping = parse_grouping(" gender*age:18/65*snr:q4 ")
    assert grouping.name == "gender*age:18/65*snr:q4"
    assert grouping.parts == (
        Part("gender"),
        Part("age", edges=(18.0, 65.0)),
        Part("snr", n_parts=4),
    )
    assert grouping.columns == ("gender", "age", "snr")


@pytest.mark.parametrize("text", ["", "a*", "age:old", "age:65/18", "age:q1", "age:q", "age:1/1"])
def test_what_is_written_otherwise_is_refused(text):
    with pytest.raises(SpkidError, match="the group '"):
        parse_grouping(text)


def test_numbers_are_cut_at_the_edges():
    names = names_of("age:18/65", age=["7", "18", "64.5", "65", "", None])
    assert names == ["age under 18", "age 18 to 65", "age 18 to 65", "age from 65", "", ""]
    assert names_of("age", age=[7, 7, 9]) == ["7", "7", "9"]


def test_parts_hold_as_many_speakers_however_many_clips():
    clips = pd.DataFrame({"speaker": [*"abcd", *"a" * 20], "age": [1, 2, 3, 4, *[1] * 20]})
    names = group_names(clips, parse_grouping("age:q2"))
    assert names[:4].tolist() == ["age under 2.5"] * 2 + ["age from 2.5"] * 2


@pytest.mark.filterwarnings("error")
def test_where_no_number_is_known_there_are_no_parts():
    assert names_of("age:q4", age=["", ""]) == ["", ""]


def test_intersections_are_known_where_all_parts_are():
    names = names_of("gender*age_group", gender=["f", "m", ""], age_group=["child", "", "adult"])
    assert names == ["f, child", "", ""]


def test_a_word_among_numbers_is_refused():
    with pytest.raises(SpkidError, match="'old' in the column 'age'"):
        names_of("age:q2", age=["7", "old"])


@pytest.mark.parametrize(
    ("side", "expected"),
    [("both", ["f", None, None]), ("enroll", ["f", "f", "m"]), ("test", ["f", "m", None])],
)
def test_the_side_decides(side, expected):
    scores = pd.DataFrame(
        {
            "enroll": ["a", "a", "b"],
            "test": ["a", "b", "c"],
            "score": 0.0,
            "label": [True, False, False],
        }
    )
    people = pd.DataFrame({"speaker": [*"abc"], "gender": ["f", "m", ""]})
    grouping = parse_grouping("gender")
    trials, n_unmatched, unmatched = attach_groups(scores, people, (grouping,))
    found = members_of(trials, grouping, side).astype(object)
    assert found.where(found.notna(), None).tolist() == expected
    assert (n_unmatched, unmatched) == (0, ())
