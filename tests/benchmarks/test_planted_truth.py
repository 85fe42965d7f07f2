"""The short version of benchmarks/planted_truth.py: what is planted is found, and only that."""

from __future__ import annotations

import pytest

from benchmarks import planted_truth


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(planted_truth, "N_FRESH", 50_000)
    for cached in (planted_truth.fresh, planted_truth.own_truth):
        cached.cache_clear()


def run(name, n_repetitions=15):
    return planted_truth.run_scenario(name, n_repetitions=n_repetitions, n_resamples=50, seed=5)


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
