"""Measures between groups against cases worked by hand, and what their intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audit.statistics.measures import (
    MEASURES,
    Worlds,
    fdr,
    garbe,
    gini,
    inequity_rate,
    measure_interval,
)

MATCH, NON_MATCH = np.array([0.01, 0.03]), np.array([0.2, 0.1])
MEASURE = {measure.name: measure for measure in MEASURES}


def test_garbe_by_hand():
    # two groups: 2 / 1 * (2 * 0.02) / (2 * 4 * 0.02) = 1/2, and 2 * (2 * 0.1) / (8 * 0.15) = 1/3
    assert gini(MATCH) == pytest.approx(1 / 2)
    assert gini(NON_MATCH) == pytest.approx(1 / 3)
    assert garbe(MATCH, NON_MATCH, 0.5) == pytest.approx(5 / 12)
    assert garbe(MATCH, NON_MATCH, 0.9) == pytest.approx(0.9 / 2 + 0.1 / 3)
    # three groups, one of which has all errors: as far apart as can be
    assert gini(np.array([0, 0.3, 0])) == pytest.approx(1)
    assert gini(np.full(5, 0.2)) == pytest.approx(0)
    assert gini(np.zeros(4)) == 0


def test_fdr_and_inequity_rate_by_hand():
    assert fdr(MATCH, NON_MATCH, 0.5) == pytest.approx(1 - (0.02 + 0.1) / 2)
    assert fdr(MATCH, NON_MATCH, 1.0) == pytest.approx(0.98)
    assert inequity_rate(MATCH, NON_MATCH, 0.5) == pytest.approx(np.sqrt(3 * 2))
    assert inequity_rate(MATCH, NON_MATCH, 0.0) == pytest.approx(2)
    assert np.isnan(inequity_rate(np.array([0.0, 0.1]), NON_MATCH, 0.5))


def test_gap_ratio_and_deviation_by_hand():
    rates = np.array([0.1, 0.4, 0.1])
    assert MEASURE["gap"].of(rates, alpha=0.5) == pytest.approx(0.3)
    assert MEASURE["ratio"].of(rates, alpha=0.5) == pytest.approx(4)
    assert MEASURE["standard_deviation"].of(rates, alpha=0.5) == pytest.approx(np.sqrt(0.03))


def test_gini_is_the_double_sum():
    rng = np.random.default_rng(0)
    values = rng.random((6, 3, 4))
    for place in np.ndindex(3, 4):
        own = values[(slice(None), *place)]
        apart = sum(abs(one - other) for one in own for other in own)
        assert gini(values)[place] == pytest.approx(6 / 5 * apart / (2 * 36 * own.mean()))


def world(centres, errors, *, scale="identity", seed=0, n_resamples=800):
    draws = np.random.default_rng(seed).normal(size=(len(centres), n_resamples))
    return Worlds.around(np.array(centres), np.array(errors), draws, scale=scale)


def test_worlds_go_from_together_to_far_apart_through_what_was_seen():
    made = world([0.0, 1.0, 2.0], [0.1] * 3)
    np.testing.assert_allclose(made.true[:, 0], 1)
    np.testing.assert_allclose(made.true.mean(axis=0), 1)
    spread = np.ptp(made.true, axis=0)
    assert (np.diff(spread) > 0).all()
    assert spread[-1] > 2
    np.testing.assert_allclose(made.seen.mean(axis=2), made.true, atol=0.02)


def test_groups_that_look_all_alike_may_yet_differ():
    made = world([1.0, 1.0], [0.2, 0.2])
    low, high = measure_interval(MEASURE["gap"], 0.05, [made], alpha=0.5)
    assert low == 0
    assert high > 0.2


def test_an_undefined_measure_has_no_interval():
    assert np.isnan(measure_interval(MEASURE["ratio"], np.nan, [], alpha=0.5)).all()


@pytest.mark.parametrize(("truth", "least"), [((0.0, 0.0, 0.0), 0.93), ((0.0, 0.5, 1.5), 0.9)])
def test_the_interval_of_a_gap_covers_it(truth, least):
    """A plain resample of the gap covers zero never and is too large elsewhere."""
    rng = np.random.default_rng(1)
    errors, covered, resampled = [0.3, 0.3, 0.3], [], []
    for seed in range(200):
        seen = np.array(truth) + rng.normal(0, errors)
        gap = np.ptp(seen)
        made = world(seen, errors, seed=seed, n_resamples=200)
        low, high = measure_interval(MEASURE["gap"], gap, [made], alpha=0.5)
        assert low <= gap <= high
        covered.append(low <= np.ptp(truth) <= high)
        noisy = np.ptp(seen[:, None] + rng.normal(0, 0.3, (3, 200)), axis=0)
        resampled.append(np.quantile(noisy, 0.025) <= np.ptp(truth))
    assert least <= np.mean(covered)
    assert truth[2] or not any(resampled)


def test_fdr_falls_where_gaps_rise():
    match, non_match = (world(c, [0.2, 0.2], scale="logit") for c in ([-3, -2], [-2, -1]))
    seen = float(fdr(*(1 / (1 + np.exp(-np.array(c))) for c in ([-3, -2], [-2, -1])), 0.5))
    low, high = measure_interval(MEASURE["fdr"], seen, [match, non_match], alpha=0.5)
    assert low < seen < high <= 1
