"""When the answer of a small model stands."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from spkid import SpkidError
from spkid.scoring.limits import Limits

LIMITS = Limits(2.0, 3.0, 4.0, "small", "accurate", "nobody")


def test_a_name_must_be_over_the_threshold_and_before_the_next_member():
    over = [2.0, 1.9, 9.0, 2.0, 0.0]
    apart = [4.0, 9.0, 3.9, math.inf, math.inf]
    assert LIMITS.hold(over, apart).tolist() == [True, False, False, True, False]


def test_a_stranger_must_be_below_the_threshold_whoever_comes_first():
    assert LIMITS.hold([-3.0, -2.9, -9.0], [0.0, 9.0, 9.0]).tolist() == [True, False, True]


def test_at_the_threshold_itself_nobody_is_a_stranger():
    loose = Limits(0.0, 0.0, 4.0, "small", "accurate", "nobody")
    assert loose.hold([0.0, 0.0, -1e-9], [4.0, 3.0, 0.0]).tolist() == [True, False, True]


def test_nan_never_stands():
    over, apart = np.meshgrid([np.nan, -9.0, 9.0], [np.nan, 9.0])
    assert LIMITS.hold(over, apart).tolist() == [[False, True, False], [False, True, True]]


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, "2", None, True])
def test_limits_are_finite_numbers(wrong):
    with pytest.raises(SpkidError, match="no finite numbers"):
        Limits(2.0, wrong, 4.0, "small", "accurate", "nobody")


def test_they_come_back_from_their_file_and_nothing_else_does(tmp_path):
    place = tmp_path / "limits.json"
    LIMITS.save(place)
    assert Limits.load(place) == LIMITS
    with pytest.raises(SpkidError, match="no such file"):
        Limits.load(tmp_path / "none.json")
    right = json.loads(place.read_text())
    for text in ("", "[]", json.dumps(right | {"above": -1}), json.dumps(right | {"over": 1.0})):
        place.write_text(text)
        with pytest.raises(SpkidError, match="limits that cannot be used"):
            Limits.load(place)
