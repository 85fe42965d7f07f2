"""Two models asked one after the other, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.both_models import Answers, Trial
from benchmarks.model.bundle_both import fitted, mean_rates
from spkid import SpkidError
from spkid.scoring.limits import Limits


def answers(over, apart, right) -> Answers:
    named = (np.array(over) >= 0) & (np.array(apart) >= 1.39)
    return Answers(np.array(over, float), np.array(apart, float), named, np.array(right, bool))


# members: sure; sure and wrong; unsure; sure, but nobody's to say | guests: surely none; let in
IS_GUEST = np.array([False, False, False, False, True, True])
SMALL = answers([5, 5, 0.5, 5, -5, 5], [9, 9, 9, 9, 9, 9], [1, 0, 1, 1, 0, 0])
ACCURATE = answers([9, 9, 9, -9, -9, -9], [9, 9, 9, 9, 9, 9], [1, 1, 1, 1, 0, 0])
TRIAL = Trial(IS_GUEST, SMALL, ACCURATE, np.array([True, True, True, False, True, True]))
LIMITS = Limits(2.0, 2.0, 2.0, "small", "accurate", "nobody")


def test_rates_are_those_of_whoever_answers():
    stands = TRIAL.stands(LIMITS)
    assert stands.tolist() == [True, True, False, False, True, True]
    assert TRIAL.rates(stands) == pytest.approx(
        {"asked": 1 / 3, "missed": 1 / 2, "guests": 1 / 2, "confused": 1 / 4}
    )
    np.testing.assert_allclose(mean_rates([[TRIAL, TRIAL]], None), [[1.0, 1 / 4, 0.0, 0.0]])


def test_a_part_is_of_some_clips():
    some = TRIAL.part(np.array([True, False, False, False, True, False]))
    assert some.rates(some.stands(LIMITS)) == dict.fromkeys(
        ("asked", "missed", "guests", "confused"), 0.0
    )
    assert some.small.over.tolist() == [5, -5]


def test_the_limits_that_ask_least_within_the_tolerance_are_taken():
    rows = np.array([True, False, True, False, True, False])  # where the small one is right
    trial = TRIAL.part(rows)
    limits = fitted([[trial], [trial]], "s", "a", [0.0])[0.0]
    assert (limits.small, limits.accurate) == ("s", "a")
    assert trial.rates(trial.stands(limits))["asked"] == 0
    wrong = TRIAL.part(np.array([False, True, False, False, False, True]))
    limits = fitted([[trial], [wrong]], "s", "a", [0.0])[0.0]
    assert not wrong.stands(limits).any()  # in homes of each kind
    assert 0 < trial.rates(trial.stands(limits))["asked"] < 1
    with pytest.raises(SpkidError, match="limits for 0 of 1 tolerances"):
        fitted([[wrong]], "s", "a", [0.0])
