"""k-means regions of the embedding space: groups that nobody had to label."""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

N_REMEMBERED = 4096  # embeddings that the regions are found in


class Regions(nn.Module):
    """k-means regions of the embedding space, found in a running sample of embeddings.

    Everything is a buffer, so a checkpoint carries it.
    """

    sample: Tensor  # float32 [N_REMEMBERED, dim]
    centroids: Tensor  # float32 [regions, dim]
    n_observed: Tensor
    n_fits: Tensor

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
        # [..., regions]; the nearest by distance has the largest
        nearness = embeddings @ self.centroids.T - self.centroids.square().sum(dim=1) / 2
        hot = nn.functional.one_hot(nearness.argmax(dim=-1), len(self.centroids))
        return hot.to(embeddings) * (self.n_fits > 0)
