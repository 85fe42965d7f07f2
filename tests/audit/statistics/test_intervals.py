"""Variances over speakers against loops over all pairs of trials, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spkid.audit.statistics.intervals import (
    Clusters,
    Estimate,
    combined,
    no_estimate,
    resampled_errors,
    speaker_draws,
    t_quantile,
)


def drawn(seed, *, n_speakers=7, n_trials=60):
    """Both speakers of each impostor trial and its residual; many trials a pair."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n_speakers, n_trials)
    second = (first + rng.integers(1, n_speakers, n_trials)) % n_speakers
    effect = rng.normal(size=n_speakers)
    cost = effect[first] + effect[second] + rng.normal(size=n_trials)
    return first, second, (cost - cost.mean()) / n_trials


@pytest.mark.parametrize("seed", range(5))
def test_trials_that_share_a_speaker_are_multiplied_once(seed):
    first, second, residuals = drawn(seed)
    sides = list(zip(first, second, strict=True))
    variance = sum(
        one * other
        for one, of_one in zip(residuals, sides, strict=True)
        for other, of_other in zip(residuals, sides, strict=True)
        if set(of_one) & set(of_other)
    )
    n = len(set(first) | set(second))
    by_pair = {}
    for side, residual in zip(sides, residuals, strict=True):
        by_pair[frozenset(side)] = by_pair.get(frozenset(side), 0) + residual
    least = sum(value**2 for value in by_pair.values())
    expected = max(variance * n * (n - 1) / ((n - 2) * (n - 3)), least)
    spread = Clusters.of(first, second, 7).spread(residuals)
    estimate = combined(0.1, "logit", (spread,))
    assert estimate.standard_error == pytest.approx(math.sqrt(expected))
    assert estimate.n_speakers == n
    whole = variance * n * (n - 1) / ((n - 2) * (n - 3)) + spread.doubled
    assert estimate.degrees == pytest.approx((n - 1) * min(1, expected / whole) ** 1.5)


def test_many_speakers_number_their_pairs_the_same_way():
    first, second, residuals = drawn(0)
    few, many = (Clusters.of(first, second, n_all).spread(residuals) for n_all in (7, 5000))
    assert (many.doubled, many.least) == pytest.approx((few.doubled, few.least))
    assert few.doubled > few.least > 0
    np.testing.assert_allclose(many.effects[:7], few.effects)
    assert not many.effects[7:].any()


def test_same_speaker_trials_give_the_jackknife():
    rng = np.random.default_rng(3)
    cost = rng.normal(size=(9, 4)) + rng.normal(size=(9, 1))
    speaker = np.repeat(np.arange(9), 4)
    residuals = (cost - cost.mean()).ravel() / cost.size
    spread = Clusters.of(speaker, speaker, 9).spread(residuals)
    left_out = [np.delete(cost, speaker, axis=0).mean() for speaker in range(9)]
    expected = 8 / 9 * np.square(np.array(left_out) - cost.mean()).sum()
    assert combined(0, "identity", (spread,)).standard_error ** 2 == pytest.approx(expected)


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_the_variance_is_right_on_average_for_all_pairs(effect):
    """The pigeonhole bootstrap would give about three times as much without effects."""
    rng = np.random.default_rng(1)
    n, repetitions = 10, 1500
    first, second = np.triu_indices(n, 1)
    clusters = Clusters.of(first, second, n)
    means, variances = [], []
    for _ in range(repetitions):
        own = effect * rng.normal(size=n)
        cost = own[first] + own[second] + rng.normal(size=len(first))
        spread = clusters.spread((cost - cost.mean()) / len(cost))
        means.append(cost.mean())
        variances.append(np.square(spread.effects).sum() - spread.doubled)
    truth = effect**2 * 4 / n + 1 / len(first)
    assert np.var(means) == pytest.approx(truth, rel=0.15)
    assert np.mean(variances) == pytest.approx(truth, rel=0.1)


def test_too_few_speakers_have_no_interval():
    one = np.zeros(3, dtype=int)
    estimate = combined(0.5, "logit", (Clusters.of(one, one, 4).spread(np.zeros(3)),))
    assert np.isnan(estimate.interval()).all()
    three = Clusters.of(np.array([0, 1, 0]), np.array([1, 2, 2]), 4).spread(np.array([1, -2, 1]))
    assert np.isnan(combined(0.5, "logit", (three,)).interval()).all()
    assert np.isnan(no_estimate(4, "log").interval()).all()


def test_a_rate_without_errors_has_an_interval_that_says_how_few_speakers_there_are():
    few, many = (Estimate(0.0, 0.0, n, n - 1, np.zeros(3), "logit").interval() for n in (10, 100))
    assert few[0] == many[0] == 0
    # at the upper end, ten right speakers in a row have a chance of 2.5 %
    assert (1 - few[1]) ** 10 == pytest.approx(0.025)
    assert (1 - many[1]) ** 100 == pytest.approx(0.025)
    # all wrong is none wrong, turned round
    low, high = Estimate(1.0, 0.0, 10, 9, np.zeros(3), "logit").interval()
    assert (low, high) == pytest.approx((1 - few[1], 1))


def test_intervals_are_those_of_student():
    estimate = Estimate(2.0, 0.3, 10, 9, np.zeros(3), "identity")
    assert estimate.interval() == pytest.approx((2 - 2.2622 * 0.3, 2 + 2.2622 * 0.3), abs=1e-4)
    low, high = Estimate(2.0, 0.3, 10, 9, np.zeros(3), "log").interval()
    assert low * high == pytest.approx(4)
    assert math.log(high / 2) == pytest.approx(2.2622 * 0.15, abs=1e-4)
    low, high = Estimate(0.2, 0.01, 10_000, 9_999, np.zeros(3), "logit").interval()
    assert (low, high) == pytest.approx((0.2 - 0.0196, 0.2 + 0.0196), abs=1e-3)
    assert t_quantile(np.inf) == pytest.approx(1.95996, abs=1e-5)


def test_draws_are_as_many_as_speakers_and_seeded():
    draws = speaker_draws(30, 400, seed=5)
    assert draws.shape == (400, 30)
    assert (draws.sum(axis=1) == 30).all()
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.25)
    np.testing.assert_array_equal(draws, speaker_draws(30, 400, seed=5))
    assert (draws != speaker_draws(30, 400, seed=6)).any()


@pytest.mark.parametrize("n_speakers", [40, 40_000])
def test_resampled_errors_are_standard_and_go_together_as_the_speakers_do(n_speakers):
    rng = np.random.default_rng(0)
    effects = rng.normal(size=(4, n_speakers))
    effects[1] += effects[0]
    effects[3] = 0
    effects -= effects.mean(axis=1, keepdims=True)
    errors = resampled_errors(effects, n_resamples=1000, seed=2)
    assert errors.shape == (4, 1000)
    np.testing.assert_allclose(errors[:3].std(axis=1), 1, atol=0.1)
    seen, meant = np.corrcoef(errors[:3]), np.corrcoef(effects[:3])
    np.testing.assert_allclose(seen, meant, atol=0.12)
    assert not errors[3].any()
    np.testing.assert_array_equal(errors, resampled_errors(effects, n_resamples=1000, seed=2))
