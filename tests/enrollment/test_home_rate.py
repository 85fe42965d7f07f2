"""A home's own threshold: by hand, on real clips, and refused where members overlap."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.home_rate import (
    PRIOR_CLIPS,
    HomeRate,
    OwnTrials,
    choose_rate,
    own_trials,
    shipped_rate,
)
from enrollment.profile import Exemplar, Member
from spkid import SpkidError
from spkid.encoder.hearing import hear
from spkid.scoring.posterior import known_log_odds, profile_vector
from spkid.scoring.scale import RATES


@pytest.fixture
def home(store, cast, model):
    own = Household(store, "home", model=model)
    for name in ("Ana", "Ben", "Leo"):
        own.enroll(name, cast[name]["enroll"], consent=True)
    return own


def trials(impostor_rates, overlaps=None) -> OwnTrials:
    return OwnTrials(np.array(impostor_rates), np.array([0.005]), overlaps or {})


def test_the_rate_is_the_lowest_that_accepts(calibration):
    for speech_s in (0.7, 1.7, 5.0):
        for rate in (0.005, 0.013, 0.2):
            threshold = float(calibration.household_threshold(rate, speech_s=speech_s))
            assert shipped_rate(threshold, speech_s, calibration) == pytest.approx(rate)
    assert shipped_rate(-50.0, 2.0, calibration) == math.inf
    assert shipped_rate(50.0, 2.0, calibration) == RATES[0]


def test_own_clips_correct_the_shipped_rate_by_their_weight():
    nobody = choose_rate(trials([math.inf] * 20), 0.05)
    assert nobody == pytest.approx(0.05 * (20 + PRIOR_CLIPS) / PRIOR_CLIPS, rel=0.02)
    three_pass = choose_rate(trials([0.005] * 3 + [math.inf] * 17), 0.05)
    expected = (0.05 * (20 + PRIOR_CLIPS) - 3) / PRIOR_CLIPS
    assert three_pass == pytest.approx(expected, rel=0.02)
    assert three_pass < 0.05 < nobody


def test_what_cannot_be_held_is_refused():
    with pytest.raises(SpkidError, match="20 of 20 clips pass for another member"):
        choose_rate(trials([0.005] * 20), 0.01)
    with pytest.raises(SpkidError, match=r"Ana and Eva overlap.* 40 %"):
        choose_rate(trials([math.inf], {("Ana", "Eva"): 0.4, ("Eva", "Ana"): 0.1}), 0.05)
    with pytest.raises(SpkidError, match="range that was measured"):
        choose_rate(trials([math.inf]), 0.3)


def test_each_clip_is_left_out_of_what_it_is_held_against(home, calibration):
    members = home.members()
    found = own_trials(members, calibration)
    impostors, own = [], []
    for member in members:
        for clip in member.exemplars:
            sides = {
                other.name: [e.vector for e in other.exemplars if e is not clip]
                for other in members
            }
            llrs = {
                name: float(
                    calibration.log_likelihood_ratio(
                        clip.vector @ profile_vector(vectors), len(vectors), clip.speech_s
                    )
                )
                for name, vectors in sides.items()
            }

            def log_odds(llrs, vector):
                own = list(llrs.values())
                shifted = np.array(own) + calibration.home_term(vector, own)
                return float(known_log_odds(shifted, guest_prior=0.5))

            best = max(llrs, key=llrs.get)
            rate = shipped_rate(log_odds(llrs, clip.vector), clip.speech_s, calibration)
            own.append(rate if best == member.name else math.inf)
            del llrs[member.name]
            odds = log_odds(llrs, clip.vector)
            impostors.append(shipped_rate(odds, clip.speech_s, calibration))
    np.testing.assert_allclose(found.impostor_rates, impostors)
    np.testing.assert_allclose(found.own_rates, own)
    assert found.worst[1] == 0.0  # three people who sound nothing alike


def test_clips_by_telephone_are_held_to_the_threshold_of_telephones(home, calibration):
    """Else their margin would count twice: in the rate that the home chooses, and in decisions."""
    stricter = replace(calibration, narrowband_margin=8.0)
    by_telephone = [
        replace(
            member,
            exemplars=tuple(replace(clip, is_narrowband=True) for clip in member.exemplars),
        )
        for member in home.members()
    ]
    plain, mixed = own_trials(home.members(), stricter), own_trials(by_telephone, stricter)
    lifted = replace(
        calibration,
        household_thresholds=tuple(
            tuple(threshold + 8.0 for threshold in row) for row in calibration.household_thresholds
        ),
    )
    expected = own_trials(home.members(), lifted)
    np.testing.assert_allclose(mixed.impostor_rates, expected.impostor_rates)
    np.testing.assert_allclose(mixed.own_rates, expected.own_rates)
    assert (mixed.own_rates > plain.own_rates).any()


def test_a_score_that_is_nan_sets_no_threshold(home, calibration):
    damaged = copy.copy(calibration)
    object.__setattr__(damaged, "scale", (math.nan,) * 3)  # as no constructor lets it be
    with pytest.raises(SpkidError) as caught:
        own_trials(home.members(), damaged)
    assert caught.value.code == "not_finite"


def test_the_overlap_counts_comparisons_the_wrong_way_round(calibration):
    angles = {"Ana": (0.0, 0.1), "Eva": (0.05, 0.6)}
    one, other = np.eye(192)[:2]
    members = [
        Member(
            "home",
            name,
            "m",
            "",
            tuple(
                Exemplar(math.cos(a) * one + math.sin(a) * other, f"{name}{a}", 2.0, 30.0)
                for a in own
            ),
        )
        for name, own in angles.items()
    ]
    # against Eva: her own clips fit each other alone, Ana's both lie nearer to her mean
    assert own_trials(members, calibration).overlaps[("Ana", "Eva")] == 1.0


def test_identify_uses_it_until_the_home_changes(home, cast):
    chosen, _ = home.calibrate(0.01)
    assert home.own_rate(home.members()) == chosen
    # half a stranger's voice and half a member's: between the strictest threshold and the loosest
    clip = hear(cast["a neighbour's girl"]["heard"][1], home.model.encoder)
    leo = next(member.vector for member in home.members() if member.name == "Leo")
    mixed = next(
        unit
        for share in np.linspace(0, 1, 101)
        for unit in [profile_vector([(1 - share) * clip.vector, share * leo])]
        if home.identify(replace(clip, vector=unit), false_accept_rate=RATES[-1]).member
    )
    clip = replace(clip, vector=mixed.astype(np.float32))
    strict = HomeRate(0.01, RATES[0], chosen.model, chosen.exemplar_ids)
    loose = HomeRate(0.01, RATES[-1], chosen.model, chosen.exemplar_ids)
    for rate, status in ((strict, "unknown"), (loose, "known")):
        home.store.set_calibration("home", rate.to_json())
        assert home.identify(clip).status == status
        assert home.identify(clip, false_accept_rate=0.01).status == status
    assert home.identify(clip, false_accept_rate=0.005).status == "unknown"
    home.forget("Ben")
    assert home.own_rate(home.members()) is None
    assert home.identify(cast["Ana"]["heard"][0]).member == "Ana"


def test_one_person_under_two_names_is_refused(home, cast):
    other = Household(home.store, "twice", model=home.model)
    clips = [*cast["Leo"]["enroll"], *cast["Leo"]["heard"]]
    other.enroll("Leo", clips[:3], consent=True)
    with pytest.raises(SpkidError, match="one member"):
        other.calibrate()
    other.enroll("Tom", clips[3:], consent=True, another_person=True)
    with pytest.raises(SpkidError, match=r"Leo and Tom overlap|Tom and Leo overlap"):
        other.calibrate(0.05)
    assert home.store.calibration("twice") is None


def test_from_the_command_line(spkid, home, tmp_path):
    place = ("--store", tmp_path / "store.sqlite3", "--household", "home")
    code, out, err = spkid("calibrate", *place, "--far", "1%", "--plot", tmp_path / "c.svg")
    assert code == 0, err
    assert "0 of 9" in out
    assert "</svg>" in (tmp_path / "c.svg").read_text()
    figures = json.loads(spkid("calibrate", *place, "--far", "0.02", "--json")[1])
    assert figures["far"] == 0.02
    assert figures["shipped_rate"] >= 0.02
    with Store.open(tmp_path / "store.sqlite3") as opened:
        assert json.loads(opened.calibration("home"))["far"] == 0.02
    for words in (("--far", "much"), ("--far", "50%"), ("--plot", "c.pdf")):
        code, _, err = spkid("calibrate", *place, *words)
        assert code == 2
        assert err.startswith("spkid: ")
