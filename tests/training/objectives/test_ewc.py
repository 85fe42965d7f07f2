"""Fisher information and penalty against loops over single samples and single weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from spkid.training.objectives.ewc import ElasticWeights, diagonal_fisher
from spkid.training.objectives.losses import AngularPrototypical


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def classified(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    labels = torch.arange(len(inputs)) % 3
    return nn.functional.cross_entropy(network(inputs), labels, reduction="none")


def samples(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)).double()


def test_fisher_is_that_of_central_differences_sample_by_sample():
    network, inputs = tiny(), samples(5, seed=1)
    parameters = list(network.parameters())
    fisher = diagonal_fisher(parameters, [classified(network, inputs)])
    for parameter, got in zip(parameters, fisher, strict=True):
        flat, expected = parameter.data.view(-1), []
        for place in range(len(flat)):
            each = []
            for sign in (1e-6, -2e-6):
                flat[place] += sign
                each.append(classified(network, inputs).detach())
            flat[place] += 1e-6
            slopes = (each[0] - each[1]) / 2e-6
            expected.append(float((slopes**2).mean()))
        np.testing.assert_allclose(got.flatten(), expected, rtol=1e-5, atol=1e-10)


def test_fisher_over_two_batches_is_the_one_over_all():
    network, inputs = tiny(), samples(6, seed=2)
    parameters = list(network.parameters())
    whole = diagonal_fisher(parameters, [classified(network, inputs)])
    parts = (classified(network, inputs[rows]) for rows in (slice(0, 3), slice(3, 6)))
    for one, other in zip(whole, diagonal_fisher(parameters, parts), strict=True):
        torch.testing.assert_close(one, other)


def test_fisher_of_a_weight_that_nothing_depends_on_is_zero():
    network, idle = tiny(), nn.Parameter(torch.ones(2))
    (fisher,) = diagonal_fisher([idle], [classified(network, samples(3, seed=3))])
    assert fisher.tolist() == [0.0, 0.0]


def test_fisher_of_a_pairwise_loss(make_encoder):
    """Query by query on the encoder, where one graph holds all clips of the batch."""
    encoder = make_encoder()
    waveforms = torch.randn(6, 4_000, generator=torch.Generator().manual_seed(4))
    weight = encoder.head[1].weight

    def losses() -> torch.Tensor:
        return AngularPrototypical()(encoder(waveforms)[0].unflatten(0, (3, 2)))

    (fisher,) = diagonal_fisher([weight], [losses()])
    expected = sum(torch.autograd.grad(losses()[query], weight)[0] ** 2 for query in range(3)) / 3
    torch.testing.assert_close(fisher, expected)


def test_penalty_is_the_sum_over_single_weights():
    network = tiny()
    elastic = ElasticWeights(network).double()
    assert elastic(network).item() == 0.0
    elastic.measure(network, [classified(network, samples(4, seed=5))])
    fisher = diagonal_fisher(list(network.parameters()), [classified(network, samples(4, seed=5))])
    before = [parameter.detach().clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.rand(
                parameter.shape, generator=torch.Generator().manual_seed(6)
            )
    expected = 0.0
    for each in zip(fisher, before, network.parameters(), strict=True):
        for one, was, now in zip(*(values.flatten().tolist() for values in each), strict=True):
            expected += 0.5 * one * (now - was) ** 2
    assert elastic(network).item() == pytest.approx(expected)


def test_penalty_pulls_back_and_only_the_weights_that_mattered():
    network = tiny()
    elastic = ElasticWeights(network).double()
    elastic.measure(network, [classified(network, samples(4, seed=7))])
    elastic.fisher_0.zero_()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1
    elastic(network).backward()
    first, *others = [parameter.grad for parameter in network.parameters()]
    assert not first.any()
    assert all((gradient >= 0).all() and gradient.any() for gradient in others)


def test_checkpoint_carries_weights_and_information():
    network = tiny()
    elastic = ElasticWeights(network).double()
    elastic.measure(network, [classified(network, samples(4, seed=8))])
    other = ElasticWeights(tiny(seed=9)).double()
    other.load_state_dict(elastic.state_dict(), strict=True)
    moved = tiny(seed=10)
    assert other(moved).item() == elastic(moved).item() > 0.0
