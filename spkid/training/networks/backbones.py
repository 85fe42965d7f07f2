"""The four baselines of docs/methods.md, section 1, behind the same face as our network.

All read our log-mel and give a unit vector, so that they share the training loop, the
checkpoints and the export. speechbrain is imported only where one of its networks is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spkid.errors import BadConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork, equal_weights
from spkid.training.networks.registry import register


@dataclass(frozen=True)
class EcapaConfig(NetworkConfig):
    """ECAPA-TDNN (Desplanques et al., Interspeech 2020); the defaults are its small form."""

    n_channels: int = 512
    n_pooled_channels: int = 1536
    n_attention_channels: int = 128


class WholeClipPooling(nn.Module):
    """speechbrain's attentive statistics (whose layers it takes) for clips without padding.

    The original masks padding by a batch size that an exported graph would hold constant.
    ``[batch, channels, frames]`` -> ``[batch, 2 * channels, 1]``.
    """

    tdnn: nn.Module
    conv: nn.Module

    def __init__(self, pooling: Any) -> None:
        super().__init__()
        self.tdnn, self.conv = pooling.tdnn, pooling.conv

    def forward(self, frames: Tensor, lengths: None = None) -> Tensor:
        """Statistics of whole clips; ``lengths`` is there because speechbrain passes it."""
        context = self._statistics(frames, torch.full_like(frames[:1, :1], 1 / frames.shape[2]))
        around = [half.expand_as(frames) for half in context.chunk(2, dim=1)]
        scores = self.conv(torch.tanh(self.tdnn(torch.cat([frames, *around], dim=1))))
        return self._statistics(frames, torch.softmax(scores, dim=2))

    @staticmethod
    def _statistics(frames: Tensor, weights: Tensor) -> Tensor:
        mean = (weights * frames).sum(dim=2, keepdim=True)
        variance = (weights * (frames - mean).square()).sum(dim=2, keepdim=True)
        return torch.cat([mean, variance.clamp_min(1e-12).sqrt()], dim=1)


@register("ecapa", EcapaConfig)
class Ecapa(SpeakerNetwork):
    """speechbrain's ECAPA-TDNN on our log-mel."""

    def __init__(self, config: EcapaConfig) -> None:
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

        super().__init__(config)
        self.body = ECAPA_TDNN(
            config.n_mels,
            channels=[config.n_channels] * 4 + [config.n_pooled_channels],
            attention_channels=config.n_attention_channels,
            se_channels=config.n_attention_channels,
            lin_neurons=config.embedding_dim,
        )
        self.body.asp = WholeClipPooling(self.body.asp)

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and equal frame weights."""
        embedding = self.body(log_mel.transpose(1, 2)).squeeze(1)
        return nn.functional.normalize(embedding.float(), dim=1), equal_weights(log_mel)


@dataclass(frozen=True)
class XvectorConfig(NetworkConfig):
    """The x-vector network (Snyder et al., ICASSP 2018)."""

    n_channels: int = 512
    n_pooled_channels: int = 1500


class Statistics(nn.Module):
    """Mean and deviation over frames, ``[batch, frames, channels]`` -> ``[batch, 1, 2 channels]``.

    In the place of speechbrain's, which adds random noise to the mean, in evaluation too: no
    clip would have the same vector twice.
    """

    def forward(self, frames: Tensor) -> Tensor:
        """Both statistics, the mean first."""
        mean = frames.mean(dim=1, keepdim=True)
        variance = (frames - mean).square().mean(dim=1, keepdim=True)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=2)


@register("xvector", XvectorConfig)
class Xvector(SpeakerNetwork):
    """speechbrain's x-vector network on our log-mel."""

    def __init__(self, config: XvectorConfig) -> None:
        from speechbrain.lobes.models import Xvector as xvector
        from speechbrain.nnet.pooling import StatisticsPooling

        super().__init__(config)
        self.body = xvector.Xvector(
            tdnn_channels=[config.n_channels] * 4 + [config.n_pooled_channels],
            lin_neurons=config.embedding_dim,
            in_channels=config.n_mels,
        )
        for position, block in enumerate(self.body.blocks):
            if isinstance(block, StatisticsPooling):
                self.body.blocks[position] = Statistics()

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and equal frame weights."""
        embedding = self.body(log_mel.transpose(1, 2)).squeeze(1)
        return nn.functional.normalize(embedding.float(), dim=1), equal_weights(log_mel)


@dataclass(frozen=True)
class LstmConfig(NetworkConfig):
    """The d-vector network of GE2E (Wan et al., ICASSP 2018)."""

    n_hidden: int = 256
    n_layers: int = 3


@register("lstm", LstmConfig)
class Lstm(SpeakerNetwork):
    """Stacked LSTM; the last frame's output, projected, is the vector."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        self.layers = nn.LSTM(config.n_mels, config.n_hidden, config.n_layers, batch_first=True)
        self.head = nn.Linear(config.n_hidden, config.embedding_dim)

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and equal frame weights."""
        frames, _ = self.layers(log_mel.transpose(1, 2))
        embedding = self.head(frames[:, -1])
        return nn.functional.normalize(embedding.float(), dim=1), equal_weights(log_mel)


@dataclass(frozen=True)
class ResNetConfig(NetworkConfig):
    """Residual network with attentive statistics; ``n_blocks`` is the depth of each stage."""

    n_channels: tuple[int, ...] = (32, 64, 128, 256)
    n_blocks: tuple[int, ...] = (3, 4, 6, 3)

    def __post_init__(self) -> None:
        if len(self.n_channels) != 4 or len(self.n_blocks) != 4:
            raise BadConfig(
                f"{len(self.n_channels)} n_channels and {len(self.n_blocks)} n_blocks",
                expected="four of each, one a stage",
                do="correct the configuration",
            )


@register("resnet", ResNetConfig)
class ResNet(SpeakerNetwork):
    """speechbrain's ResNet (r-vector) on our log-mel."""

    def __init__(self, config: ResNetConfig) -> None:
        from speechbrain.lobes.models import ResNet as resnet

        super().__init__(config)
        self.body = resnet.ResNet(
            config.n_mels,
            channels=list(config.n_channels),
            block_sizes=list(config.n_blocks),
            lin_neurons=config.embedding_dim,
        )

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and equal frame weights."""
        embedding = self.body(log_mel.transpose(1, 2))
        return nn.functional.normalize(embedding.float(), dim=1), equal_weights(log_mel)
