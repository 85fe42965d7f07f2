"""What every speaker network is: log-mel features, then frames to one unit vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spkid.training.networks.features import LogMel


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes that every network has; they are part of every checkpoint."""

    n_mels: int = 80
    embedding_dim: int = 192


class SpeakerNetwork(nn.Module):
    """Waveform ``[batch, samples]`` -> unit vectors ``[batch, dim]``, weights ``[batch, frames]``.

    A child reads the features in :meth:`encode`.

    Parameters
    ----------
    config : NetworkConfig
        The sizes.
    centred : bool
        Whether each band's mean over time is removed from the features.
    """

    config: NetworkConfig
    log_mel: nn.Module

    def __init__(self, config: NetworkConfig, *, centred: bool = True) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.n_mels, centred=centred)

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors and frame weights of whole waveforms."""
        return self.encode(self.log_mel(waveform))

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and frame weights."""
        raise NotImplementedError


def equal_weights(log_mel: Tensor) -> Tensor:
    """``[batch, frames]``, the same for every frame: for networks that do not say more."""
    return torch.ones_like(log_mel[:, 0]) / log_mel.shape[2]
