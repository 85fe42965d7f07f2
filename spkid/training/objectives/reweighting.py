"""Adversarial re-weighting: what the model is worst at counts more, without any group label.

``min`` over the encoder, ``max`` over an adversary, of ``sum_ij lambda_ij l_ij`` over the pairs
of a batch (Jin et al., Interspeech 2022, arXiv 2207.07776, after ARL, Lahoti et al., NeurIPS
2020). Three forms. What the paper leaves open is our reading:

``accumulated``
    the adversary sees a sample's embedding and its similarity to its own speaker and,
    accumulated, to the others; all pairs of a query get the query's weight.
``pseudo_label``
    it sees the embedding and the k-means region that it falls into, in place of a label.
``pairwise``
    the same, and a pair gets the *sum* of its two samples' weights.
"""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from spkid.training.objectives.losses import PairwiseLoss, leave_one_out_cosines

N_REMEMBERED = 4096  # embeddings that the regions are found in


class Regions(nn.Module):
    """k-means regions of the embedding space, found in a running sample of embeddings.

    Everything is a buffer, so a checkpoint carries it.
    """

    def __init__(self, n_regions: int, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("sample", torch.zeros(N_REMEMBERED, embedding_dim))
        self.register_buffer("n_observed", torch.zeros((), dtype=torch.int64))
        self.register_buffer("centroids", torch.zeros(n_regions, embedding_dim))
        self.register_buffer("n_fits", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, embeddings: Tensor) -> None:
        """Remember ``[n, dim]``; the oldest are forgotten."""
        place = (self.n_observed + torch.arange(len(embeddings))) % N_REMEMBERED
        self.sample[place.to(self.sample.device)] = embeddings.detach().to(self.sample)
        self.n_observed += len(embeddings)

    @torch.no_grad()
    def refit(self, *, seed: int) -> None:
        """Find the regions again, from where they were; nothing with too small a sample."""
        from sklearn.cluster import KMeans

        n_known = min(int(self.n_observed), N_REMEMBERED)
        if n_known < len(self.centroids):
            return
        start = self.centroids.cpu().numpy() if self.n_fits else "k-means++"
        means = KMeans(
            len(self.centroids), init=start, n_init=1 if self.n_fits else 4, random_state=seed
        )
        # one thread: the order of its sums, and with it the last bit, would depend on many
        with threadpool_limits(1):
            means.fit(self.sample[:n_known].cpu().numpy())
        centroids = means.cluster_centers_.astype(np.float32)
        self.centroids.copy_(torch.from_numpy(centroids))
        self.n_fits += 1

    def forward(self, embeddings: Tensor) -> Tensor:
        """One-hot region of each, ``[..., dim]`` -> ``[..., regions]``; zeros before a fit."""
        nearness = embeddings @ self.centroids.T - self.centroids.square().sum(dim=1) / 2
        hot = nn.functional.one_hot(nearness.argmax(dim=-1), len(self.centroids))
        return hot.to(embeddings) * (self.n_fits > 0)


def sample_weights(shares: Tensor, *, largest: float) -> Tensor:
    """ARL's ``1 + n f_i / sum_j f_j`` of the adversary's ``f``: mean 2, before the clamp."""
    return (1.0 + shares.numel() * shares / shares.sum()).clamp_max(largest)


class Reweighting(nn.Module):
    """The adversary and the regions that it sees.

    Parameters
    ----------
    form : str
        One of ``FORMS``.
    largest : float
        No sample weighs more than this; the mean is 2.
    """

    def __init__(
        self,
        form: str,
        *,
        embedding_dim: int,
        n_regions: int,
        largest: float,
    ) -> None:
        super().__init__()
        self.form, self.largest = form, largest
        self.regions = Regions(n_regions, embedding_dim)
        n_extra = 2 if form == "accumulated" else n_regions
        self.adversary = nn.Linear(embedding_dim + n_extra, 1)
        nn.init.zeros_(self.adversary.weight)  # all weigh the same until something is learnt
        nn.init.zeros_(self.adversary.bias)

    def weights(self, embeddings: Tensor) -> Tensor:
        """Unit vectors ``[speakers, clips, dim]`` -> the samples' weights ``[speakers, clips]``.

        The gradient goes to the adversary and stops at the embeddings.
        """
        embeddings = embeddings.detach()
        seen = self.regions(embeddings)
        if self.form == "accumulated":
            cosines = leave_one_out_cosines(embeddings)  # [speakers, clips, speakers]
            own = torch.diagonal(cosines, dim1=0, dim2=2).T  # [speakers, clips]
            others = (cosines.sum(dim=2) - own) / max(1, len(embeddings) - 1)
            seen = torch.stack([own, others], dim=2)
        shares = torch.sigmoid(self.adversary(torch.cat([embeddings, seen], dim=2))).squeeze(2)
        return sample_weights(shares, largest=self.largest)

    def pair_weights(self, loss: PairwiseLoss, weights: Tensor) -> Tensor:
        """``[speakers, clips]`` -> ``[queries, speakers]``, mean 1 over the pairs of strangers."""
        query, prototype = loss.sides(weights)
        pairs = query[:, None].expand(-1, len(prototype))
        if self.form == "pairwise":
            pairs = query[:, None] + prototype
        n_speakers = len(prototype)
        own = torch.arange(n_speakers, device=pairs.device)
        own = own.repeat_interleave(len(query) // n_speakers)[:, None]
        strangers = pairs.sum() - pairs.gather(1, own).sum()
        return pairs * (len(query) * (n_speakers - 1) / strangers)

    def weighted(self, loss: PairwiseLoss, pairs: Tensor, weights: Tensor) -> Tensor:
        """The mean over queries of ``sum_j lambda_ij l_ij``, a scalar.

        ``pairs`` ``[queries, speakers]`` are those of ``loss`` for the batch. The encoder
        lowers it with ``weights`` detached; the adversary raises it with ``pairs`` detached.
        """
        return (self.pair_weights(loss, weights) * pairs).sum(dim=1).mean()


def weight_entropy(weights: Tensor) -> Tensor:
    """Entropy of the weights over its largest value: 1 where all weigh the same."""
    shares = weights.flatten() / weights.sum()
    return torch.special.entr(shares).sum() / torch.log(torch.tensor(float(shares.numel())))
