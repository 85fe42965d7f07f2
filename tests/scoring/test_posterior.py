"""Posteriors and scores against the formulas of docs/methods.md, section 7, as loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from spkid.scoring.posterior import (
    household_llrs,
    known_log_odds,
    posteriors,
    profile_llrs,
    profile_vector,
)
from spkid.scoring.scale import USUAL_SPEECH_S, raw_cosines

PRIORS = (0.01, 0.3, 0.5, 0.9)


def naive_posteriors(llrs: list[float], guest_prior: float) -> list[float]:
    """P(k|x) = pi_k e^{s_k} / (pi_0 + sum_j pi_j e^{s_j}), the guest last."""
    share = (1 - guest_prior) / len(llrs)
    total = guest_prior + sum(share * math.exp(llr) for llr in llrs)
    return [share * math.exp(llr) / total for llr in llrs] + [guest_prior / total]


@pytest.mark.parametrize("guest_prior", PRIORS)
@pytest.mark.parametrize("n_members", [1, 2, 7])
def test_posteriors_are_the_formula(guest_prior, n_members):
    llrs = np.random.default_rng(n_members).normal(0, 4, (3, 5, n_members))
    result = posteriors(llrs, guest_prior=guest_prior)
    assert result.shape == (3, 5, n_members + 1)
    for index in np.ndindex(3, 5):
        expected = naive_posteriors(llrs[index].tolist(), guest_prior)
        np.testing.assert_allclose(result[index], expected, rtol=1e-12)
    np.testing.assert_allclose(result.sum(axis=-1), 1)


@pytest.mark.parametrize("guest_prior", PRIORS)
def test_known_log_odds_are_members_against_guest(guest_prior):
    llrs = np.random.default_rng(0).normal(0, 4, (20, 4))
    shares = posteriors(llrs, guest_prior=guest_prior)
    expected = np.log(shares[:, :-1].max(axis=1) / shares[:, -1])
    np.testing.assert_allclose(known_log_odds(llrs, guest_prior=guest_prior), expected)


def test_without_evidence_the_posterior_is_the_prior():
    result = posteriors([0.0, 0.0, 0.0], guest_prior=0.4)
    np.testing.assert_allclose(result, [0.2, 0.2, 0.2, 0.4])
    assert known_log_odds([0.0, 0.0, 0.0], guest_prior=0.4) == pytest.approx(math.log(0.2 / 0.4))


def test_far_scores_do_not_overflow():
    result = posteriors([[1000.0, -1000.0], [-1000.0, -1000.0]], guest_prior=0.5)
    np.testing.assert_array_equal(result, [[1, 0, 0], [0, 0, 1]])
    odds = known_log_odds([[1000.0, -1000.0], [-1000.0, -1000.0]], guest_prior=0.5)
    np.testing.assert_allclose(odds, [1000 - math.log(2), -1000 - math.log(2)])


def test_the_input_is_left_as_it_was():
    llrs = np.array([1.0, -2.0])
    posteriors(llrs, guest_prior=0.3)
    np.testing.assert_array_equal(llrs, [1.0, -2.0])


def test_a_profile_is_the_unit_vector_of_the_mean():
    exemplars = np.random.default_rng(1).normal(size=(4, 6))
    mean = [sum(row[column] for row in exemplars) / 4 for column in range(6)]
    length = math.sqrt(sum(value**2 for value in mean))
    profile = profile_vector(exemplars)
    np.testing.assert_allclose(profile, [value / length for value in mean])
    assert np.linalg.norm(profile) == pytest.approx(1)
    np.testing.assert_allclose(profile_vector([[0.0, 5.0]]), [0, 1])


def test_members_who_are_alike_are_a_home_to_be_careful_in():
    """In a calibration of an earlier release."""
    axes = np.eye(4)
    like = np.array([axes[0], axes[0] * 0.8 + axes[1] * 0.6, axes[0] * 0.6 + axes[2] * 0.8])
    own = replace(raw_cosines("m"), usual_likeness=0.1, likeness_scale=-10.0)
    # cosines 0.8, 0.6, 0.48; three pairs of their own and three of the usual
    assert own.likeness(like) == pytest.approx((0.8 + 0.6 + 0.48 - 3 * 0.1) / 6)
    assert own.likeness(axes[:1]) == 0  # one member has nobody to be like
    assert own.likeness(axes[:2]) == pytest.approx(-0.1 / 4)
    alike, _ = household_llrs(axes[3], like, [3] * 3, own)
    without, _ = household_llrs(axes[3], like, [3] * 3, replace(own, likeness_scale=0.0))
    np.testing.assert_allclose(alike, without - 10 * own.likeness(like))


def test_a_clip_that_comes_near_to_all_members_is_a_stranger_s(calibration):
    own = replace(raw_cosines("m"), usual_company=-2.0, company_scale=-0.5, size_scale=0.25)
    # the other two members have 1 and -1; the usual company counts as two members more
    assert own.company([1.0, -1.0, 7.0]) == pytest.approx((1.0 - 1.0 + 2 * 2.0) / 4)
    assert own.company([-9.0]) == 0  # one member has no company
    assert own.home_term([0.0], [1.0, -1.0, 7.0]) == pytest.approx(-0.5 + 0.25 * math.log(3))
    assert calibration.company_scale < 0


def test_strangers_come_near_where_a_voice_is_far_from_the_middle_of_all(calibration):
    own = replace(
        raw_cosines("m"), landmarks=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), centrality_scale=3.0
    )
    assert own.centrality([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) == pytest.approx([0.5**0.5, 0.0])
    assert own.home_term([1.0, 0.0, 0.0], [0.0]) == pytest.approx(3 * 0.5**0.5)
    np.testing.assert_array_equal(raw_cosines("m").centrality(np.eye(3)), np.zeros(3))
    assert calibration.centrality_scale > 0


def test_household_llrs_are_of_each_pair(calibration):
    rng = np.random.default_rng(2)
    probes, profiles = rng.normal(size=(2, 3, 192)), rng.normal(size=(4, 192))
    probes /= np.linalg.norm(probes, axis=-1, keepdims=True)
    profiles /= np.linalg.norm(profiles, axis=-1, keepdims=True)
    n_clips = [1, 2, 3, 9]
    for used in (calibration, raw_cosines("another")):
        llrs, cosines = household_llrs(probes, profiles, n_clips, used, USUAL_SPEECH_S)
        alone, same = profile_llrs(probes, profiles, n_clips, used, USUAL_SPEECH_S)
        assert llrs.shape == cosines.shape == (2, 3, 4)
        np.testing.assert_array_equal(cosines, same)
        for probe in np.ndindex(2, 3):
            for member in range(4):
                cosine = sum(a * b for a, b in zip(probes[probe], profiles[member], strict=True))
                row = min(n_clips[member], 3) - 1
                assert cosines[*probe, member] == pytest.approx(cosine)
                crowding = used.crowding(probes[probe])
                expected = used.scale[row] * cosine + used.offset[row]
                crowded = expected + used.crowding_scale * crowding
                assert alone[*probe, member] == pytest.approx(crowded)
                if used is calibration:
                    own = [
                        used.scale[min(n, 3) - 1] * c + used.offset[min(n, 3) - 1]
                        for n, c in zip(n_clips, cosines[probe], strict=True)
                    ]
                    expected += used.home_offset + used.size_scale * math.log(4)
                    expected += used.centrality_scale * used.centrality(probes[probe])
                    others = sorted(own)[:3]
                    expected += used.company_scale * (sum(others) - 3 * used.usual_company) / 5
                assert llrs[*probe, member] == pytest.approx(expected)
