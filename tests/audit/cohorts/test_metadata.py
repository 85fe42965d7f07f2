"""What is known of speakers: one value each, and who is over-represented."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from spkid.audit.cohorts.metadata import as_numbers, by_speaker, in_words, over_representation
from spkid.errors import SpkidError


def test_each_speaker_has_one_value_or_none():
    clips = pd.DataFrame(
        [
            ("b", "f", "1.5", "x"),
            ("b", "f", "2.5", "y"),
            ("a", "m", "7", ""),
            ("c", "", "", "z"),
            *[("d", "m", str(age), "x") for age in (3, 4, 5, 6)],
        ],
        columns=["speaker", "gender", "length", "room"],
    )
    table = by_speaker(clips, ["gender", "length", "room"], ["a", "b", "c", "e"])
    assert table.to_dict("list") == {
        "gender": ["m", "f", "", ""],
        "length": ["7", "2", "", ""],  # numbers: the mean of the clips
        "room": ["", "", "z", ""],  # two rooms: unknown
    }
    with pytest.raises(SpkidError, match="without the column dialect"):
        by_speaker(clips, ["dialect"], ["a"])


def test_a_few_numbers_are_categories_and_many_a_scale():
    assert as_numbers(pd.Series(["1", "2", "3", "1"])) is None
    assert as_numbers(pd.Series([*map(str, range(9)), "teens"])) is None
    numbers = as_numbers(pd.Series([*map(str, range(9)), ""]))
    assert list(numbers[:9]) == list(range(9))
    assert math.isnan(numbers[9])


def test_a_scale_is_cut_at_its_quartiles():
    words = in_words(pd.Series([*map(str, range(1, 10)), ""]))
    assert list(words) == [
        *["1 to 3"] * 2,
        *["3 to 5"] * 2,
        *["5 to 7"] * 2,
        *["7 to 9"] * 3,
        "",
    ]


def test_ratios_by_hand():
    """Six of eight inside against three of twelve outside; a third value of two is left out."""
    values = ["f"] * 6 + ["m"] * 2 + ["f"] * 3 + ["m"] * 7 + ["x"] * 2 + [""]
    inside = np.arange(21) < 8
    table = over_representation(pd.DataFrame({"gender": values}), inside)
    assert list(table["value"]) == ["f", "m"]
    first = table.iloc[0]
    assert (first["n_inside"], first["share_inside"], first["share_others"]) == (6, 0.75, 0.25)
    ratio = (6.5 / 8.5) / (3.5 / 12.5)
    deviation = math.sqrt(1 / 6.5 - 1 / 8.5 + 1 / 3.5 - 1 / 12.5)
    assert first["ratio"] == pytest.approx(ratio)
    # 2.2414 is the normal quantile for two intervals that hold together in 95 %
    assert first["low"] == pytest.approx(ratio * math.exp(-2.2414 * deviation), rel=1e-4)
    assert first["high"] == pytest.approx(ratio * math.exp(2.2414 * deviation), rel=1e-4)


def test_intervals_hold_where_nothing_is():
    """Some interval leaves out one in at most 5 % of tables; more than nine of 80: 0.6 %."""
    wrong = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(
            {"a": rng.choice(list("xyz"), 200), "b": rng.normal(size=200).astype(str)}
        )
        found = over_representation(table, rng.random(200) < 0.2)
        wrong += ((found["low"] > 1) | (found["high"] < 1)).any()
    assert wrong <= 9


def test_a_column_known_of_one_side_only_says_nothing():
    table = pd.DataFrame({"gender": ["f"] * 5 + [""] * 5})
    assert over_representation(table, np.arange(10) < 5).empty
    assert list(over_representation(table, np.arange(10) < 5).columns)[-2:] == ["low", "high"]
