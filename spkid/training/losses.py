"""Speaker losses, one value a sample: whoever calls decides how to weight and reduce them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class AAMSoftmax(nn.Module):
    """Additive angular margin softmax (Deng et al., CVPR 2019).

    Parameters
    ----------
    scale : float
        Multiplies the cosines before the softmax.
    """

    def __init__(self, embedding_dim: int, n_classes: int, *, scale: float = 30.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.empty(n_classes, embedding_dim))
        nn.init.xavier_normal_(self.centres)
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
        """Unit vectors ``[batch, dim]`` and class numbers ``[batch]`` -> loss ``[batch]``.

        ``margin`` is an angle in radians, added to each sample's angle to its own centre.
        """
        cosine = embeddings @ nn.functional.normalize(self.centres, dim=1).T  # [batch, classes]
        own = cosine.gather(1, labels[:, None])
        sine = (1.0 - own.square()).clamp_min(1e-7).sqrt()
        moved = own * math.cos(margin) - sine * math.sin(margin)
        # past pi - margin the cosine would rise again: go on linearly there
        moved = torch.where(own > -math.cos(margin), moved, own - math.sin(margin) * margin)
        logits = self.scale * cosine.scatter(1, labels[:, None], moved)
        return nn.functional.cross_entropy(logits, labels, reduction="none")


class AngularPrototypical(nn.Module):
    """Angular prototypical loss (Chung et al., Interspeech 2020): find the speaker in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.offset = nn.Parameter(torch.tensor(-5.0))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Unit vectors ``[speakers, clips, dim]``, two clips or more -> loss ``[speakers]``.

        The first clip is the query; the mean of the others is the speaker's prototype.
        """
        prototypes = nn.functional.normalize(embeddings[:, 1:].mean(dim=1), dim=1)
        similarity = self.scale.clamp_min(1e-3) * (embeddings[:, 0] @ prototypes.T) + self.offset
        own = torch.arange(len(embeddings), device=embeddings.device)
        return nn.functional.cross_entropy(similarity, own, reduction="none")


def teacher_distance(embeddings: Tensor, targets: Tensor) -> Tensor:
    """``1 - cosine`` to a teacher's unit vectors, ``[batch]``; 0 where a target row is all zero."""
    return (targets * targets).sum(dim=1) - (embeddings * targets).sum(dim=1)
