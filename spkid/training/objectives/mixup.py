"""Mixup of voices: a crop that is partly somebody else, and counts for both.

After contrastive mixup (arXiv 2202.10672): the log-mel of each speaker's first crop, the query of
the prototypical loss, is mixed with that of another speaker's, and every loss is taken for both
speakers by their shares. Ours: the larger share is the speaker's own, and all losses take part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spkid.training.objectives.part import Values

ALPHA = 0.5  # of the beta distribution of the shares
STREAM = 1  # of random numbers, beside those of the batch


@dataclass(frozen=True)
class Mix:
    """How the first crops of a batch are mixed: ``share`` is the speaker's own."""

    share: float
    others: Tensor  # int64 [speakers]: whose crop is mixed into each speaker's

    @property
    def own(self) -> Tensor:
        """The rows of the first crops, ``[speakers]``."""
        return 2 * torch.arange(len(self.others), device=self.others.device)


def draw_mix(
    step: int, *, chance: float, n_speakers: int, seed: int, device: torch.device
) -> Mix | None:
    """The mix of a step, or None; a function of ``seed`` and ``step``."""
    rng = np.random.default_rng([seed, step, STREAM])
    if n_speakers < 2 or rng.random() >= chance:
        return None
    share = rng.beta(ALPHA, ALPHA)
    places = np.arange(n_speakers) + rng.integers(1, n_speakers)
    others = torch.from_numpy(places % n_speakers).to(device)
    return Mix(float(max(share, 1 - share)), others)


def mix_features(log_mel: Tensor, mix: Mix) -> Tensor:
    """``[batch, mels, frames]``, two crops of each speaker first, with the first ones mixed."""
    mixed = log_mel.clone()
    mixed[mix.own] = torch.lerp(log_mel[2 * mix.others], log_mel[mix.own], mix.share)
    return mixed


def for_both_speakers(
    losses_of: Callable[[Tensor], Values], embeddings: Tensor, mix: Mix | None
) -> Values:
    """What ``losses_of`` embeddings ``[batch, dim]`` gives, for either speaker by the shares."""
    values = losses_of(embeddings)
    if mix is None:
        return values
    as_others = embeddings.clone()
    as_others[2 * mix.others] = embeddings[mix.own]
    others = losses_of(as_others)
    return {name: torch.lerp(others[name], value, mix.share) for name, value in values.items()}
