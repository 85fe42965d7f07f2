"""What fitted figures gain from the accidents of few speakers is foretold."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audit.statistics.intervals import Clusters
from spkid.audit.statistics.optimism import optimism_of_fits
from spkid.audit.statistics.smooth import Smoothed
from spkid.scoring.metrics import (
    log_likelihood_ratio_cost,
    min_detection_cost,
    min_log_likelihood_ratio_cost,
)

PRIOR = 0.05


def drawn(rng, n_speakers, *, effect, n_each=8):
    """Scores of ``n_speakers`` with who they are of: own trials, then those with others."""
    own = effect * rng.normal(size=n_speakers)
    strangers = effect / 2 * rng.normal(size=n_speakers)
    first = np.repeat(np.arange(n_speakers), n_each)
    second = (first + rng.integers(1, n_speakers, len(first))) % n_speakers
    target = 2.5 + own[first] + rng.normal(size=len(first))
    impostor = strangers[first] + strangers[second] + rng.normal(size=len(first))
    same = Clusters.of(first, first, n_speakers)
    return target, impostor, (same, Clusters.of(first, second, n_speakers))


def fitted(target, impostor):
    loss = log_likelihood_ratio_cost(target, impostor)
    loss -= min_log_likelihood_ratio_cost(target, impostor)
    cost = min_detection_cost(target, impostor, target_prior=PRIOR)
    return {"min_dcf": cost, "calibration_loss": loss}


def foretold(target, impostor, speakers):
    smoothed = Smoothed(target, impostor, PRIOR)
    wrong = target < smoothed.threshold, impostor >= smoothed.threshold
    costs = [weight * own for weight, own in zip(smoothed.weights, wrong, strict=True)]
    noise = [
        own.spread((cost - cost.mean()) / len(cost))
        for own, cost in zip(speakers, costs, strict=True)
    ]
    return optimism_of_fits(target, impostor, speakers, smoothed, noise)


@pytest.mark.parametrize("effect", [0.0, 0.7])
def test_the_optimism_of_a_fit_is_foretold(effect):
    rng = np.random.default_rng(0)
    large = drawn(rng, 20_000, effect=effect)
    truth = fitted(*large[:2])
    seen, said = [], []
    for _ in range(60):
        small = drawn(rng, 24, effect=effect)
        seen.append(fitted(*small[:2]))
        said.append(foretold(*small))
    for name, sign in (("min_dcf", -1), ("calibration_loss", 1)):
        too_high = np.mean([each[name] for each in seen]) - truth[name]
        noise = np.std([each[name] for each in seen]) / np.sqrt(len(seen))
        assert sign * too_high > 2 * noise, name
        told = np.mean([each[name] for each in said])
        assert abs(told - too_high) < max(0.4 * abs(too_high), 3 * noise), name
        assert sign * max(sign * foretold(*large)[name], 0) == pytest.approx(0, abs=0.005), name


def test_scores_that_are_alone_or_all_alike_are_no_obstacle():
    one = Clusters.of(np.array([0, 0]), np.array([0, 0]), 2)
    both = Clusters.of(np.array([0]), np.array([1]), 2)
    for target, impostor in (([1.0, 1.0], [1.0]), ([1.0, 2.0], [-1e9]), ([1.0, 1.0], [0.0])):
        found = foretold(np.array(target), np.array(impostor), (one, both))
        assert np.isfinite(list(found.values())).all()


def test_the_smoothed_scores_keep_mean_and_deviation_and_lose_their_accidents():
    rng = np.random.default_rng(1)
    target, impostor = rng.normal(2, 1, 200), rng.normal(0, 1, 300)
    smoothed = Smoothed(target, impostor, PRIOR)
    # of two normal densities: at the log-likelihood ratio of the prior's odds
    assert smoothed.threshold == pytest.approx(1 + np.log(19) / 2, abs=0.4)
    scores = np.linspace(-1, 3, 9)
    truth = 1 / (1 + np.exp(-2 * (scores - 1)))
    np.testing.assert_allclose(smoothed.posteriors(scores), truth, atol=0.15)
    for kernel, own in zip(smoothed.kernels, (target, impostor), strict=True):
        kept = kernel.drawn_in(own)
        assert kept.mean() == pytest.approx(own.mean())
        assert kept.var() + kernel.bandwidth**2 == pytest.approx(own.var())
