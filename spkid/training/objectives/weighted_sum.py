"""What a step minimises: the weighted sum of the losses of one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spkid.training.config import TrainConfig
from spkid.training.data.sampler import Batch
from spkid.training.objectives.losses import (
    AAMSoftmax,
    AngularPrototypical,
    GeneralisedEndToEnd,
    similarity_distance,
    teacher_distance,
)
from spkid.training.objectives.part import Values
from spkid.training.objectives.weighing import PairWeighing


class Losses(nn.Module):
    """The weighted sum of the losses of one batch, and its parts for the log.

    Parameters
    ----------
    config : TrainConfig
        The weights of the losses.
    embedding_dim, n_classes : int
        Sizes of the classification loss.
    weighing : PairWeighing, optional
        How the pairs of the pairwise losses are weighed; all alike without one.
    """

    def __init__(
        self,
        config: TrainConfig,
        embedding_dim: int,
        n_classes: int,
        weighing: PairWeighing | None = None,
    ) -> None:
        super().__init__()
        self.weights = {name: weight for name, weight in config.loss_weights.items() if weight}
        self.weighing = weighing or PairWeighing()
        self.aam = AAMSoftmax(embedding_dim, n_classes, n_sub_centres=config.n_sub_centres)
        self.prototypical = AngularPrototypical()
        self.ge2e = GeneralisedEndToEnd()

    def forward(self, embeddings: Tensor, batch: Batch, *, margin: float) -> Values:
        """Means by name, ``"loss"`` their weighted sum, which the encoder lowers.

        A loss that weighs nothing or applies to no clip of the batch is left out. ``embeddings``
        are unit vectors ``[batch, dim]``.
        """
        labelled = batch.classes >= 0
        taught = batch.targets.any(dim=1)
        pairwise = {"prototypical": self.prototypical, "ge2e": self.ge2e}
        wanted = {name: loss for name, loss in pairwise.items() if name in self.weights}
        values = self.weighing.means(wanted, embeddings, batch.n_speakers)
        if "aam" in self.weights and labelled.any():
            own = self.aam(embeddings[labelled], batch.classes[labelled], margin=margin)
            values["aam"] = own.mean()
        if "teacher" in self.weights and taught.any():
            values["teacher"] = teacher_distance(embeddings[taught], batch.targets[taught]).mean()
        if "similarity" in self.weights and taught.any():
            apart = similarity_distance(embeddings[taught], batch.targets[taught])
            values["similarity"] = apart.mean()
        found = [weight * values[name] for name, weight in self.weights.items() if name in values]
        loss = sum(found, torch.zeros((), device=embeddings.device))
        return {**values, "loss": loss}
