"""Decisions on planted vectors, against the posterior written out by hand."""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import numpy as np
import pytest

from enrollment.company import decide_clip
from enrollment.matching import decide, unlike_others
from enrollment.profile import Exemplar, Member
from enrollment.verification import verify_member
from spkid.audio.speech import Quality
from spkid.encoder.hearing import Heard
from spkid.scoring.calibration import Calibration

CALIBRATION = Calibration(
    model="m1",
    guest_prior=0.5,
    scale=(20.0, 20.0, 20.0),
    offset=(-10.0, -10.0, -10.0),
    duration_scale=2.0,
    duration_offset=-1.5,
    landmarks=(),
    usual_crowding=0.0,
    crowding_scale=0.0,
    pair_thresholds=(((4.0, 3.0, 2.0, 1.0, 0.0, -1.0),) * 3,) * 3,
    household_thresholds=((4.0, 3.0, 2.0, 1.0, 0.0, -1.0),) * 3,
    trained_on="nothing",
)
AXES = np.eye(192, dtype=np.float32)


def member(name: str, *vectors: np.ndarray, n_narrow: int = 0) -> Member:
    own = tuple(
        Exemplar(vector, f"{name}{i}", 4.0, 30.0, is_narrowband=i < n_narrow)
        for i, vector in enumerate(vectors)
    )
    return Member("home", name, "m1", "2026-01-01T00:00:00+00:00", own)


def towards(cosine_a: float, cosine_b: float) -> np.ndarray:
    """A unit vector with these cosines to the first two axes."""
    rest = math.sqrt(1 - cosine_a**2 - cosine_b**2)
    return (cosine_a * AXES[0] + cosine_b * AXES[1] + rest * AXES[2]).astype(np.float32)


def answer(probe: np.ndarray, *members: Member, speech_s: float = 2.0):
    return decide(probe, members, CALIBRATION, false_accept_rate=0.05, speech_s=speech_s)


ANA, BEN = member("Ana", AXES[0]), member("Ben", AXES[1])


def test_known_with_the_posterior_by_hand():
    decision = answer(towards(0.8, 0.3), ANA, BEN)
    odds = [0.25 * math.exp(20 * 0.8 - 10), 0.25 * math.exp(20 * 0.3 - 10), 0.5]
    assert decision.status == "known"
    assert decision.member == "Ana"
    assert decision.is_known
    assert decision.p_member == pytest.approx(odds[0] / sum(odds), rel=1e-5)
    assert decision.p_stranger == pytest.approx(odds[2] / sum(odds), rel=1e-5)
    assert decision.margin == pytest.approx((odds[0] - odds[1]) / sum(odds), rel=1e-5)
    assert decision.cosine == pytest.approx(0.8, abs=1e-6)
    assert [candidate.member for candidate in decision.candidates] == ["Ana", "Ben"]


def test_stranger_is_unknown_and_unnamed():
    decision = answer(towards(0.4, 0.3), ANA, BEN)
    odds = [0.25 * math.exp(-2), 0.25 * math.exp(-4), 0.5]
    assert (decision.status, decision.member) == ("unknown", None)
    assert not decision.is_known
    assert decision.p_stranger == pytest.approx(0.5 / sum(odds), rel=1e-5)
    assert decision.p_member == pytest.approx(odds[0] / sum(odds), rel=1e-5)


def test_two_close_members_are_ambiguous():
    decision = answer(towards(0.69, 0.68), ANA, BEN)
    assert (decision.status, decision.member) == ("ambiguous", None)
    assert decision.candidates[0].member == "Ana"


@pytest.mark.parametrize(
    ("nats", "status"), [(math.log(3.99), "ambiguous"), (math.log(4.01), "known")]
)
@pytest.mark.parametrize("cosine", [0.6, 0.7])
def test_the_margin_is_of_posterior_odds(nats, status, cosine):
    """Four to one, however likely both are, and whatever their share of the probability."""
    decision = answer(towards(cosine, cosine - nats / 20), ANA, BEN)
    assert decision.status == status
    first, second = decision.candidates
    assert first.probability / second.probability == pytest.approx(math.exp(nats), rel=1e-4)


def test_the_same_cosine_is_less_sure_in_a_shorter_clip():
    probe = towards(0.85, 0.1)
    sure = {speech_s: answer(probe, ANA, BEN, speech_s=speech_s) for speech_s in (0.7, 2.0, 4.0)}
    for speech_s, decision in sure.items():
        folds = math.log(min(speech_s, 2.8) / 2)
        ratios = [math.exp((20 + 2 * folds) * c - 10 - 1.5 * folds) for c in (0.85, 0.1)]
        odds = [0.25 * ratio for ratio in ratios]
        assert decision.p_member == pytest.approx(odds[0] / (sum(odds) + 0.5), rel=1e-5)
    assert sure[0.7].p_member < sure[2.0].p_member < sure[4.0].p_member


def test_stricter_rate_turns_known_into_unknown():
    probe = towards(0.62, 0.1)  # known log odds of about 1.7: between the 5 % and 1 % thresholds
    assert answer(probe, ANA, BEN).status == "known"
    strict = decide(probe, [ANA, BEN], CALIBRATION, false_accept_rate=0.01, speech_s=2.0)
    assert strict.status == "unknown"


@pytest.mark.parametrize(
    ("n_narrow", "margin", "status"),
    [
        (2, 0.6, "known"),
        (2, 0.8, "unknown"),
        (1, 1.2, "known"),
        (1, 1.6, "unknown"),
        (0, 9, "known"),
    ],
)
def test_by_telephone_the_threshold_is_higher_for_who_enrolled_by_telephone(
    n_narrow, margin, status
):
    probe = towards(0.62, 0.1)  # known log odds of about 1.7, threshold of 1
    stricter = dataclasses.replace(CALIBRATION, narrowband_margin=margin)
    home = [member("Ana", AXES[0], AXES[0], n_narrow=n_narrow), member("Ben", AXES[1], n_narrow=1)]
    ask = partial(decide, probe, home, stricter, false_accept_rate=0.05, speech_s=2.0)
    assert ask(is_narrowband=True).status == status
    assert ask().status == "known"
    assert ask(is_narrowband=True).p_member == ask().p_member


@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_a_heard_clip_says_whether_it_came_by_telephone(margin):
    """In a home, and against one member."""
    stricter = dataclasses.replace(CALIBRATION, narrowband_margin=margin)
    ana = member("Ana", AXES[0], n_narrow=1)
    told = {}
    for is_narrowband in (False, True):
        quality = Quality(2.0, 2.0, -20.0, 0.0, 30.0, "ok", 1.0, is_narrowband)
        clip = Heard("clip", quality, "0", towards(0.62, 0.1))
        asked = {"false_accept_rate": 0.05}
        told[is_narrowband] = (
            decide_clip(clip, [ana, BEN], stricter, **asked).is_known,
            verify_member(ana, clip, stricter, **asked).same,
            verify_member(ANA, clip, stricter, **asked).same,
        )
    is_same = margin == 0.0
    assert told == {False: (True, True, True), True: (is_same, is_same, True)}


def test_one_member_has_no_rival():
    decision = answer(towards(0.8, 0.0), ANA)
    assert decision.status == "known"
    assert decision.margin == decision.p_member


def test_percent_needs_speech_and_clips():
    one_long = member("Ana", AXES[0])
    one_long = dataclasses.replace(
        one_long, exemplars=(dataclasses.replace(one_long.exemplars[0], speech_s=60.0),)
    )
    assert one_long.percent == 33
    assert one_long.speech_needed_s == 0.0
    three = member("Ana", AXES[0], AXES[1], AXES[2])
    assert three.percent == 60
    assert three.speech_needed_s == 8.0


def test_profile_is_the_unit_mean_of_all_exemplars():
    mean = member("Ana", AXES[0], AXES[1]).vector
    np.testing.assert_allclose(mean[:2], [math.sqrt(0.5)] * 2, atol=1e-7)


def left_out(vectors, enrolled, speech_s=2.0):
    return unlike_others(vectors, enrolled, CALIBRATION, speech_s=[speech_s] * len(vectors))


def test_unlike_others_names_the_odd_one_out():
    near = [towards(0.95, 0.05), towards(0.95, 0.1), towards(0.95, -0.05)]
    assert left_out([*near, AXES[5]], []) == [False, False, False, True]
    assert left_out([AXES[5]], near) == [True]
    assert left_out([near[0]], near[1:]) == [False]
    assert left_out(near, []) == [False] * 3


def test_unlike_others_alone_or_two_that_disagree():
    assert left_out([AXES[5]], []) == [False]
    assert left_out([AXES[0], AXES[5]], []) == [False, True]
    assert left_out([], [AXES[0]]) == []


def test_unlike_others_counts_the_speech_in_a_clip():
    # 20 * 0.505 - 10 is above zero at two seconds; log(1.4) * (2 * 0.505 - 1.5) takes it below
    near = towards(0.505, 0.0)
    assert left_out([near], [AXES[0]]) == [False]
    assert left_out([near], [AXES[0]], speech_s=2.8) == [True]
