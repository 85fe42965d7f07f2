"""What a step minimises: the weighted sum of the losses of one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spkid.training.config import TrainConfig
from spkid.training.data.sampler import Batch
from spkid.training.objectives.losses import (
    PAIRWISE_LOSSES,
    AAMSoftmax,
    AngularPrototypical,
    GeneralisedEndToEnd,
    teacher_distance,
)
from spkid.training.objectives.reweighting import Reweighting, weight_entropy


class Losses(nn.Module):
    """The weighted sum of the losses of one batch, and its parts for the log."""

    def __init__(self, config: TrainConfig, embedding_dim: int, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.aam = AAMSoftmax(embedding_dim, n_classes, n_sub_centres=config.n_sub_centres)
        self.prototypical = AngularPrototypical()
        self.ge2e = GeneralisedEndToEnd()

    def unreduced(self, embeddings: Tensor, batch: Batch, *, margin: float) -> dict[str, Tensor]:
        """Each loss by sample: ``prototypical`` and ``ge2e`` a query, the others a clip.

        A loss that weighs nothing or applies to no clip of the batch is left out.
        """
        config = self.config
        labelled = batch.classes >= 0
        taught = batch.targets.any(dim=1)
        crops = crops_by_speaker(embeddings, batch)
        parts = {
            name: getattr(self, name)(crops)
            for name in PAIRWISE_LOSSES
            if getattr(config, f"{name}_weight")
        }
        if config.aam_weight and labelled.any():
            parts["aam"] = self.aam(embeddings[labelled], batch.classes[labelled], margin=margin)
        if config.teacher_weight and taught.any():
            parts["teacher"] = teacher_distance(embeddings[taught], batch.targets[taught])
        return parts

    def forward(
        self,
        embeddings: Tensor,
        batch: Batch,
        *,
        margin: float,
        reweighting: Reweighting | None = None,
    ) -> dict[str, Tensor]:
        """Means by name, ``"loss"`` their weighted sum; the encoder lowers it.

        With ``reweighting``, pairs are weighted, and ``"gain"`` is what the adversary raises.
        """
        config = self.config
        unreduced = self.unreduced(embeddings, batch, margin=margin)
        parts = {name: values.mean() for name, values in unreduced.items()}
        watched = {}
        if reweighting is not None:
            crops = crops_by_speaker(embeddings, batch)
            weights = reweighting.weights(crops)
            watched = {"gain": torch.zeros((), device=embeddings.device)}
            for name in [name for name in PAIRWISE_LOSSES if name in parts]:
                loss = getattr(self, name)
                pairs = loss.pairs(crops)
                parts[name] = reweighting.weighted(loss, pairs, weights.detach())
                gain = reweighting.weighted(loss, pairs.detach(), weights)
                watched["gain"] = watched["gain"] + getattr(config, f"{name}_weight") * gain
            watched["largest_weight"] = weights.detach().max()
            watched["weight_entropy"] = weight_entropy(weights.detach())
        loss = sum(getattr(config, f"{name}_weight") * value for name, value in parts.items())
        return {**parts, **watched, "loss": loss}


def crops_by_speaker(embeddings: Tensor, batch: Batch) -> Tensor:
    """The rows with a speaker, ``[speakers, 2, dim]``."""
    return embeddings[: 2 * batch.n_speakers].unflatten(0, (batch.n_speakers, 2))
