"""How pairs are weighed: against a loop over queries and strangers, and each thing once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spkid.training.config import FORMS, TrainConfig
from spkid.training.objectives.losses import AngularPrototypical, GeneralisedEndToEnd
from spkid.training.objectives.weighing import AdversarialWeighing, PairWeighing

N_SPEAKERS = 4


@pytest.fixture
def losses():
    return {"prototypical": AngularPrototypical(), "ge2e": GeneralisedEndToEnd()}


@pytest.fixture
def embeddings() -> torch.Tensor:
    """Two crops of each speaker and three of nobody known."""
    generator = torch.Generator().manual_seed(4)
    vectors = torch.randn(2 * N_SPEAKERS + 3, 5, generator=generator)
    return torch.nn.functional.normalize(vectors, dim=1).requires_grad_()


def adversarial(form: str, *, step: int) -> AdversarialWeighing:
    """An adversary that has learnt something, at ``step`` of 10, of which 2 are warm-up."""
    config = TrainConfig(
        n_steps=10,
        reweighting=form,
        reweighting_warm_up=0.2,
        n_regions=2,
        prototypical_weight=0.5,
        ge2e_weight=2.0,
    )
    weighing = AdversarialWeighing(config, embedding_dim=5, n_clips=99, device=torch.device("cpu"))
    adversary = weighing.reweighting.adversary
    with torch.no_grad():
        places = torch.arange(adversary.weight.numel(), dtype=torch.float32)
        adversary.weight.copy_(torch.sin(1 + places)[None])
    weighing.before_step(step, None, None)
    return weighing


@pytest.mark.parametrize("form", FORMS)
def test_weighted_means_are_those_of_a_loop(form, losses, embeddings):
    weighing = adversarial(form, step=5)
    found = weighing.means(losses, embeddings, N_SPEAKERS)
    crops = embeddings[: 2 * N_SPEAKERS].detach().view(N_SPEAKERS, 2, 5)
    weights = weighing.reweighting.weights(crops).tolist()
    gain = 0.0
    for name, strength in (("prototypical", 0.5), ("ge2e", 2.0)):
        first_clips = name == "prototypical"
        queries = [(s, c) for s in range(N_SPEAKERS) for c in range(1 if first_clips else 2)]
        pairs = losses[name].pairs(crops).tolist()
        weight = {}
        for query, (speaker, clip) in enumerate(queries):
            for other in range(N_SPEAKERS):
                others = weights[other][1:] if first_clips else weights[other]
                added = sum(others) / len(others) if form == "pairwise" else 0.0
                weight[query, other] = weights[speaker][clip] + added
        strangers = [w for (q, other), w in weight.items() if queries[q][0] != other]
        mean = sum(strangers) / len(strangers)
        expected = sum(w / mean * pairs[q][other] for (q, other), w in weight.items())
        expected /= len(queries)
        assert float(found[name].detach()) == pytest.approx(expected, rel=1e-5)
        gain += strength * expected
    assert float(found["gain"].detach()) == pytest.approx(gain, rel=1e-5)
    assert float(found["largest_weight"]) == pytest.approx(np.max(weights), rel=1e-6)


@pytest.mark.parametrize("step", [0, 1])
def test_pairs_weigh_the_same_until_the_warm_up_is_over(step, losses, embeddings):
    plain = PairWeighing().means(losses, embeddings, N_SPEAKERS)
    warm = adversarial("pairwise", step=step).means(losses, embeddings, N_SPEAKERS)
    assert warm.keys() == plain.keys() == losses.keys()
    assert all(torch.equal(warm[name], plain[name]) for name in plain)
    assert "gain" in adversarial("pairwise", step=2).means(losses, embeddings, N_SPEAKERS)


@pytest.mark.parametrize("step", [0, 5])
def test_cosines_and_weights_are_computed_once(step, losses, embeddings, monkeypatch):
    weighing, counts = adversarial("pairwise", step=step), {}

    def counted(owner, method):
        original = getattr(owner, method)

        def count(*arguments, **named):
            key = type(owner).__name__, method
            counts[key] = counts.get(key, 0) + 1
            return original(*arguments, **named)

        monkeypatch.setattr(owner, method, count)

    for loss in losses.values():
        counted(loss, "cosines")
    counted(weighing.reweighting, "weights")
    weighing.means(losses, embeddings, N_SPEAKERS)
    expected = {("AngularPrototypical", "cosines"): 1, ("GeneralisedEndToEnd", "cosines"): 1}
    assert counts == {**expected, **({("Reweighting", "weights"): 1} if step else {})}


def test_encoder_and_adversary_each_have_their_own_gradient(losses, embeddings):
    weighing = adversarial("pairwise", step=5)
    found = weighing.means(losses, embeddings, N_SPEAKERS)
    found["gain"].backward(retain_graph=True)
    assert embeddings.grad is None
    before = weighing.reweighting.adversary.weight.grad.clone()
    assert before.any()
    (found["prototypical"] + found["ge2e"]).backward()
    assert embeddings.grad[: 2 * N_SPEAKERS].any()
    assert torch.equal(weighing.reweighting.adversary.weight.grad, before)


def test_adversary_takes_its_turn_uphill(losses, embeddings):
    weighing = adversarial("pairwise", step=5)
    first = weighing.means(losses, embeddings, N_SPEAKERS)
    weighing.after_step(1, first)
    second = weighing.means(losses, embeddings, N_SPEAKERS)
    assert float(second["gain"].detach()) > float(first["gain"].detach())


def test_regions_are_found_anew_once_an_epoch(losses, embeddings):
    weighing = adversarial("pairwise", step=5)  # 99 clips, 28 speakers a step: 2 steps
    values = weighing.means(losses, embeddings, N_SPEAKERS)
    fits = []
    for n_done in range(1, 5):
        weighing.after_step(n_done, {**values} if n_done == 1 else {})
        fits.append(int(weighing.reweighting.regions.n_fits))
    assert fits == [0, 1, 1, 2]
