"""Small disturbances of the features that hurt most: to train against, and to measure with.

Training (SAASI, Li et al., Interspeech 2020; docs/methods.md, section 2) sees the fast gradient
of its own loss (Goodfellow et al., ICLR 2015); the attack that measures is projected gradient
(Madry et al., ICLR 2018), which is stronger and never trained on. Both budgets are Euclidean
lengths over one sample's whole log-mel image, so a long crop spreads the same budget over more
frames.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.part import Part, Values


class AdversarialTraining(Part):
    """A share of the loss is taken where the features are disturbed to raise it most.

    Parameters
    ----------
    share : float
        Of the loss, between 0 and 1.
    epsilon : float
        Euclidean length of the disturbance of one sample's log-mel.
    """

    def __init__(self, share: float, epsilon: float) -> None:
        super().__init__()
        self.share, self.epsilon = share, epsilon

    def before_step(self, step: int, encoder: SpeakerNetwork, features: Tensor) -> None:
        """The loss needs a gradient at the features."""
        features.requires_grad_()

    def add(
        self, values: Values, features: Tensor, values_at: Callable[[Tensor], Values]
    ) -> Values:
        """``(1 - share) L(x) + share L(x + r)``."""
        disturbance = fast_gradient(values["loss"], features, epsilon=self.epsilon)
        disturbed = values_at(features.detach() + disturbance)["loss"]
        loss = (1 - self.share) * values["loss"] + self.share * disturbed
        return {**values, "disturbed": disturbed, "loss": loss}


def lengths(samples: Tensor) -> Tensor:
    """Euclidean length of each sample, ``[batch, ...]`` -> ``[batch, 1, ...]``, never zero."""
    norms: Tensor = samples.flatten(1).norm(dim=1).clamp_min(1e-12)
    return norms.view(-1, *[1] * (samples.ndim - 1))


def fast_gradient(loss: Tensor, inputs: Tensor, *, epsilon: float) -> Tensor:
    """``r = epsilon * g / ||g||_2`` for each sample, ``g = d loss / d inputs``; no graph behind it.

    ``inputs`` ``[batch, ...]`` is a leaf of the graph of the scalar ``loss``; the graph stays,
    for the backward pass of the loss itself. A sample without a gradient is not disturbed.
    """
    (gradient,) = torch.autograd.grad(loss, inputs, retain_graph=True)
    return epsilon * gradient / lengths(gradient)


def projected_gradient(
    inputs: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    *,
    epsilon: float,
    n_steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Inputs within ``epsilon`` of ``inputs`` ``[batch, ...]``, moved to raise their loss.

    From a random place in the ball, ``n_steps`` steps of ``2.5 * epsilon / n_steps`` along each
    sample's gradient, drawn back into the ball after each.

    Parameters
    ----------
    loss_of : callable
        ``[batch, ...]`` -> one loss a sample, ``[batch]``.
    """
    noise = torch.randn(inputs.shape, generator=generator).to(inputs)
    reach = torch.rand(len(inputs), generator=generator).to(inputs)
    change = epsilon * noise / lengths(noise) * reach.view_as(lengths(noise))
    for _ in range(n_steps):
        moved = (inputs + change).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_of(moved).sum(), moved)
        change = change + 2.5 * epsilon / n_steps * gradient / lengths(gradient)
        change = change * (epsilon / lengths(change)).clamp_max(1.0)
    return (inputs + change).detach()
