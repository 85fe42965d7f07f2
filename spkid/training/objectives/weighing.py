"""How the pairs of a batch are weighed: all alike, or as an adversary would have it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from spkid.training.config import TrainConfig
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.losses import PairwiseLoss
from spkid.training.objectives.part import Part, Values
from spkid.training.objectives.reweighting import Reweighting, weight_entropy, weighted_mean


class PairWeighing(Part):
    """Every pair weighs the same."""

    def means(
        self, losses: Mapping[str, PairwiseLoss], embeddings: Tensor, n_speakers: int
    ) -> Values:
        """The mean of each of ``losses`` by name, and what else the log should have.

        ``embeddings`` ``[batch, dim]`` begin with two crops of each of ``n_speakers``.
        """
        crops = crops_by_speaker(embeddings, n_speakers)
        return {name: loss(crops).mean() for name, loss in losses.items()}


class AdversarialWeighing(PairWeighing):
    """An adversary weighs the pairs, after a warm-up, and learns to raise what they add up to.

    Parameters
    ----------
    config : TrainConfig
        Form, warm-up, learning rate of the adversary, and the strengths of the losses.
    embedding_dim : int
        Of the embeddings that it sees.
    n_clips : int
        In the corpus. The regions are found anew once every so many clips.
    device : torch.device
        Where it computes.
    """

    def __init__(
        self, config: TrainConfig, *, embedding_dim: int, n_clips: int, device: torch.device
    ) -> None:
        super().__init__()
        self.config, self.is_warm = config, False
        self.epoch = math.ceil(n_clips / (2 * config.n_speakers))  # steps
        self.reweighting = Reweighting(
            config.reweighting,
            embedding_dim=embedding_dim,
            n_regions=config.n_regions,
            largest=config.largest_weight,
        ).to(device)
        self.optimiser = torch.optim.Adam(
            self.reweighting.parameters(), lr=config.adversary_learning_rate, maximize=True
        )
        self.modules, self.optimisers = (
            {"reweighting": self.reweighting},
            {"adversary": self.optimiser},
        )

    def before_step(self, step: int, encoder: SpeakerNetwork, features: Tensor) -> None:
        """Whether the warm-up is over."""
        self.is_warm = step >= self.config.reweighting_warm_up * self.config.n_steps

    def means(
        self, losses: Mapping[str, PairwiseLoss], embeddings: Tensor, n_speakers: int
    ) -> Values:
        """Weighted means; ``gain`` is what the adversary raises."""
        self.reweighting.regions.observe(embeddings)
        if not self.is_warm:
            return super().means(losses, embeddings, n_speakers)
        crops = crops_by_speaker(embeddings, n_speakers)
        weights = self.reweighting.weights(crops)  # [speakers, 2]
        values, gain = {}, torch.zeros((), device=embeddings.device)
        for name, loss in losses.items():
            pairs = loss.pairs(crops)  # [queries, speakers]
            pair_weights = self.reweighting.pair_weights(loss, weights)
            values[name] = weighted_mean(pair_weights.detach(), pairs)
            strength = self.config.loss_weights[name]
            gain = gain + strength * weighted_mean(pair_weights, pairs.detach())
        return {
            **values,
            "gain": gain,
            "largest_weight": weights.detach().max(),
            "weight_entropy": weight_entropy(weights.detach()),
        }

    def after_step(self, n_done: int, values: Values) -> None:
        """The adversary's turn, with the encoder as it was; the regions anew, once an epoch."""
        if "gain" in values:
            self.optimiser.zero_grad(set_to_none=True)
            values["gain"].backward()
            self.optimiser.step()
        if n_done % self.epoch == 0:
            self.reweighting.regions.refit(seed=self.config.seed + n_done)


def crops_by_speaker(embeddings: Tensor, n_speakers: int) -> Tensor:
    """The rows with a speaker, ``[batch, dim]`` -> ``[speakers, 2, dim]``."""
    crops: Tensor = embeddings[: 2 * n_speakers].unflatten(0, (n_speakers, 2))
    return crops
