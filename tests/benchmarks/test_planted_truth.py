"""The short version of benchmarks/planted_truth.py: what is planted is found, and only that."""

from __future__ import annotations

import json

import pytest

from benchmarks import planted_truth
from benchmarks.harness import planted_scores


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(planted_scores, "N_FRESH", 50_000)
    for cached in (planted_scores.fresh, planted_scores.own_truth):
        cached.cache_clear()


def run(name, n_repetitions=15):
    tally = planted_truth.Tally()
    for first in range(0, n_repetitions, 5):
        part = planted_truth.run_part(name, first, n_repetitions=5, n_resamples=50, seed=5)
        tally.add(json.loads(json.dumps(part)))
    assert tally.n_repetitions == n_repetitions
    return planted_truth.figures_of(tally)


def test_planted_gaps_are_covered_and_found():
    result = run("gaps")
    covered = result["cover_percent"]["groups"]
    for rate in planted_truth.PAIR:
        # 45 intervals of 95 %: 80 % or fewer have a chance of 0.02 %
        assert covered[rate]["covered"] > 80
    found = result["planted_and_found_percent"]
    assert found["group: b, false_non_match_rate"] > 40
    assert found["group: c, false_match_rate"] > 20


def test_a_shift_is_found_at_the_shared_threshold_and_not_in_the_eer():
    result = run("shift")
    found = result["planted_and_found_percent"]
    assert found["group: b, false_match_rate"] > 60
    assert not any("equal_error_rate" in name for name in found)
    assert result["false_alarms_percent"] < 30  # five of 15, where 5 % are meant: 0.06 %


def test_where_nothing_is_nothing_is_found():
    result = run("tiny")
    assert result["false_alarms_percent"] < 30
    assert result["planted_and_found_percent"] == {}
    assert result["cover_percent"]["gap"]["false_match_rate"]["covered"] > 70


def test_small_groups_that_are_worse_are_named_first():
    tally = planted_truth.Tally()
    part = planted_truth.run_part("small groups worse", 0, n_repetitions=8, n_resamples=5, seed=5)
    tally.add(part)
    result = planted_truth.figures_of(tally)
    assert result["named_first_percent"] >= 50  # nine of ten are meant: fewer, 0.04 %
    assert tally.pooled
    assert min(tally.pooled) > 0


def test_the_best_test_knows_how_its_difference_varies():
    worse, alike = planted_truth.Tally(), planted_truth.Tally()
    alike.pooled = [-1.0, 1.0]
    worse.pooled = [2.0, 6.0]
    # beyond 1.96 in a normal distribution of mean 4 and deviation 2
    assert planted_truth.most_power(worse, alike, n_questions=1) == pytest.approx(84.6, abs=0.1)
