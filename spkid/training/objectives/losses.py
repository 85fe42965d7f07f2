"""Speaker losses, unreduced: whoever calls decides how to weight and reduce them.

A classification loss has one value a sample. A pairwise loss has one value a *pair* (a query
against the prototype of another speaker of the batch); a query's pairs add up to its loss.
docs/methods.md, section 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class AAMSoftmax(nn.Module):
    """Additive angular margin softmax (Deng et al., CVPR 2019).

    With ``n_sub_centres`` above one, a speaker has several centres and a sample counts with the
    nearest (sub-centre ArcFace, Deng et al., ECCV 2020): clips that sound unlike the rest,
    or carry a wrong label, need not pull the one centre about.

    Parameters
    ----------
    scale : float
        Multiplies the cosines before the softmax.
    """

    def __init__(
        self, embedding_dim: int, n_classes: int, *, n_sub_centres: int = 1, scale: float = 30.0
    ) -> None:
        super().__init__()
        self.n_sub_centres = n_sub_centres
        self.centres = nn.Parameter(torch.empty(n_classes * n_sub_centres, embedding_dim))
        nn.init.xavier_normal_(self.centres)
        self.scale = scale

    def begin_at(self, targets: Tensor) -> None:
        """Put each class's centres at its row of ``[classes, dim]``; not where that is all zero.

        Centres that start anywhere drag a trained encoder, or a taught one, about.
        """
        with torch.no_grad():
            places = targets.repeat_interleave(self.n_sub_centres, dim=0)
            self.centres.copy_(torch.where(places.any(dim=1, keepdim=True), places, self.centres))

    def forward(self, embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
        """Unit vectors ``[batch, dim]`` and class numbers ``[batch]`` -> loss ``[batch]``.

        ``margin`` is an angle in radians, added to each sample's angle to its own centre.
        """
        cosine = embeddings @ nn.functional.normalize(self.centres, dim=1).T
        cosine = cosine.unflatten(1, (-1, self.n_sub_centres)).amax(dim=2)  # [batch, classes]
        own = cosine.gather(1, labels[:, None])
        sine = (1.0 - own.square()).clamp_min(1e-7).sqrt()
        moved = own * math.cos(margin) - sine * math.sin(margin)
        # past pi - margin the cosine would rise again: go on linearly there
        moved = torch.where(own > -math.cos(margin), moved, own - math.sin(margin) * margin)
        logits = self.scale * cosine.scatter(1, labels[:, None], moved)
        return nn.functional.cross_entropy(logits, labels, reduction="none")


def leave_one_out_cosines(embeddings: Tensor) -> Tensor:
    """Cosines of every clip to every speaker's mean, ``[speakers, clips, speakers]``.

    ``embeddings`` ``[speakers, clips, dim]`` are unit vectors; the own speaker's mean leaves the
    clip itself out.
    """
    total = embeddings.sum(dim=1)
    prototypes = nn.functional.normalize(total, dim=1)
    without = nn.functional.normalize(total[:, None] - embeddings, dim=2)
    own = (embeddings * without).sum(dim=2)  # [speakers, clips]
    is_own = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)[:, None]
    return torch.where(is_own, own[:, :, None], embeddings @ prototypes.T)


class PairwiseLoss(nn.Module):
    """Find a query's own speaker among the prototypes of the batch: ``-log softmax_j(S_ij)[i]``.

    ``S_ij = scale * cosine``. The published losses add a learnt offset to every ``S_ij``; a
    constant cancels in the softmax and never gets a gradient, so there is none here. A child
    says which clips are queries and what they are compared with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Unit vectors ``[speakers, clips, dim]`` -> ``[queries, speakers]``."""
        raise NotImplementedError

    def sides(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """One value a clip, ``[speakers, clips]``, as ``[queries]`` and ``[speakers]``."""
        raise NotImplementedError

    def logits(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """``S`` ``[queries, speakers]`` and the own speaker's column of each query."""
        logits = self.scale.clamp_min(1e-3) * self.cosines(embeddings)
        n_speakers = len(embeddings)
        own = torch.arange(n_speakers, device=logits.device)
        return logits, own.repeat_interleave(len(logits) // n_speakers)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Unit vectors ``[speakers, clips, dim]``, two clips or more -> loss ``[queries]``."""
        logits, own = self.logits(embeddings)
        return nn.functional.cross_entropy(logits, own, reduction="none")

    def pairs(self, embeddings: Tensor) -> Tensor:
        """The loss pair by pair, ``[queries, speakers]``; zero in the own speaker's column.

        A row adds up to the query's loss, and its gradients to the gradient of that loss. The
        value of a pair is the loss times the pair's share of the softmax's confusion. Its
        gradient is ``p_ij * d(S_ij - S_i,own)`` with ``p`` held fixed, the pair's own part of
        the gradient of the softmax (general pair weighting, Wang et al., CVPR 2019): weighted by
        anything positive, it still only pushes strangers apart and a speaker's clips together.
        """
        logits, own = self.logits(embeddings)
        losses = nn.functional.cross_entropy(logits, own, reduction="none").detach()
        behind = logits - logits.gather(1, own[:, None])
        with torch.no_grad():
            chance = logits.softmax(dim=1)
            is_own = torch.zeros_like(chance).scatter(1, own[:, None], 1.0).bool()
            share = logits.masked_fill(is_own, -torch.inf).softmax(dim=1)
        return share * losses[:, None] + chance * (behind - behind.detach())


class AngularPrototypical(PairwiseLoss):
    """Angular prototypical loss (Chung et al., Interspeech 2020).

    A speaker's first clip is the query; the mean of the others is the prototype.
    """

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Of each speaker's first clip to all prototypes, ``[speakers, speakers]``."""
        prototypes = nn.functional.normalize(embeddings[:, 1:].mean(dim=1), dim=1)
        return embeddings[:, 0] @ prototypes.T

    def sides(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Values of the first clips, and means over the others."""
        return values[:, 0], values[:, 1:].mean(dim=1)


class GeneralisedEndToEnd(PairwiseLoss):
    """GE2E, softmax form (Wan et al., ICASSP 2018): every clip is a query.

    The prototypes are the speakers' means; a query's own speaker's mean leaves it out.
    Queries are in the order of the speakers, each speaker's clips side by side.
    """

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Of every clip to all prototypes, ``[speakers * clips, speakers]``."""
        return leave_one_out_cosines(embeddings).flatten(0, 1)

    def sides(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Values of all clips, and means over each speaker's."""
        return values.flatten(), values.mean(dim=1)


def similarity_distance(embeddings: Tensor, targets: Tensor) -> Tensor:
    """How far each clip's cosines to the others are from the teacher's, ``[batch]``.

    The mean square over the other clips of the batch (relational distillation, Park et al., CVPR
    2019): how voices lie to each other is taught beside where each lies. Both are unit vectors
    ``[batch, dim]``.
    """
    apart = (embeddings @ embeddings.T - targets @ targets.T).square()
    others = 1.0 - torch.eye(len(apart), device=apart.device)
    return (apart * others).sum(dim=1) / max(1, len(apart) - 1)


def teacher_distance(embeddings: Tensor, targets: Tensor) -> Tensor:
    """``1 - cosine`` to a teacher's unit vectors, ``[batch]``; 0 where a target row is all zero."""
    return (targets * targets).sum(dim=1) - (embeddings * targets).sum(dim=1)
