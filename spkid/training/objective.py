"""What a step minimises: the weighted sum of the losses of one batch."""

from __future__ import annotations

from torch import Tensor, nn

from spkid.training.corpus import Batch
from spkid.training.losses import AAMSoftmax, AngularPrototypical, teacher_distance
from spkid.training.recipe import TrainConfig


class Losses(nn.Module):
    """The weighted sum of the losses of one batch, and its parts for the log."""

    def __init__(self, config: TrainConfig, embedding_dim: int, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.aam = AAMSoftmax(embedding_dim, n_classes)
        self.prototypical = AngularPrototypical()

    def unreduced(self, embeddings: Tensor, batch: Batch, *, margin: float) -> dict[str, Tensor]:
        """Each loss by sample: ``prototypical`` a speaker, ``aam`` and ``teacher`` a clip.

        A loss that applies to no clip of the batch is left out.
        """
        labelled = batch.classes >= 0
        taught = batch.targets.any(dim=1)
        pairs = embeddings[: 2 * batch.n_speakers].unflatten(0, (batch.n_speakers, 2))
        parts = {"prototypical": self.prototypical(pairs)}
        if labelled.any():
            parts["aam"] = self.aam(embeddings[labelled], batch.classes[labelled], margin=margin)
        if taught.any():
            parts["teacher"] = teacher_distance(embeddings[taught], batch.targets[taught])
        return parts

    def forward(self, embeddings: Tensor, batch: Batch, *, margin: float) -> dict[str, Tensor]:
        unreduced = self.unreduced(embeddings, batch, margin=margin)
        parts = {name: values.mean() for name, values in unreduced.items()}
        parts["loss"] = sum(getattr(self.config, f"{name}_weight") * parts[name] for name in parts)
        return parts
