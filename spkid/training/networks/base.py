"""What every speaker network is: log-mel features, then frames to one unit vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spkid.training.networks.features import LogMel


class SpeakerNetwork(nn.Module):
    """Waveform ``[batch, samples]`` -> unit vectors ``[batch, dim]``, weights ``[batch, frames]``.

    A child reads the log-mel in :meth:`encode`; ``config`` has ``n_mels`` and
    ``embedding_dim``.
    """

    def __init__(self, config: Any, *, centred: bool = True) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.n_mels, centred=centred)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        return self.encode(self.log_mel(waveform))

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and frame weights."""
        raise NotImplementedError


def equal_weights(log_mel: Tensor) -> Tensor:
    """``[batch, frames]``, the same for every frame: for networks that do not say more."""
    return torch.ones_like(log_mel[:, 0]) / log_mel.shape[2]
