"""Each loss against a loop over its definition, in float64 and float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spkid.training.objectives.losses import (
    AAMSoftmax,
    AngularPrototypical,
    GeneralisedEndToEnd,
    similarity_distance,
    teacher_distance,
)

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
            logits.append(10.0 * float(embeddings[speaker, 0].double() @ prototype))
        expected.append(cross_entropy(logits, speaker))
    losses = loss(embeddings).detach()
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)


def test_aam_begins_at_what_classes_are_taught():
    aam = AAMSoftmax(4, 3, n_sub_centres=2)
    before = aam.centres.detach().clone()
    targets = torch.eye(3, 4)
    targets[1] = 0.0
    aam.begin_at(targets)
    assert torch.equal(aam.centres[[0, 1, 4, 5]], targets[[0, 0, 2, 2]])
    assert torch.equal(aam.centres[[2, 3]], before[[2, 3]])
    loss = aam(targets[[0, 2]], torch.tensor([0, 2]), margin=0.0)
    assert (loss < 0.01).all()


def test_angular_prototypical_scale_stays_positive():
    loss = AngularPrototypical().double()
    with torch.no_grad():
        loss.scale.fill_(-4.0)
    embeddings = unit(4, 2, 6, seed=4)
    np.testing.assert_allclose(loss(embeddings).detach(), np.full(4, math.log(4)), atol=0.01)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_aam_with_sub_centres_counts_the_nearest(margin):
    """With several centres a class, the naive loss with each class's nearest centre."""
    aam = aam_of(6, 4, torch.float64, n_sub_centres=3)
    assert aam.centres.shape == (12, 6)
    embeddings, labels = unit(20, 6, seed=7), [i % 4 for i in range(20)]
    losses = aam(embeddings, torch.tensor(labels), margin=margin).detach()
    by_class = torch.nn.functional.normalize(aam.centres.detach(), dim=1).view(4, 3, 6)
    for embedding, label, loss in zip(embeddings, labels, losses, strict=True):
        nearest = torch.stack([own[int((own @ embedding).argmax())] for own in by_class])
        expected = naive_aam(embedding[None], nearest, [label], margin, 30.0)
        np.testing.assert_allclose(float(loss), expected[0], rtol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("n_clips", [2, 4])
def test_ge2e_is_the_naive_one_with_leave_one_out_centroids(dtype, tolerance, n_clips):
    loss = GeneralisedEndToEnd().to(dtype)
    embeddings = unit(4, n_clips, 7, seed=8, dtype=dtype)
    expected = []
    for speaker in range(4):
        for clip in range(n_clips):
            logits = []
            for other in range(4):
                counted = [k for k in range(n_clips) if (other, k) != (speaker, clip)]
                centroid = sum(embeddings[other, k].double() for k in counted) / len(counted)
                cosine = embeddings[speaker, clip].double() @ centroid / centroid.norm()
                logits.append(10.0 * float(cosine))
            expected.append(cross_entropy(logits, speaker))
    losses = loss(embeddings).detach()
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", [AngularPrototypical, GeneralisedEndToEnd])
def test_pairs_share_out_the_loss_by_the_confusion(kind):
    """By hand: a pair's value is the query's loss times its part of the wrong answers."""
    loss = kind().double()
    embeddings = unit(4, 3, 6, seed=9)
    logits, own = loss.logits(embeddings)
    pairs, losses = loss.pairs(embeddings).detach(), loss(embeddings).detach()
    assert pairs.shape == (len(losses), 4)
    for row, (line, column) in enumerate(zip(logits.tolist(), own.tolist(), strict=True)):
        wrong = [math.exp(x) if j != column else 0.0 for j, x in enumerate(line)]
        value = cross_entropy(line, column)
        expected = [value * x / sum(wrong) for x in wrong]
        np.testing.assert_allclose(pairs[row], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", [AngularPrototypical, GeneralisedEndToEnd])
def test_pairs_add_up_to_the_loss_and_its_gradient(kind):
    loss = kind().double()
    weights = torch.rand(12, generator=torch.Generator().manual_seed(1)).double()
    gradients = []
    for values in (lambda e: loss(e), lambda e: loss.pairs(e).sum(dim=1)):
        embeddings = unit(4, 3, 6, seed=10).requires_grad_()
        each = values(embeddings)
        total = (each * weights[: len(each)]).sum()
        gradients.append(torch.autograd.grad(total, [embeddings, loss.scale]))
        torch.testing.assert_close(each, loss(embeddings))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", [AngularPrototypical, GeneralisedEndToEnd])
def test_a_weighted_pair_never_pulls_strangers_together(kind):
    """The gradient of any positively weighted sum of pairs, pair by pair, has the right sign."""
    loss = kind().double()
    cosines = torch.linspace(-1, 1, 4 * len(loss.cosines(unit(4, 2, 6, seed=11)))).double()
    cosines = cosines.view(-1, 4).requires_grad_()
    loss.cosines = lambda embeddings: cosines
    pairs = loss.pairs(unit(4, 2, 6, seed=11))
    weights = torch.rand(pairs.shape, generator=torch.Generator().manual_seed(2)).double() ** 4
    (gradient,) = torch.autograd.grad((weights * pairs).sum(), cosines)
    _, own = loss.logits(unit(4, 2, 6, seed=11))
    is_own = torch.zeros_like(gradient).scatter(1, own[:, None], 1.0).bool()
    assert (gradient[~is_own] > 0).all()
    assert (gradient[is_own] < 0).all()


def test_sides_say_which_clips_a_pair_is_made_of():
    values = torch.tensor([[1.0, 2.0, 4.0], [5.0, 6.0, 8.0]])
    query, prototype = AngularPrototypical().sides(values)
    assert (query.tolist(), prototype.tolist()) == ([1.0, 5.0], [3.0, 7.0])
    query, prototype = GeneralisedEndToEnd().sides(values)
    assert query.tolist() == values.flatten().tolist()
    np.testing.assert_allclose(prototype, [7 / 3, 19 / 3], rtol=1e-6)


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


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_similarity_distance_is_over_the_other_clips(dtype, tolerance):
    embeddings, targets = unit(5, 7, seed=1, dtype=dtype), unit(5, 3, seed=2, dtype=dtype)
    found = similarity_distance(embeddings, targets)
    for row in range(5):
        apart = [
            float(embeddings[row] @ embeddings[other] - targets[row] @ targets[other]) ** 2
            for other in range(5)
            if other != row
        ]
        assert found[row].item() == pytest.approx(sum(apart) / 4, abs=tolerance)
    turned = embeddings[:, torch.randperm(7)]
    torch.testing.assert_close(
        similarity_distance(embeddings, turned), torch.zeros(5, dtype=dtype), atol=1e-5, rtol=0
    )
    assert similarity_distance(embeddings[:1], targets[:1]).tolist() == [0.0]
