"""Self-attentive frame weighting over a trunk that others trained.

The trunk's frames (CAM++, :mod:`spkid.training.networks.cam_plus_plus`) become weighted sums of
each other (docs/methods.md, section 1), and attentive statistics make one vector
of them. Both begin by changing nothing: with the trunk's weights, the network begins with the
vectors of the network that the trunk is from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spkid.errors import SpkidError
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig, Trunk
from spkid.training.networks.kaldi_filterbank import KaldiFilterbank
from spkid.training.networks.registry import register


@dataclass(frozen=True)
class AttentiveTrunkConfig(CamPlusPlusConfig):
    """Sizes of the trunk, and of what stands on it.

    Frames attend to each other by way of ``n_attention_channels``, split over ``n_heads``;
    the pooling's weights come from ``n_pooling_channels``.
    """

    n_attention_channels: int = 128
    n_heads: int = 4
    n_pooling_channels: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_attention_channels % self.n_heads:
            raise SpkidError(
                f"n_attention_channels {self.n_attention_channels} with n_heads {self.n_heads}",
                expected="channels that the heads divide",
                do="correct the configuration",
            )


class FrameWeighting(nn.Module):
    """Adds to each frame a weighted sum of all frames, ``[batch, channels, frames]``."""

    def __init__(self, n_channels: int, n_attention_channels: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(n_channels)
        self.query_key_value = nn.Linear(n_channels, 3 * n_attention_channels)
        self.merge = nn.Linear(n_attention_channels, n_channels)
        for parameter in self.merge.parameters():
            nn.init.zeros_(parameter)

    def forward(self, frames: Tensor) -> Tensor:
        """Each frame with what it takes from all frames, the same shape."""
        mixed = self.query_key_value(self.norm(frames.transpose(1, 2)))
        # three of [batch, heads, frames, channels of a head]
        query, key, value = mixed.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        attended = torch.softmax(scores, dim=3).to(value.dtype) @ value
        added: Tensor = self.merge(attended.transpose(1, 2).flatten(2))
        return frames + added.transpose(1, 2)


class WeightedStatistics(nn.Module):
    """Attentive mean and deviation over time (Okabe et al., Interspeech 2018), equal at first.

    ``[batch, channels, frames]`` -> statistics ``[batch, 2 * channels]`` and one weight a
    frame ``[batch, frames]`` (the channels' mean; sums to one). The deviation is that of a
    sample, as CAM++ has it.
    """

    def __init__(self, n_channels: int, n_pooling_channels: int) -> None:
        super().__init__()
        last = nn.Conv1d(n_pooling_channels, n_channels, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.score = nn.Sequential(nn.Conv1d(n_channels, n_pooling_channels, 1), nn.Tanh(), last)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics and frame weights."""
        n_frames = frames.shape[2]
        weights = torch.softmax(self.score(frames).float(), dim=2)
        frames = frames.float()
        mean = (weights * frames).sum(dim=2)
        variance = (weights * (frames - mean.unsqueeze(2)).square()).sum(dim=2)
        deviation = (variance * (n_frames / (n_frames - 1))).clamp_min(1e-10).sqrt()
        return torch.cat([mean, deviation], dim=1), weights.mean(dim=1)


def spread(weights: Tensor, n_frames: int, every: int) -> Tensor:
    """Weights of ``every`` so many frames as weights of all, ``[batch, n_frames]``."""
    spread_out = weights.unsqueeze(2).expand(-1, -1, every).flatten(1)[:, :n_frames]
    return spread_out / spread_out.sum(dim=1, keepdim=True)


@register("attentive_trunk", AttentiveTrunkConfig)
class AttentiveTrunk(SpeakerNetwork):
    """Waveform ``[batch, samples]`` -> unit vectors ``[batch, 192]``, weights ``[batch, frames]``.

    The weights are of frames ``FRAME_S`` apart, whatever the strides of the trunk.
    """

    def __init__(self, config: AttentiveTrunkConfig) -> None:
        super().__init__(config)
        self.log_mel = KaldiFilterbank(config.n_mels)
        self.trunk = Trunk(config)
        n_channels = self.trunk.n_channels
        self.weighting = FrameWeighting(n_channels, config.n_attention_channels, config.n_heads)
        self.pooling = WeightedStatistics(n_channels, config.n_pooling_channels)
        self.head = nn.Linear(2 * n_channels, config.embedding_dim)

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[batch, mels, frames]`` -> unit vectors and frame weights."""
        statistics, frame_weights = self.pooling(self.weighting(self.trunk(log_mel)))
        embedding = self.head(statistics)
        every = self.trunk.apart[-1]
        if every > 1:
            frame_weights = spread(frame_weights, log_mel[:, :, ::2].shape[2], every)
        return nn.functional.normalize(embedding.float(), dim=1), frame_weights

    def begin_as(self, other: CamPlusPlus) -> None:
        """Take over the trunk and the last layer of ``other``, and with them its vectors."""
        self.trunk.load_state_dict(other.trunk.state_dict())
        self.head.load_state_dict(other.head.state_dict())
