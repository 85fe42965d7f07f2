"""Resampled error rates against repeated trials, and the cover of the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.bootstrap import (
    interval,
    speaker_draws,
    trial_weights,
    weighted_equal_error_rates,
    weighted_share,
)
from spkid.metrics import equal_error_rate


def draw(seed):
    """60 scores with their labels; every second seed has many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(60) < 0.4
    scores = rng.normal(0, 1, 60) + 1.2 * labels
    return (scores.round(0) if seed % 2 else scores), labels


def test_draws_are_as_many_as_speakers_and_seeded():
    draws = speaker_draws(30, 400, seed=5)
    assert draws.shape == (400, 30)
    assert (draws.sum(axis=1) == 30).all()
    assert draws.min() == 0
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.25)
    np.testing.assert_array_equal(draws, speaker_draws(30, 400, seed=5))
    assert (draws != speaker_draws(30, 400, seed=6)).any()


def test_a_trial_weighs_as_its_speakers_were_drawn():
    draws = speaker_draws(6, 20, seed=0)
    enroll = np.array([0, 1, 2, 3, 5, 5])
    test = np.array([0, 2, 1, 3, 4, 0])
    weights = trial_weights(draws, enroll, test)
    assert weights.shape == (20, 6)
    for resample in range(20):
        drawn = np.repeat(np.arange(6), draws[resample])
        for trial, (one, other) in enumerate(zip(enroll, test, strict=True)):
            # each drawn copy of one speaker meets each copy of another, and itself
            pairs = (
                (drawn == one).sum()
                if one == other
                else sum(first == one and second == other for first in drawn for second in drawn)
            )
            assert weights[resample, trial] == pairs


@pytest.mark.parametrize("seed", range(10))
def test_weights_of_one_give_the_plain_equal_error_rate(seed):
    scores, labels = draw(seed)
    rates = weighted_equal_error_rates(scores, labels, np.ones((2, 60), dtype=np.int64))
    np.testing.assert_array_equal(rates, equal_error_rate(scores[labels], scores[~labels]))


@pytest.mark.parametrize("seed", range(10))
def test_whole_weights_are_repeated_trials(seed):
    scores, labels = draw(seed)
    weights = np.random.default_rng(seed).integers(0, 4, (8, 60))
    rates = weighted_equal_error_rates(scores, labels, weights)
    shares = weighted_share(scores >= 0.5, weights)
    for weight, rate, share in zip(weights, rates, shares, strict=True):
        often, whose = np.repeat(scores, weight), np.repeat(labels, weight)
        assert rate == pytest.approx(equal_error_rate(often[whose], often[~whose]))
        assert share == pytest.approx(sum(score >= 0.5 for score in often) / len(often))


def test_a_resample_without_a_kind_of_trial_has_no_rate():
    scores, labels = draw(0)
    weights = np.stack([labels, ~labels, np.zeros(60), np.ones(60)]).astype(np.int64)
    rates = weighted_equal_error_rates(scores, labels, weights)
    np.testing.assert_array_equal(np.isnan(rates), [True, True, True, False])
    np.testing.assert_array_equal(weighted_share(labels, weights)[:2], [1, 0])
    assert np.isnan(weighted_share(labels, weights)[2])
    assert np.isnan(weighted_share(labels[:0], weights[:, :0])).all()


def test_the_interval_is_the_middle_of_what_is_known():
    values = np.random.default_rng(0).permutation(np.arange(1_001.0))
    assert interval(values) == (25.0, 975.0)
    assert interval(np.append(values, [np.nan] * 500)) == (25.0, 975.0)
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_intervals_cover_the_truth_where_trials_share_speakers():
    n_speakers, n_trials, true_rate = 40, 10, 0.3
    speaker = np.repeat(np.arange(n_speakers), n_trials)
    covered = {"speakers": 0, "trials": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        # speakers differ much: their own rates have mean 0.3 and deviation 0.26
        own_rate = rng.beta(0.6, 1.4, n_speakers)
        hits = rng.random(len(speaker)) < own_rate[speaker]
        weights = {
            "speakers": trial_weights(speaker_draws(n_speakers, 150, seed=seed), speaker, speaker),
            "trials": speaker_draws(len(speaker), 150, seed=seed),
        }
        for drawn, weight in weights.items():
            low, high = interval(weighted_share(hits, weight))
            covered[drawn] += low <= true_rate <= high
    # 95 of 100 are meant; to draw trials, as if they were independent, misses far more often
    assert 88 <= covered["speakers"] <= 100
    assert covered["trials"] < 80
