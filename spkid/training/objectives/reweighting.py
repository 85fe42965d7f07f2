"""Adversarial re-weighting: what the model is worst at counts more, without any group label.

``min`` over the encoder, ``max`` over an adversary, of ``sum_ij lambda_ij l_ij`` over the pairs
of a batch (Jin et al., Interspeech 2022, arXiv 2207.07776, after ARL, Lahoti et al., NeurIPS
2020; docs/methods.md, section 4). Three forms. What the paper leaves open is our reading:

``accumulated``
    the adversary sees a sample's embedding and its similarity to its own speaker and,
    accumulated, to the others; all pairs of a query get the query's weight.
``pseudo_label``
    it sees the embedding and the k-means region that it falls into, in place of a label.
``pairwise``
    the same, and a pair gets the *sum* of its two samples' weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spkid.training.objectives.losses import PairwiseLoss, leave_one_out_cosines
from spkid.training.objectives.regions import Regions


class Reweighting(nn.Module):
    """The adversary and the regions that it sees.

    Parameters
    ----------
    form : str
        One of ``FORMS``.
    embedding_dim : int
        Of the embeddings that it sees.
    n_regions : int
        The number of k-means regions.
    largest : float
        No sample weighs more than this; the mean is 2.
    """

    def __init__(self, form: str, *, embedding_dim: int, n_regions: int, largest: float) -> None:
        super().__init__()
        self.form, self.largest = form, largest
        self.regions = Regions(n_regions, embedding_dim)
        n_extra = 2 if form == "accumulated" else n_regions
        # all weigh the same until something is learnt; nothing is drawn, so that a seed gives the
        # other weights of a run the same values with and without an adversary
        self.adversary = nn.utils.skip_init(nn.Linear, embedding_dim + n_extra, 1)
        nn.init.zeros_(self.adversary.weight)
        nn.init.zeros_(self.adversary.bias)

    def weights(self, embeddings: Tensor) -> Tensor:
        """Unit vectors ``[speakers, clips, dim]`` -> the samples' weights ``[speakers, clips]``.

        The gradient goes to the adversary and stops at the embeddings.
        """
        embeddings = embeddings.detach()
        seen: Tensor = self.regions(embeddings)  # [speakers, clips, regions]
        if self.form == "accumulated":
            cosines = leave_one_out_cosines(embeddings)  # [speakers, clips, speakers]
            own = torch.diagonal(cosines, dim1=0, dim2=2).T  # [speakers, clips]
            others = (cosines.sum(dim=2) - own) / max(1, len(embeddings) - 1)
            seen = torch.stack([own, others], dim=2)
        shares = torch.sigmoid(self.adversary(torch.cat([embeddings, seen], dim=2))).squeeze(2)
        return sample_weights(shares, largest=self.largest)

    def pair_weights(self, loss: PairwiseLoss, weights: Tensor) -> Tensor:
        """``[speakers, clips]`` -> ``[queries, speakers]``, mean 1 over the pairs of strangers."""
        query, prototype = loss.sides(weights)  # [queries], [speakers]
        pairs = query[:, None].expand(-1, len(prototype))
        if self.form == "pairwise":
            pairs = query[:, None] + prototype
        n_speakers = len(prototype)
        own = torch.arange(n_speakers, device=pairs.device)
        own = own.repeat_interleave(len(query) // n_speakers)[:, None]  # [queries, 1]
        strangers = pairs.sum() - pairs.gather(1, own).sum()
        return pairs * (len(query) * (n_speakers - 1) / strangers)


def sample_weights(shares: Tensor, *, largest: float) -> Tensor:
    """ARL's ``1 + n f_i / sum_j f_j`` of the adversary's ``f``: mean 2, before the clamp."""
    return (1.0 + shares.numel() * shares / shares.sum()).clamp_max(largest)


def weighted_mean(pair_weights: Tensor, pairs: Tensor) -> Tensor:
    """The mean over queries of ``sum_j lambda_ij l_ij``, both ``[queries, speakers]``.

    The encoder lowers it with ``pair_weights`` detached; the adversary raises it with ``pairs``
    detached.
    """
    return (pair_weights * pairs).sum(dim=1).mean()


def weight_entropy(weights: Tensor) -> Tensor:
    """Entropy of the weights over its largest value: 1 where all weigh the same."""
    shares = weights.flatten() / weights.sum()
    entropy: Tensor = torch.special.entr(shares).sum()
    return entropy / torch.log(torch.tensor(float(shares.numel())))
