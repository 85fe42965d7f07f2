"""The disturbances against loops over single samples and against cases with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spkid.training.objectives.adversarial import fast_gradient, projected_gradient


def features(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def attack(inputs: torch.Tensor, loss_of, *, epsilon: float, n_steps: int = 20, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return projected_gradient(
        inputs, loss_of, epsilon=epsilon, n_steps=n_steps, generator=generator
    )


def test_fast_gradient_is_the_one_of_each_sample_alone():
    """Against central differences, one feature of one sample at a time."""
    weight = features(3, 4, seed=1)

    def loss_of(sample: torch.Tensor) -> torch.Tensor:
        return torch.tanh(sample * weight).square().sum() + sample[0, 0] ** 3

    inputs = features(5, 3, 4, seed=2).requires_grad_()
    loss = torch.stack([loss_of(sample) for sample in inputs]).mean()
    disturbance = fast_gradient(loss, inputs, epsilon=0.7)
    for sample, got in zip(inputs.detach(), disturbance, strict=True):
        slope = torch.zeros_like(sample)
        for place in np.ndindex(3, 4):
            up, down = sample.clone(), sample.clone()
            up[place] += 1e-5
            down[place] -= 1e-5
            slope[place] = (loss_of(up) - loss_of(down)) / 2e-5
        expected = 0.7 * slope / math.sqrt(float((slope**2).sum()))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
    loss.backward()  # the graph is still there
    assert torch.isfinite(inputs.grad).all()


def test_fast_gradient_leaves_alone_what_the_loss_does_not_see():
    inputs = features(3, 2, 2, seed=3).requires_grad_()
    disturbance = fast_gradient(inputs[:2].square().sum(), inputs, epsilon=1.0)
    np.testing.assert_allclose(disturbance.flatten(1).norm(dim=1), [1.0, 1.0, 0.0])
    assert not disturbance.requires_grad


def test_projected_gradient_finds_the_worst_point_of_a_plane():
    """Where the loss is linear nothing raises it by more than ``epsilon * |w|``."""
    slope = features(4, 2, 3, seed=4)
    inputs = features(4, 2, 3, seed=5)
    worst = attack(inputs, lambda x: (x * slope).flatten(1).sum(dim=1), epsilon=0.5, n_steps=40)
    gain = ((worst - inputs) * slope).flatten(1).sum(dim=1)
    np.testing.assert_allclose(gain, 0.5 * slope.flatten(1).norm(dim=1), rtol=0.01)


@pytest.mark.parametrize("n_steps", [0, 1, 10])
def test_projected_gradient_stays_in_the_ball(n_steps):
    inputs = features(6, 3, 2, seed=6)
    worst = attack(inputs, lambda x: x.flatten(1).pow(3).sum(1), epsilon=0.3, n_steps=n_steps)
    change = (worst - inputs).flatten(1).norm(dim=1)
    assert (change <= 0.3 + 1e-9).all()
    assert (change > 0).all()


def test_projected_gradient_is_stronger_than_one_step(make_encoder, speech):
    """On the encoder: the cosine to the own clean embedding falls further at the same budget."""
    encoder = make_encoder()
    voices = torch.from_numpy(
        np.stack([speech(0.5, pitch_hz=100 + 50 * index, seed=index) for index in range(3)])
    )
    log_mel = encoder.log_mel(voices)
    clean = encoder.encode(log_mel)[0].detach()

    def distance(moved: torch.Tensor) -> torch.Tensor:
        return -(encoder.encode(moved)[0] * clean).sum(dim=1)

    away = attack(log_mel, distance, epsilon=2.0)
    random = attack(log_mel, distance, epsilon=2.0, n_steps=0)
    one_step = attack(log_mel, distance, epsilon=2.0, n_steps=1)
    with torch.no_grad():
        assert (distance(away) > distance(random) + 0.01).all()
        assert distance(away).mean() > distance(one_step).mean()


def test_projected_gradient_depends_on_the_generator_alone():
    inputs = features(4, 2, 2, seed=7)
    runs = [
        attack(inputs, lambda x: x.flatten(1).square().sum(1), epsilon=0.2, n_steps=3, seed=seed)
        for seed in (1, 1, 2)
    ]
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=0)
    assert not torch.equal(runs[0], runs[2])
