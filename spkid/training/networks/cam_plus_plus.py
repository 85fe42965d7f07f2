"""CAM++ (Wang et al., Interspeech 2023, arXiv 2303.00332), written from the paper.

A residual two-dimensional front end, three blocks of densely connected dilated convolutions
whose outputs are masked by what the clip and its surroundings sound like, and statistics over
time. 3D-Speaker published weights for it, trained on some 200,000 speakers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import mul

import torch
from torch import Tensor, nn

from spkid.errors import SpkidError
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork, equal_weights
from spkid.training.networks.kaldi_filterbank import KaldiFilterbank
from spkid.training.networks.registry import register

FRAME_S = 0.02  # from one to the next, before any stride
SEGMENT_S = 2.0  # the surroundings that a mask looks at, beside the whole clip


@dataclass(frozen=True)
class CamPlusPlusConfig(NetworkConfig):
    """Sizes of the network; the defaults are those of the published weights.

    ``n_layers``, ``dilations`` and ``strides`` have one number for each dense block, which hears
    every so many of the frames of the one before. A layer makes ``n_growth`` channels by way of
    ``n_narrow``.
    """

    n_image_channels: int = 32
    n_channels: int = 128
    n_growth: int = 32
    n_narrow: int = 128
    n_layers: tuple[int, ...] = (12, 24, 16)
    dilations: tuple[int, ...] = (1, 2, 2)
    strides: tuple[int, ...] = (1, 1, 1)

    def __post_init__(self) -> None:
        blocks = (self.n_layers, self.dilations, self.strides)
        if len(set(map(len, blocks))) > 1 or min(min(each, default=0) for each in blocks) < 1:
            raise SpkidError(
                f"n_layers {self.n_layers}, dilations {self.dilations}, strides {self.strides}",
                expected="a whole number from 1 up in each of them for every dense block",
                do="correct the configuration",
            )

    @property
    def apart(self) -> tuple[int, ...]:
        """Steps of ``FRAME_S`` between frames: on entry, then after each dense block."""
        return tuple(accumulate((1, *self.strides), mul))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a way around them, ``[batch, channels, bands, frames]``."""

    def __init__(self, n_channels: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_channels, n_channels, 3, stride=(stride, 1), padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
            nn.Conv2d(n_channels, n_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
        )
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_channels, n_channels, 1, stride=(stride, 1), bias=False),
                nn.BatchNorm2d(n_channels),
            )

    def forward(self, image: Tensor) -> Tensor:
        """The same number of channels; bands by the stride fewer."""
        return torch.relu(self.body(image) + self.shortcut(image))


class ImageFront(nn.Module):
    """``[batch, mels, frames]``, read as an image -> ``[batch, channels * mels / 8, frames]``."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, n_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
            ResidualBlock(n_channels, stride=2),
            ResidualBlock(n_channels, stride=1),
            ResidualBlock(n_channels, stride=2),
            ResidualBlock(n_channels, stride=1),
            nn.Conv2d(n_channels, n_channels, 3, stride=(2, 1), padding=1, bias=False),
            nn.BatchNorm2d(n_channels),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Channels and bands of each frame, side by side."""
        image: Tensor = self.body(features.unsqueeze(1))  # [batch, channels, mels / 8, frames]
        return image.flatten(1, 2)


def segments_of(frames: Tensor, stride: int) -> Tensor:
    """Which frames each segment of ``SEGMENT_S`` has, ones in ``[segments, frames]``.

    Frames are ``stride`` times ``FRAME_S`` apart. The last segment may be shorter. A product with
    it adds up segments, and one with its transpose spreads them over their frames: an exported
    graph says both in one step, and runtimes do not disagree about it as they do about
    ``avg_pool1d`` with ``ceil_mode``.
    """
    n_frames = round(SEGMENT_S / FRAME_S) // stride
    segment = torch.arange(frames.shape[2], device=frames.device) // n_frames
    numbers = torch.arange(0, frames.shape[2], n_frames, device=frames.device)
    members: Tensor = (segment == (numbers // n_frames).unsqueeze(1)).to(frames.dtype)
    return members


class MaskedLayer(nn.Module):
    """One dense layer: a dilated convolution under a context-aware mask (the paper's CAM)."""

    def __init__(self, n_channels: int, n_narrow: int, n_growth: int, dilation: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(
            nn.BatchNorm1d(n_channels),
            nn.ReLU(),
            nn.Conv1d(n_channels, n_narrow, 1, bias=False),
            nn.BatchNorm1d(n_narrow),
            nn.ReLU(),
        )
        self.local = nn.Conv1d(
            n_narrow, n_growth, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.mask = nn.Sequential(
            nn.Conv1d(n_narrow, n_narrow // 2, 1),
            nn.ReLU(),
            nn.Conv1d(n_narrow // 2, n_growth, 1),
            nn.Sigmoid(),
        )

    def forward(self, frames: Tensor, segments: Tensor) -> Tensor:
        """``[batch, channels, frames]`` -> ``[batch, growth, frames]``; see :func:`segments_of`."""
        narrow: Tensor = self.narrow(frames)
        context = narrow.mean(dim=2, keepdim=True) + narrow @ segments.T / segments.sum(dim=1)
        mask = self.mask(context)  # [batch, growth, segments]
        masked: Tensor = self.local(narrow) * (mask @ segments)
        return masked


class DenseBlock(nn.Module):
    """Layers that each see the outputs of all before them, then half as many channels."""

    def __init__(
        self, n_channels: int, n_narrow: int, n_growth: int, n_layers: int, dilation: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MaskedLayer(n_channels + index * n_growth, n_narrow, n_growth, dilation)
            for index in range(n_layers)
        )
        n_dense = n_channels + n_layers * n_growth
        self.n_channels = n_dense // 2
        self.halve = nn.Sequential(
            nn.BatchNorm1d(n_dense), nn.ReLU(), nn.Conv1d(n_dense, n_dense // 2, 1, bias=False)
        )

    def forward(self, frames: Tensor, segments: Tensor) -> Tensor:
        """``[batch, channels, frames]`` -> ``[batch, self.n_channels, frames]``."""
        for layer in self.layers:
            frames = torch.cat([frames, layer(frames, segments)], dim=1)
        halved: Tensor = self.halve(frames)
        return halved


class Trunk(nn.Module):
    """``[batch, mels, frames]`` -> ``[batch, channels, frames / 2]``, ``FRAME_S`` apart.

    Fewer by the strides of the configuration.
    """

    def __init__(self, config: CamPlusPlusConfig) -> None:
        super().__init__()
        self.image = ImageFront(config.n_image_channels)
        n_channels = config.n_channels
        self.enter = nn.Sequential(
            nn.Conv1d(
                config.n_image_channels * (config.n_mels // 8),
                n_channels,
                5,
                stride=2,
                padding=2,
                bias=False,
            ),
            nn.BatchNorm1d(n_channels),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList()
        for n_layers, dilation in zip(config.n_layers, config.dilations, strict=True):
            block = DenseBlock(n_channels, config.n_narrow, config.n_growth, n_layers, dilation)
            self.blocks.append(block)
            n_channels = block.n_channels
        self.strides, self.apart = config.strides, config.apart
        self.leave = nn.Sequential(nn.BatchNorm1d(n_channels), nn.ReLU())
        self.n_channels = n_channels

    def block_outputs(self, features: Tensor) -> list[Tensor]:
        """What enters the dense blocks, and what each of them makes of it."""
        outputs: list[Tensor] = [self.enter(self.image(features))]
        for block, stride, apart in zip(self.blocks, self.strides, self.apart[1:], strict=True):
            frames = outputs[-1][:, :, ::stride]
            outputs.append(block(frames, segments_of(frames, apart)))
        return outputs

    def forward(self, features: Tensor) -> Tensor:
        """The frames of the last dense block."""
        left: Tensor = self.leave(self.block_outputs(features)[-1])
        return left


@register("cam_plus_plus", CamPlusPlusConfig)
class CamPlusPlus(SpeakerNetwork):
    """Waveform ``[batch, samples]`` -> unit vectors ``[batch, 192]``; every frame weighs the same.

    Its features are Kaldi's (:class:`KaldiFilterbank`).
    """

    def __init__(self, config: CamPlusPlusConfig) -> None:
        super().__init__(config)
        self.log_mel = KaldiFilterbank(config.n_mels)
        self.trunk = Trunk(config)
        self.head = nn.Linear(2 * self.trunk.n_channels, config.embedding_dim)

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[batch, mels, frames]`` -> unit vectors and frame weights."""
        vectors = nn.functional.normalize(self.unscaled(log_mel).float(), dim=1)
        return vectors, equal_weights(log_mel[:, :, ::2])

    def unscaled(self, log_mel: Tensor) -> Tensor:
        """The vectors before they are brought to unit length, ``[batch, dim]``."""
        frames = self.trunk(log_mel).float()
        vectors: Tensor = self.head(torch.cat([frames.mean(dim=2), frames.std(dim=2)], dim=1))
        return vectors
