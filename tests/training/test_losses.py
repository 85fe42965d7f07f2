"""Each loss against a loop over its definition, in float64 and float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spkid.training.losses import AAMSoftmax, AngularPrototypical, teacher_distance

PRECISIONS = [(torch.float64, 1e-9), (torch.float32, 1e-3)]


def unit(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors.double(), dim=-1).to(dtype)


def cross_entropy(logits: list[float], own: int) -> float:
    largest = max(logits)
    return largest + math.log(sum(math.exp(x - largest) for x in logits)) - logits[own]


def naive_aam(
    embeddings: torch.Tensor, centres: torch.Tensor, labels: list[int], margin: float, scale: float
) -> list[float]:
    losses = []
    for embedding, label in zip(embeddings.double().tolist(), labels, strict=True):
        logits = []
        for number, centre in enumerate(centres.double().tolist()):
            length = math.sqrt(sum(x * x for x in centre))
            cosine = sum(x * y for x, y in zip(embedding, centre, strict=True)) / length
            if number == label:
                angle = math.acos(cosine)
                if angle + margin < math.pi:
                    cosine = math.cos(angle + margin)
                else:
                    cosine = cosine - margin * math.sin(margin)
            logits.append(scale * cosine)
        losses.append(cross_entropy(logits, label))
    return losses


def aam_of(dim: int, n_classes: int, dtype: torch.dtype, **options: float) -> AAMSoftmax:
    torch.manual_seed(5)
    return AAMSoftmax(dim, n_classes, **options).to(dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("scale", [30.0, 7.0])
def test_aam_is_the_naive_one(dtype, tolerance, margin, scale):
    aam = aam_of(6, 5, dtype, scale=scale)
    embeddings, labels = unit(40, 6, seed=1, dtype=dtype), [i % 5 for i in range(40)]
    losses = aam(embeddings, torch.tensor(labels), margin=margin)
    assert losses.shape == (40,)
    expected = naive_aam(embeddings, aam.centres.detach(), labels, margin, scale)
    np.testing.assert_allclose(losses.detach(), expected, rtol=tolerance, atol=tolerance)


def test_aam_without_margin_is_the_scaled_softmax():
    aam = aam_of(6, 4, torch.float64)
    embeddings, labels = unit(20, 6, seed=2), torch.arange(20) % 4
    cosines = embeddings @ torch.nn.functional.normalize(aam.centres, dim=1).T
    plain = torch.nn.functional.cross_entropy(30.0 * cosines, labels, reduction="none")
    torch.testing.assert_close(aam(embeddings, labels, margin=0.0), plain)


def test_aam_goes_on_falling_past_the_far_side():
    """Turning away from the own centre never lowers the loss, all the way round."""
    aam = aam_of(2, 2, torch.float64, scale=1.0)
    with torch.no_grad():
        aam.centres.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    margin = 0.5
    angles = torch.linspace(1e-2, math.pi - 1e-2, 60, dtype=torch.float64)
    embeddings = torch.stack([angles.cos(), -angles.sin()], dim=1)
    labels = [0] * len(angles)
    losses = aam(embeddings, torch.tensor(labels), margin=margin)
    expected = naive_aam(embeddings, aam.centres.detach(), labels, margin, 1.0)
    np.testing.assert_allclose(losses.detach(), expected)
    own_logit = torch.tensor(
        [
            math.cos(a + margin) if a + margin < math.pi else math.cos(a) - 0.5 * math.sin(0.5)
            for a in angles.tolist()
        ]
    )
    assert (own_logit.diff() < 1e-9).all()


def test_aam_gradient_is_finite_on_and_opposite_the_centre():
    aam = aam_of(3, 2, torch.float32)
    centre = torch.nn.functional.normalize(aam.centres.detach()[:1], dim=1)
    embeddings = torch.cat([centre, -centre]).requires_grad_()
    aam(embeddings, torch.tensor([0, 0]), margin=0.3).sum().backward()
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(aam.centres.grad).all()


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("n_clips", [2, 3])
def test_angular_prototypical_is_the_naive_one(dtype, tolerance, n_clips):
    loss = AngularPrototypical().to(dtype)
    embeddings = unit(5, n_clips, 7, seed=3, dtype=dtype)
    expected = []
    for speaker in range(5):
        logits = []
        for other in range(5):
            prototype = sum(embeddings[other, clip].double() for clip in range(1, n_clips))
            prototype = prototype / prototype.norm()
            logits.append(10.0 * float(embeddings[speaker, 0].double() @ prototype) - 5.0)
        expected.append(cross_entropy(logits, speaker))
    losses = loss(embeddings).detach()
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)


def test_angular_prototypical_scale_stays_positive():
    loss = AngularPrototypical().double()
    with torch.no_grad():
        loss.scale.fill_(-4.0)
    embeddings = unit(4, 2, 6, seed=4)
    np.testing.assert_allclose(loss(embeddings).detach(), np.full(4, math.log(4)), atol=0.01)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_teacher_distance_is_one_minus_cosine(dtype, tolerance):
    embeddings, targets = unit(6, 5, seed=5, dtype=dtype), unit(6, 5, seed=6, dtype=dtype)
    targets[2] = 0.0
    expected = [
        0.0 if row == 2 else 1.0 - sum(float(x) * float(y) for x, y in zip(e, t, strict=True))
        for row, (e, t) in enumerate(zip(embeddings, targets, strict=True))
    ]
    np.testing.assert_allclose(teacher_distance(embeddings, targets), expected, atol=tolerance)
    assert teacher_distance(embeddings, targets)[2] == 0.0
    torch.testing.assert_close(
        teacher_distance(targets, targets), torch.zeros(6, dtype=dtype), atol=1e-6, rtol=0
    )
