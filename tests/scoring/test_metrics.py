"""Figures of merit against definitions written out as loops, in exact fractions."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest

from spkid.scoring import metrics

SEEDS = range(12)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of 1 to 60 trials a side; every second seed has many ties."""
    rng = np.random.default_rng(seed)
    target = rng.normal(rng.uniform(-0.5, 3), 1, size=rng.integers(1, 60))
    impostor = rng.normal(0, rng.uniform(0.5, 2), size=rng.integers(1, 60))
    return (target.round(0), impostor.round(0)) if seed % 2 else (target, impostor)


def naive_rates(target, impostor, threshold) -> tuple[Fraction, Fraction]:
    """False match rate and false non-match rate, by counting."""
    false_match = sum(1 for score in impostor if score >= threshold)
    false_non_match = sum(1 for score in target if score < threshold)
    return Fraction(false_match, len(impostor)), Fraction(false_non_match, len(target))


def naive_curve(target, impostor) -> list[tuple[float, Fraction, Fraction]]:
    thresholds = [*sorted({*target.tolist(), *impostor.tolist()}), math.inf]
    return [(threshold, *naive_rates(target, impostor, threshold)) for threshold in thresholds]


def naive_equal_error_rates(target, impostor) -> set[float]:
    """The mean of both rates at every threshold where they are closest (it may be two)."""
    curve = naive_curve(target, impostor)
    closest = min(abs(false_match - miss) for _, false_match, miss in curve)
    return {
        float((false_match + miss) / 2)
        for _, false_match, miss in curve
        if abs(false_match - miss) == closest
    }


def naive_min_detection_cost(target, impostor, target_prior: Fraction) -> float:
    cost = min(
        target_prior * miss + (1 - target_prior) * false_match
        for _, false_match, miss in naive_curve(target, impostor)
    )
    return float(cost / min(target_prior, 1 - target_prior))


def naive_log_likelihood_ratio_cost(target, impostor) -> float:
    misses = [math.log2(1 + math.exp(-ratio)) for ratio in target]
    alarms = [math.log2(1 + math.exp(ratio)) for ratio in impostor]
    return (sum(misses) / len(misses) + sum(alarms) / len(alarms)) / 2


def naive_min_log_likelihood_ratio_cost(target, impostor) -> float:
    """Pool adjacent violators by hand; a pool is [targets, impostors] as shares of each side."""
    pools: list[list[Fraction]] = []
    for score in sorted({*target.tolist(), *impostor.tolist()}):
        pools.append(
            [
                Fraction(sum(1 for other in target if other == score), len(target)),
                Fraction(sum(1 for other in impostor if other == score), len(impostor)),
            ]
        )
        # the share of targets must rise from pool to pool
        while len(pools) > 1 and (
            pools[-2][0] * (pools[-1][0] + pools[-1][1])
            >= pools[-1][0] * (pools[-2][0] + pools[-2][1])
        ):
            last = pools.pop()
            pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1]]
    cost = 0.0
    for targets, impostors in pools:
        posterior = targets / (targets + impostors)
        if targets:
            cost -= float(targets) * math.log2(posterior) / 2
        if impostors:
            cost -= float(impostors) * math.log2(1 - posterior) / 2
    return cost


@pytest.mark.parametrize("seed", SEEDS)
def test_error_curve_counts_at_every_threshold(seed: int) -> None:
    target, impostor = draw(seed)
    curve = metrics.ErrorCurve(target, impostor)
    expected = np.array(naive_curve(target, impostor), dtype=np.float64)
    columns = np.column_stack([curve.thresholds, curve.false_match, curve.false_non_match])
    np.testing.assert_allclose(columns, expected, atol=1e-12)
    assert np.isinf(curve.thresholds[-1])
    assert (np.diff(curve.thresholds) > 0).all()
    both = np.concatenate([target, impostor])
    np.testing.assert_array_equal(curve.thresholds[curve.position], both)


@pytest.mark.parametrize("seed", SEEDS)
def test_equal_error_rate(seed: int) -> None:
    target, impostor = draw(seed)
    figure = metrics.equal_error_rate(target, impostor)
    assert any(
        figure == pytest.approx(expected) for expected in naive_equal_error_rates(target, impostor)
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("target_prior", [Fraction(1, 100), Fraction(1, 20), Fraction(9, 10)])
def test_min_detection_cost(seed: int, target_prior: Fraction) -> None:
    target, impostor = draw(seed)
    figure = metrics.min_detection_cost(target, impostor, target_prior=float(target_prior))
    assert figure == pytest.approx(naive_min_detection_cost(target, impostor, target_prior))


@pytest.mark.parametrize("seed", SEEDS)
def test_log_likelihood_ratio_cost(seed: int) -> None:
    target, impostor = draw(seed)
    figure = metrics.log_likelihood_ratio_cost(target, impostor)
    assert figure == pytest.approx(naive_log_likelihood_ratio_cost(target, impostor))


@pytest.mark.parametrize("seed", SEEDS)
def test_min_log_likelihood_ratio_cost(seed: int) -> None:
    target, impostor = draw(seed)
    figure = metrics.min_log_likelihood_ratio_cost(target, impostor)
    expected = naive_min_log_likelihood_ratio_cost(target, impostor)
    assert figure == pytest.approx(expected, abs=1e-12)
    # no monotone recalibration, the identity and scaling among them, does better
    for scale in (0.3, 1.0, 3.0):
        assert figure <= metrics.log_likelihood_ratio_cost(scale * target, scale * impostor)


@pytest.mark.parametrize("seed", SEEDS)
def test_rates_at_and_the_threshold_for_a_false_match_rate(seed: int) -> None:
    target, impostor = draw(seed)
    for threshold in [*target, *impostor, -np.inf, np.inf, 0.123]:
        expected = naive_rates(target, impostor, threshold)
        assert metrics.rates_at(target, impostor, threshold) == pytest.approx(expected)
    for rate in [0.0, 0.05, 0.29, 0.5, 0.99, *(n / len(impostor) for n in range(len(impostor)))]:
        threshold = metrics.threshold_at_false_match_rate(impostor, rate)
        assert metrics.rates_at(target, impostor, threshold)[0] <= rate + 1e-12
        lower = np.nextafter(threshold, -np.inf)
        assert metrics.rates_at(target, impostor, lower)[0] > rate
    threshold = metrics.threshold_at_false_match_rate(impostor, 1.0)
    assert metrics.rates_at(target, impostor, threshold)[0] == 1.0


def test_figures_that_are_known_by_hand() -> None:
    apart, same, swapped = ([1, 2], [-1, 0]), ([0, 1], [0, 1]), ([-1, 0], [1, 2])
    assert [metrics.equal_error_rate(*pair) for pair in (apart, same, swapped)] == [0, 0.5, 1]
    for pair, cost in ((apart, 0.0), (swapped, 1.0)):
        assert metrics.min_detection_cost(*pair, target_prior=0.01) == cost
        assert metrics.min_log_likelihood_ratio_cost(*pair) == pytest.approx(cost)
    # one target of four below one impostor of four
    assert metrics.equal_error_rate([0, 2, 3, 4], [1, -1, -2, -3]) == 0.25
    # no information costs one bit; a wrong ratio of 3 costs two, a right one log2(4/3)
    assert metrics.log_likelihood_ratio_cost([0, 0, 0], [0]) == pytest.approx(1.0)
    figure = metrics.log_likelihood_ratio_cost([math.log(3)], [math.log(3)])
    assert figure == pytest.approx((2 + math.log2(4 / 3)) / 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_monotone_change_of_the_scores_changes_no_discrimination_figure(seed: int) -> None:
    target, impostor = draw(seed)
    for figure in (metrics.equal_error_rate, metrics.min_log_likelihood_ratio_cost):
        assert figure(np.exp(target), np.exp(impostor)) == figure(target, impostor)


def test_far_scores_neither_overflow_nor_warn() -> None:
    target, impostor = [1e4, 1e300], [-1e4, -1e300]
    assert metrics.log_likelihood_ratio_cost(target, impostor) == 0.0
    assert metrics.log_likelihood_ratio_cost([-2_000.0], [2_000.0]) == pytest.approx(
        2_000 / math.log(2)
    )
    assert metrics.min_log_likelihood_ratio_cost(target, impostor) == pytest.approx(0.0)


def undefined_figures():
    return [
        metrics.equal_error_rate,
        lambda target, impostor: metrics.min_detection_cost(target, impostor, target_prior=0.05),
        metrics.log_likelihood_ratio_cost,
        metrics.min_log_likelihood_ratio_cost,
    ]


@pytest.mark.parametrize("figure", undefined_figures())
@pytest.mark.parametrize(("target", "impostor"), [([], [1.0]), ([1.0], []), ([], [])])
def test_an_undefined_figure_is_nan_with_a_warning(figure, target, impostor) -> None:
    with pytest.warns(UserWarning, match="undefined"):
        assert math.isnan(figure(target, impostor))


def test_the_warning_points_at_the_caller() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metrics.equal_error_rate([], [1.0])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("figure", undefined_figures())
@pytest.mark.parametrize(("target", "impostor"), [([np.nan], [1.0]), ([1.0], [0.0, np.nan])])
def test_scores_that_are_nan_are_an_error(figure, target, impostor) -> None:
    with pytest.raises(ValueError, match="NaN"):
        figure(target, impostor)


def test_rates_of_an_empty_side_are_nan() -> None:
    assert metrics.rates_at([], [0.0, 1.0], 0.5) == pytest.approx((0.5, np.nan), nan_ok=True)
    assert metrics.rates_at([0.0, 1.0], [], 1.5) == pytest.approx((np.nan, 1.0), nan_ok=True)
    assert metrics.rates_at([np.nan, 1.0], [np.nan, 1.0], 0.5) == (0.5, 0.5)  # NaN is refused


def test_the_threshold_without_impostors_is_nan_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="undefined"):
        assert math.isnan(metrics.threshold_at_false_match_rate([], 0.05))
