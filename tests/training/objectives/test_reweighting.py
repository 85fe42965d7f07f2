"""Weights, regions and the adversary's turn, against loops and cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spkid.training.config import FORMS
from spkid.training.objectives import regions as regions_module
from spkid.training.objectives.losses import AngularPrototypical, GeneralisedEndToEnd
from spkid.training.objectives.regions import Regions
from spkid.training.objectives.reweighting import (
    Reweighting,
    sample_weights,
    weight_entropy,
    weighted_mean,
)


def unit(*shape: int, seed: int) -> torch.Tensor:
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=-1)


def reweighting_of(form: str) -> Reweighting:
    return Reweighting(form, embedding_dim=5, n_regions=3, largest=10.0)


def test_sample_weights_are_those_of_arl():
    shares = torch.tensor([0.1, 0.2, 0.2, 0.5])
    np.testing.assert_allclose(sample_weights(shares, largest=9.0), [1.4, 1.8, 1.8, 3.0])
    assert float(sample_weights(torch.rand(7), largest=9.0).mean()) == pytest.approx(2.0)
    np.testing.assert_allclose(sample_weights(shares, largest=2.5), [1.4, 1.8, 1.8, 2.5])


@pytest.mark.parametrize("loss", [AngularPrototypical(), GeneralisedEndToEnd()])
@pytest.mark.parametrize("form", FORMS)
def test_pair_weights_are_those_of_a_loop(form, loss):
    own = reweighting_of(form)
    weights = torch.tensor([[1.0, 3.0, 2.0], [1.5, 1.0, 4.0]])
    by_hand = []
    for speaker in range(2):
        for clip in range(3):
            if isinstance(loss, AngularPrototypical) and clip > 0:
                continue
            row = []
            for other in range(2):
                first = 1 if isinstance(loss, AngularPrototypical) else 0
                prototype = float(np.mean([float(w) for w in weights[other, first:]]))
                both = float(weights[speaker, clip]) + prototype
                row.append(both if form == "pairwise" else float(weights[speaker, clip]))
            by_hand.append((speaker, row))
    strangers = [w for speaker, row in by_hand for j, w in enumerate(row) if j != speaker]
    expected = np.array([row for _, row in by_hand]) / np.mean(strangers)
    np.testing.assert_allclose(own.pair_weights(loss, weights), expected, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_equal_weights_leave_the_loss_as_it_is(form):
    """An adversary that has learnt nothing weighs all alike: value and gradient are the loss's."""
    loss = AngularPrototypical()
    own = reweighting_of(form)
    embeddings = unit(4, 2, 5, seed=1).requires_grad_()
    weights = own.weights(embeddings)
    np.testing.assert_allclose(weights.detach(), np.full((4, 2), 2.0))
    weighted = weighted_mean(own.pair_weights(loss, weights).detach(), loss.pairs(embeddings))
    torch.testing.assert_close(weighted, loss(embeddings).mean())
    (one,) = torch.autograd.grad(weighted, embeddings)
    (other,) = torch.autograd.grad(loss(embeddings).mean(), embeddings)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_adversary_learns_to_weigh_what_is_lost_most(form):
    """Speakers 0 and 1 sound alike, 2 and 3 like nobody else: the former come to weigh more."""
    torch.manual_seed(0)
    voices = torch.eye(4, 5)
    voices[1] = voices[0] + 0.05 * voices[1]
    embeddings = torch.nn.functional.normalize(voices[:, None] + 0.1 * unit(4, 2, 5, seed=2), dim=2)
    loss = AngularPrototypical()
    own = reweighting_of(form)
    own.regions.observe(embeddings.flatten(0, 1))
    own.regions.refit(seed=0)
    pairs = loss.pairs(embeddings).detach()
    optimiser = torch.optim.Adam(own.adversary.parameters(), lr=0.1, maximize=True)
    gains = []
    for _ in range(30):
        gain = weighted_mean(own.pair_weights(loss, own.weights(embeddings)), pairs)
        optimiser.zero_grad()
        gain.backward()
        optimiser.step()
        gains.append(gain.item())
    assert gains[-1] > 1.1 * gains[0]
    weights = own.weights(embeddings).detach().mean(dim=1)
    assert weights[:2].min() > weights[2:].max() + 0.3


@pytest.mark.parametrize("form", FORMS)
def test_each_player_has_its_own_gradient(form):
    loss = AngularPrototypical()
    own = reweighting_of(form)
    embeddings = unit(4, 2, 5, seed=3).requires_grad_()
    pair_weights = own.pair_weights(loss, own.weights(embeddings))
    weighted_mean(pair_weights, loss.pairs(embeddings).detach()).backward()
    assert embeddings.grad is None
    assert own.adversary.weight.grad.abs().sum() > 0


def test_accumulated_sees_the_similarity_to_the_own_and_to_the_others():
    own = reweighting_of("accumulated")
    embeddings = unit(4, 3, 5, seed=4)
    seen = []
    own.adversary.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    own.weights(embeddings)
    for speaker in range(4):
        for clip in range(3):
            cosines = []
            for other in range(4):
                kept = [k for k in range(3) if (other, k) != (speaker, clip)]
                mean = embeddings[other, kept].mean(dim=0)
                cosines.append(float(embeddings[speaker, clip] @ mean / mean.norm()))
            apart = [x for j, x in enumerate(cosines) if j != speaker]
            expected = [*embeddings[speaker, clip].tolist(), cosines[speaker], np.mean(apart)]
            np.testing.assert_allclose(seen[0][speaker, clip], expected, rtol=1e-5, atol=1e-6)


def test_regions_are_the_nearest_centroids_of_three_heaps():
    centres = torch.eye(3, 5)
    clips = torch.nn.functional.normalize(centres.repeat(20, 1) + 0.1 * unit(60, 5, seed=5), dim=1)
    regions = Regions(3, 5)
    assert not regions(clips).any()  # nothing is known before the first fit
    regions.observe(clips)
    regions.refit(seed=0)
    hot = regions(clips.view(20, 3, 5))
    assert hot.shape == (20, 3, 3)
    assert (hot.sum(dim=2) == 1).all()
    for heap in range(3):
        assert len(hot[:, heap].argmax(dim=1).unique()) == 1
    with torch.no_grad():
        regions.centroids[0] *= 3.0  # nearest by distance, not by the largest product
    hot = regions(clips)
    nearest = [int(((clip - regions.centroids) ** 2).sum(dim=1).argmin()) for clip in clips]
    assert hot.argmax(dim=1).tolist() == nearest


def test_regions_keep_their_numbers_when_found_again():
    clips = torch.nn.functional.normalize(
        torch.eye(3, 5).repeat(20, 1) + 0.1 * unit(60, 5, seed=6), dim=1
    )
    regions = Regions(3, 5)
    regions.observe(clips)
    regions.refit(seed=0)
    before = regions(clips)
    regions.refit(seed=99)
    torch.testing.assert_close(regions(clips), before)


def test_too_few_embeddings_make_no_regions():
    regions = Regions(3, 5)
    regions.observe(unit(2, 5, seed=7))
    regions.refit(seed=0)
    assert int(regions.n_fits) == 0


def test_running_sample_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(regions_module, "N_REMEMBERED", 5)
    regions = Regions(2, 1)
    for start in (0, 3, 6):
        regions.observe(torch.arange(start, start + 3, dtype=torch.float32)[:, None])
    assert sorted(regions.sample.flatten().tolist()) == [4, 5, 6, 7, 8]
    assert int(regions.n_observed) == 9


def test_entropy_is_one_for_equal_weights_and_none_for_a_single_one():
    assert float(weight_entropy(torch.full((2, 3), 0.7))) == pytest.approx(1.0)
    assert float(weight_entropy(torch.tensor([0.0, 1.0, 0.0]))) == pytest.approx(0.0, abs=1e-6)
    expected = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)
    assert float(weight_entropy(torch.tensor([1.0, 3.0]))) == pytest.approx(expected)
