"""Tests between groups against scipy's, and Holm's correction by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spkid.audit.statistics.differences import difference, holm
from spkid.audit.statistics.intervals import Clusters, Estimate, combined


def of_speakers(values, start=0, n_all=60, scale="identity"):
    """The estimate of a mean with one trial a speaker."""
    speakers = np.arange(start, start + len(values))
    residuals = (values - values.mean()) / len(values)
    spread = Clusters.of(speakers, speakers, n_all).spread(residuals)
    return combined(float(values.mean()), scale, (spread,))


def test_two_groups_are_compared_as_welch_does_with_the_fewer_degrees():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.7, 1, 20), rng.normal(0, 2, 30)
    found = difference(of_speakers(one), [of_speakers(other, 20)])
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(welch.statistic), 19))
    assert found.p > welch.pvalue
    error = abs(found.value / welch.statistic)
    reach = stats.t.ppf(0.975, 19) * error
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))
    assert found.value == pytest.approx(one.mean() - other.mean())


def test_groups_that_share_speakers_do_not_make_the_mean_of_them_surer():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=20), rng.normal(size=30)
    alone = difference(of_speakers(one), [of_speakers(other, 20)])
    twice = difference(of_speakers(one), [of_speakers(other, 20)] * 2)
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
    fresh = of_speakers(other, 60, n_all=110)
    apart = difference(of_speakers(one, n_all=110), [of_speakers(other, 20, n_all=110), fresh])
    assert apart.high - apart.low < 0.95 * (alone.high - alone.low)


def test_speakers_on_both_sides_are_not_counted_as_different_ones():
    rng = np.random.default_rng(1)
    one = rng.normal(size=40)
    other = one + rng.normal(0.2, 0.1, 40)
    shared = difference(of_speakers(other), [of_speakers(one)])
    paired = stats.ttest_rel(other, one)
    limits = paired.confidence_interval()
    assert shared.low == pytest.approx(limits.low, abs=0.01)
    assert shared.high == pytest.approx(limits.high, abs=0.01)
    assert shared.p < 1e-6 < stats.ttest_ind(other, one).pvalue


def test_rates_keep_their_intervals_inside_what_rates_can_be():
    none, some = (Estimate(p, 0.01 * (p > 0), 20, 19, np.zeros(3), "logit") for p in (0.0, 0.02))
    found = difference(some, [none])
    assert -1 < found.low < 0 < found.high < 0.1
    assert 0.05 < found.p < 1


def test_the_mean_of_the_others_counts_every_group_once():
    rates = [Estimate(p, 0.01, 31, 30, np.zeros(3), "logit") for p in (0.3, 0.1, 0.2)]
    found = difference(rates[0], rates[1:])
    assert found.value == pytest.approx(0.15)
    assert found.low < 0.15 < found.high
    assert found.high - found.low == pytest.approx(2 * 2.0 * np.sqrt(1.5e-4), rel=0.05)
    assert found.p < 1e-6


def test_what_is_not_known_is_not_tested():
    known, unknown = (Estimate(p, p, 10, 9, np.zeros(3), "logit") for p in (0.1, np.nan))
    assert np.isnan(difference(known, [unknown]).p)
    assert np.isnan(difference(unknown, [known]).value)


def test_holm_by_hand():
    # sorted 0.01, 0.03, 0.04 -> 3 * 0.01, 2 * 0.03, then at least as much as the one before
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm([0.6, np.nan, 0.5]), [1, np.nan, 1])
    assert len(holm([])) == 0
