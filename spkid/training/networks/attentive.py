"""The self-attentive frame-weighting speaker encoder (SAASI, Li et al., Interspeech 2020).

A small two-dimensional convolution reads the log-mel image, dilated convolutions give each
frame its neighbourhood, self-attention makes each frame a weighted sum of all frames of
the utterance, and pooling makes one unit-length vector of them. docs/methods.md, section 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spkid.errors import BadConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.registry import DEFAULT, register

POOLINGS = ("attentive", "mean")


@dataclass(frozen=True)
class EncoderConfig(NetworkConfig):
    """Sizes of the network; part of every checkpoint.

    ``pooling`` is ``"attentive"`` (attentive statistics) or ``"mean"`` (the paper's
    frame mean). With ``long_term_spectrum``, frames are told the :class:`LongTermSpectrum`.
    """

    n_stem_channels: int = 32
    n_channels: int = 384
    n_conv_blocks: int = 3
    n_attention_blocks: int = 2
    n_heads: int = 6
    pooling: str = "attentive"
    long_term_spectrum: bool = False

    def __post_init__(self) -> None:
        for fits, got, expected in (
            (self.pooling in POOLINGS, f"pooling {self.pooling!r}", " or ".join(POOLINGS)),
            (self.n_mels % 4 == 0, f"n_mels {self.n_mels}", "a multiple of four"),
            (
                self.n_channels % self.n_heads == 0,
                f"n_channels {self.n_channels} with n_heads {self.n_heads}",
                "channels that the heads divide",
            ),
        ):
            if not fits:
                raise BadConfig(got, expected=expected, do="correct the configuration")


class Stem(nn.Module):
    """Two strided convolutions, ``[batch, mels, frames]`` -> ``[batch, channels, frames / 2]``."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        n_stem = config.n_stem_channels
        self.image = nn.Sequential(
            nn.Conv2d(1, n_stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(n_stem),
            nn.ReLU(),
            nn.Conv2d(n_stem, n_stem, 3, stride=(2, 1), padding=1, bias=False),
            nn.BatchNorm2d(n_stem),
            nn.ReLU(),
        )
        self.mix = nn.Sequential(
            nn.Conv1d(n_stem * (config.n_mels // 4), config.n_channels, 1, bias=False),
            nn.BatchNorm1d(config.n_channels),
            nn.ReLU(),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """The frames of a log-mel image."""
        image = self.image(log_mel.unsqueeze(1))  # [batch, stem, mels / 4, frames / 2]
        frames: Tensor = self.mix(image.flatten(1, 2))
        return frames


class LongTermSpectrum(nn.Module):
    """Mean and deviation of each band over time -> what every frame gets, ``[batch, channels, 1]``.

    Reads the mean ``[batch, mels, 1]`` and the log-mel without it ``[batch, mels, frames]``. Gives
    nothing at first: training finds out what they are worth.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        last = nn.Linear(config.n_channels, config.n_channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.BatchNorm1d(2 * config.n_mels),
            nn.Linear(2 * config.n_mels, config.n_channels),
            nn.ReLU(),
            last,
        )

    def forward(self, mean: Tensor, centred: Tensor) -> Tensor:
        """What is added to every frame."""
        deviation = (centred.square().mean(dim=2) + 1e-5).sqrt()
        read: Tensor = self.body(torch.cat([mean.squeeze(2), deviation], dim=1))
        return read.unsqueeze(2)


class ConvBlock(nn.Module):
    """Residual dilated convolution with squeeze-and-excitation, ``[batch, channels, frames]``."""

    def __init__(self, n_channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(n_channels, n_channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(n_channels),
            nn.ReLU(),
            nn.Conv1d(n_channels, n_channels, 1, bias=False),
            nn.BatchNorm1d(n_channels),
        )
        self.gate = nn.Sequential(
            nn.Linear(n_channels, n_channels // 4),
            nn.ReLU(),
            nn.Linear(n_channels // 4, n_channels),
            nn.Sigmoid(),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Frames of the same shape."""
        change = self.body(frames)
        change = change * self.gate(change.mean(dim=2)).unsqueeze(2)
        return torch.relu(frames + change)


class AttentionBlock(nn.Module):
    """Pre-norm multi-head self-attention and feed-forward, ``[batch, frames, channels]``."""

    def __init__(self, n_channels: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(n_channels)
        self.query_key_value = nn.Linear(n_channels, 3 * n_channels)
        self.merge = nn.Linear(n_channels, n_channels)
        self.norm_feed_forward = nn.LayerNorm(n_channels)
        self.feed_forward = nn.Sequential(
            nn.Linear(n_channels, 2 * n_channels),
            nn.ReLU(),
            nn.Linear(2 * n_channels, n_channels),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Each frame with what it takes from all frames, the same shape."""
        batch, n_frames, n_channels = frames.shape
        mixed = self.query_key_value(self.norm_attention(frames))
        mixed = mixed.view(batch, n_frames, 3, self.n_heads, n_channels // self.n_heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # each [batch, heads, frames, head_dim]
        scores = query @ key.transpose(2, 3) * (n_channels // self.n_heads) ** -0.5
        attended = torch.softmax(scores, dim=3).to(value.dtype) @ value
        attended = attended.transpose(1, 2).reshape(batch, n_frames, n_channels)
        frames = frames + self.merge(attended)
        fed: Tensor = self.feed_forward(self.norm_feed_forward(frames))
        return frames + fed


class AttentiveStatistics(nn.Module):
    """Attention-weighted mean and deviation over time (Okabe et al., Interspeech 2018).

    ``[batch, channels, frames]`` -> statistics ``[batch, 2 * channels]`` and one weight a
    frame ``[batch, frames]`` (the channels' mean; sums to one).
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Conv1d(2 * n_channels, 128, 1),
            nn.Tanh(),
            nn.Conv1d(128, n_channels, 1),
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics and frame weights."""
        mean = frames.mean(dim=2, keepdim=True).expand_as(frames)
        weights = torch.softmax(self.score(torch.cat([frames, mean], dim=1)), dim=2)
        weighted_mean = (weights * frames).sum(dim=2)
        variance = (weights * (frames - weighted_mean.unsqueeze(2)).square()).sum(dim=2)
        return torch.cat([weighted_mean, (variance + 1e-5).sqrt()], dim=1), weights.mean(dim=1)


class FrameMean(nn.Module):
    """The paper's plain mean over frames; every frame weighs the same."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The mean ``[batch, channels]`` and equal weights ``[batch, frames]``."""
        n_frames = frames.shape[2]
        return frames.mean(dim=2), torch.ones_like(frames[:, 0]) / n_frames


@register(DEFAULT, EncoderConfig)
class SelfAttentiveEncoder(SpeakerNetwork):
    """Waveform ``[batch, samples]`` -> unit vectors ``[batch, 192]``, weights ``[batch, frames]``.

    Frames here are 20 ms apart (the stem halves the 10 ms log-mel rate).
    """

    config: EncoderConfig

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config, centred=not config.long_term_spectrum)
        self.stem = Stem(config)
        if config.long_term_spectrum:
            self.long_term_spectrum = LongTermSpectrum(config)
        self.conv_blocks = nn.Sequential(
            *(ConvBlock(config.n_channels, 2 + index) for index in range(config.n_conv_blocks))
        )
        self.attention_blocks = nn.Sequential(
            *(
                AttentionBlock(config.n_channels, config.n_heads)
                for _ in range(config.n_attention_blocks)
            )
        )
        self.norm = nn.LayerNorm(config.n_channels)
        attentive = config.pooling == "attentive"
        self.pooling = AttentiveStatistics(config.n_channels) if attentive else FrameMean()
        n_pooled = config.n_channels * (2 if attentive else 1)
        self.head = nn.Sequential(
            nn.BatchNorm1d(n_pooled), nn.Linear(n_pooled, config.embedding_dim)
        )

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mel ``[batch, mels, frames]`` -> unit vectors and frame weights."""
        if self.config.long_term_spectrum:
            mean = log_mel.mean(dim=2, keepdim=True)
            centred = log_mel - mean
            frames = self.stem(centred) + self.long_term_spectrum(mean, centred)
        else:
            frames = self.stem(log_mel)
        frames = self.conv_blocks(frames)
        frames = self.attention_blocks(frames.transpose(1, 2))  # [batch, frames, channels]
        pooled, frame_weights = self.pooling(self.norm(frames).transpose(1, 2))
        embedding = self.head(pooled.float())
        return nn.functional.normalize(embedding, dim=1), frame_weights
