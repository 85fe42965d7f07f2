"""Counts by speaker against a loop over the trials, resamples included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted import THRESHOLD, planted_trials

from spkid.audit.statistics.contrast import Contrast, contrast
from spkid.audit.statistics.intervals import speaker_draws
from spkid.audit.statistics.speaker_errors import halves, speaker_errors


@pytest.fixture(scope="module")
def trials():
    return planted_trials(np.arange(30) < 10, drop=1.0, seed=0)


def naive_rates(trials, group, among, drawn):
    """False match and non-match rate of ``group``, trial by trial and side by side."""
    hits, totals = [0.0, 0.0], [0.0, 0.0]
    for trial in trials.to_dict("records"):
        enroll, test = trial["enroll_speaker"], trial["test_speaker"]
        if enroll not in among or test not in among:
            continue
        accepted = trial["score"] >= THRESHOLD
        weight = drawn[enroll] if enroll == test else drawn[enroll] * drawn[test]
        for side in {enroll, test} & group:
            assert side in among
            totals[trial["label"]] += weight
            hits[trial["label"]] += weight * (accepted != trial["label"])
    return [hit / total for hit, total in zip(hits, totals, strict=True)]


def test_rates_are_those_of_a_loop(trials):
    names = np.array(sorted(set(trials["enroll_speaker"])))[3:]
    errors = speaker_errors(trials, THRESHOLD, names, n_resamples=3, seed=5)
    draws = np.concatenate([np.ones((1, 27), dtype=int), speaker_draws(27, 3, seed=5)])
    groups = [np.arange(27) < 12, np.arange(27) % 2 == 0]
    match, non_match = errors.rates(groups)
    for row, draw in enumerate(draws):
        drawn = dict(zip(names, draw, strict=True))
        for place, group in enumerate(groups):
            expected = naive_rates(trials, set(names[group]), set(names), drawn)
            assert [match[row, place], non_match[row, place]] == pytest.approx(expected)
    np.testing.assert_allclose(errors.errors(groups), (match + non_match) / 2)


def test_a_group_without_a_kind_of_trial_is_unknown(trials):
    names = np.array(sorted(set(trials["enroll_speaker"])))
    without = trials[~trials["label"] | (trials["enroll_speaker"] != "s000")]
    errors = speaker_errors(without, THRESHOLD, names, n_resamples=2, seed=0)
    match, non_match = errors.rates([names == "s000"])
    assert not math.isnan(match[0, 0])
    assert math.isnan(non_match[0, 0])


def test_a_contrast_covers_the_planted_difference():
    """Nominal 95 %: of 40 intervals at least 34 cover (a chance of 0.3 % that fewer do)."""
    is_bad = np.arange(60) < 30
    sd = math.sqrt(2 * (1 + 0.3**2))
    truth = (math.erf((THRESHOLD - 2) / sd) - math.erf((THRESHOLD - 3) / sd)) / 4
    covered = 0
    for seed in range(40):
        trials = planted_trials(is_bad, drop=1.0, seed=seed)
        names = np.array(sorted(set(trials["enroll_speaker"])))
        errors = speaker_errors(trials, THRESHOLD, names, n_resamples=100, seed=seed)
        found = contrast(errors, is_bad, min_speakers=10)
        covered += found.low < truth < found.high
        assert found.difference == pytest.approx(found.error - found.error_others)
        assert found.error == pytest.approx(
            (found.false_match_rate + found.false_non_match_rate) / 2
        )
    assert covered >= 34


def test_more_comparisons_give_a_wider_interval_around_the_same_difference(trials):
    names = np.array(sorted(set(trials["enroll_speaker"])))
    errors = speaker_errors(trials, THRESHOLD, names, n_resamples=50, seed=0)
    one, many = (
        contrast(errors, np.arange(30) < 15, min_speakers=10, n_comparisons=n) for n in (1, 10)
    )
    assert many.low < one.low < one.difference == many.difference < one.high < many.high


def test_too_few_speakers_get_counts_and_no_verdict(trials):
    names = np.array(sorted(set(trials["enroll_speaker"])))
    errors = speaker_errors(trials, THRESHOLD, names, n_resamples=5, seed=0)
    for few in (np.arange(30) < 9, np.arange(30) >= 9):
        found = contrast(errors, few, min_speakers=10)
        assert (found.n_speakers, found.n_others) == (few.sum(), (~few).sum())
        assert math.isnan(found.difference)
        assert not found.certain


def test_relative_is_the_share_of_the_others():
    found = Contrast(10, 10, 0.15, 0.1, 0.1, 0.2, 0.05, 0.01, 0.09)
    assert found.relative == pytest.approx(0.5)
    assert found.certain
    assert math.isnan(Contrast(10, 10, 0.15, 0.0, 0.1, 0.2, 0.15, 0.01, 0.29).relative)


def test_halves_are_random_halves():
    first = halves(41, seed=0)
    assert first.sum() == 21
    assert (halves(41, seed=0) == first).all()
    assert (halves(41, seed=1) != first).any()
    share = np.mean([halves(10, seed=seed) for seed in range(500)], axis=0)
    assert abs(share - 0.5).max() < 0.1


def test_metadata_of_speakers_without_trials_is_no_matter(trials):
    names = np.array([*sorted(set(trials["enroll_speaker"])), "nobody"])
    errors = speaker_errors(trials, THRESHOLD, names, n_resamples=0, seed=0)
    assert errors.n_target.shape == (1, 31)
    assert errors.n_target[0, -1] == errors.n_impostor[0, -1] == 0
    assert errors.n_target.sum() == trials["label"].sum()
    assert errors.n_impostor.sum() == 2 * (~trials["label"]).sum()
