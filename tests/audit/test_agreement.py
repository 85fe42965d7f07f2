"""The audit's figures against fairlearn, speechbrain and loops over all pairs of scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate

from spkid.audit.statistics.figures import FIGURES, Curve, costed_figures
from spkid.audit.statistics.smooth import Smoothed
from spkid.audit.verification import audit_scores
from spkid.scoring.metrics import (
    equal_error_rate,
    log_likelihood_ratio_cost,
    min_detection_cost,
    min_log_likelihood_ratio_cost,
)


def drawn(seed, *, n_target=300, n_impostor=500, ties=False):
    rng = np.random.default_rng(seed)
    target, impostor = rng.normal(1.5, 1, n_target), rng.normal(-1, 1.2, n_impostor)
    return (target.round(1), impostor.round(1)) if ties else (target, impostor)


def figures_at(target, impostor, threshold, *, prior):
    return costed_figures(target, impostor, threshold, Smoothed(target, impostor, prior))


@pytest.fixture(scope="module")
def audit():
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 90)
    first = np.repeat(np.arange(90), 40)
    second = np.where(rng.random(len(first)) < 0.4, first, rng.integers(0, 90, len(first)))
    label = first == second
    score = rng.normal(2 * label + 0.3 * (group[first] == "b"), 1)
    scores = pd.DataFrame({"enroll": first, "test": second, "score": score, "label": label})
    people = pd.DataFrame({"speaker": np.arange(90), "group": group})
    return audit_scores(scores, people, ["group"], n_resamples=20)


def test_rates_by_group_are_those_of_fairlearn(audit):
    trials = audit.trials
    within = trials[trials["enroll:group"] == trials["test:group"]]
    frame = MetricFrame(
        metrics={
            "false_match_rate": false_positive_rate,
            "false_non_match_rate": false_negative_rate,
        },
        y_true=within["label"],
        y_pred=within["score"] >= audit.threshold.value,
        sensitive_features=within["enroll:group"].astype(str),
    )
    groups = audit.groupings[0].groups.set_index("group")
    measures = audit.groupings[0].measures.set_index(["measure", "figure"])["value"]
    for rate, gap in frame.difference().items():
        np.testing.assert_allclose(groups[rate], frame.by_group[rate][groups.index])
        assert measures["gap", rate] == pytest.approx(gap)
        assert 1 / measures["ratio", rate] == pytest.approx(frame.ratio()[rate])


@pytest.mark.parametrize("ties", [False, True])
def test_eer_and_min_dcf_are_those_of_a_loop(ties):
    for seed in range(3):
        target, impostor = drawn(seed, n_target=80, n_impostor=90, ties=ties)
        errors = [
            (
                sum(score < threshold for score in target) / len(target),
                sum(score >= threshold for score in impostor) / len(impostor),
            )
            for threshold in [*target, *impostor, np.inf]
        ]
        curve = Curve(target, impostor)
        closest = min(errors, key=lambda pair: abs(pair[0] - pair[1]))
        apart = abs(closest[0] - closest[1])
        eer = curve.equal_error().value
        assert any(
            sum(pair) / 2 == pytest.approx(eer)
            for pair in errors
            if abs(pair[0] - pair[1]) == pytest.approx(apart)
        )
        for prior in (0.01, 0.05, 0.5):
            least = min(prior * miss + (1 - prior) * alarm for miss, alarm in errors)
            cost = curve.detection_cost(Smoothed(target, impostor, prior)).value
            assert cost == pytest.approx(least / min(prior, 1 - prior))


def test_eer_and_min_dcf_are_those_of_speechbrain():
    torch = pytest.importorskip("torch")
    metric_stats = pytest.importorskip("speechbrain.utils.metric_stats")
    target, impostor = drawn(7)
    tensors = [torch.from_numpy(scores) for scores in (target, impostor)]
    curve = Curve(target, impostor)
    eer, _ = metric_stats.EER(*tensors)
    assert curve.equal_error().value == pytest.approx(eer, abs=0.5 / len(target))
    cost, _ = metric_stats.minDCF(*tensors, p_target=0.05)
    # theirs is not divided by what a useless system costs
    ours = curve.detection_cost(Smoothed(target, impostor, 0.05)).value
    assert ours == pytest.approx(cost / 0.05, rel=0.02)


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_those_of_the_metrics(ties):
    target, impostor = drawn(1, ties=ties)
    found = {each.name: each.value for each in figures_at(target, impostor, 0.3, prior=0.05)}
    cllr = log_likelihood_ratio_cost(target, impostor)
    expected = {
        "false_match_rate": (impostor >= 0.3).mean(),
        "false_non_match_rate": (target < 0.3).mean(),
        "equal_error_rate": equal_error_rate(target, impostor),
        "min_dcf": min_detection_cost(target, impostor, target_prior=0.05),
        "cllr": cllr,
        "calibration_loss": cllr - min_log_likelihood_ratio_cost(target, impostor),
        "target_mean": target.mean(),
        "impostor_mean": impostor.mean(),
    }
    assert found == pytest.approx(expected)
    assert set(found) == {figure.name for figure in FIGURES}


def test_costs_say_how_a_figure_moves_when_trials_are_drawn_again():
    """The deviation that the costs foretell is that of figures of fresh scores."""
    rng = np.random.default_rng(2)
    values, foretold = {}, {}
    for _ in range(300):
        target, impostor = rng.normal(2, 1, 400), rng.normal(0, 1, 600)
        for each in figures_at(target, impostor, 1.2, prior=0.1):
            variance = sum(
                cost.var() / len(cost) for cost in (each.target, each.impostor) if cost is not None
            )
            values.setdefault(each.name, []).append(each.value)
            foretold.setdefault(each.name, []).append(np.sqrt(variance))
    for name, seen in values.items():
        assert np.mean(foretold[name]) == pytest.approx(np.std(seen), rel=0.15), name


def test_one_kind_of_trials_defines_what_it_can():
    names = {each.name for each in costed_figures(*drawn(0, n_target=0), 0.0, None)}
    assert names == {"false_match_rate", "impostor_mean"}
    names = {each.name for each in costed_figures(*drawn(0, n_impostor=0), 0.0, None)}
    assert names == {"false_non_match_rate", "target_mean"}
