"""Kaldi's log filterbank as one strided convolution, for networks that were trained on it.

What Kaldi does to a frame before the power spectrum (its mean removed, pre-emphasis, window,
Fourier transform) is linear, so it is one matrix, and the features export inside the ONNX graph.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.training.networks.features import HOP_SAMPLES, N_FFT, WINDOW_SAMPLES

PRE_EMPHASIS = 0.97
LOWEST_HZ = 20.0
HIGHEST_HZ = SAMPLE_RATE_HZ / 2
POWER_FLOOR = float(np.finfo(np.float32).eps)


def frame_spectrum() -> NDArray[np.float32]:
    """A frame's samples to its spectrum, cosine and sine rows, ``[N_FFT + 2, 1, WINDOW_SAMPLES]``.

    Kaldi's order: mean removed, pre-emphasis (the first sample stands for the one before it),
    Povey's window (a Hann window to the power 0.85).
    """
    time = np.arange(WINDOW_SAMPLES)
    without_mean = np.eye(WINDOW_SAMPLES) - 1.0 / WINDOW_SAMPLES
    emphasis = np.eye(WINDOW_SAMPLES) - PRE_EMPHASIS * np.eye(WINDOW_SAMPLES, k=-1)
    emphasis[0, 0] -= PRE_EMPHASIS
    window = (0.5 - 0.5 * np.cos(2 * np.pi * time / (WINDOW_SAMPLES - 1))) ** 0.85
    angle = 2 * np.pi * np.arange(N_FFT // 2 + 1)[:, None] * time / N_FFT
    fourier = np.concatenate([np.cos(angle), -np.sin(angle)])
    rows = (fourier * window) @ emphasis @ without_mean
    return rows[:, None, :].astype(np.float32)


def kaldi_mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Triangles of equal width on Kaldi's mel scale, ``[n_mels, N_FFT // 2 + 1]``."""

    def to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(hz / 700.0))

    lowest, highest = to_mel(np.array([LOWEST_HZ, HIGHEST_HZ]))
    edges = np.linspace(lowest, highest, n_mels + 2)
    bins = to_mel(np.arange(N_FFT // 2 + 1) * SAMPLE_RATE_HZ / N_FFT)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters[:, -1] = 0.0  # Kaldi leaves the bin at half the sampling rate out
    found: NDArray[np.float32] = filters.astype(np.float32)
    return found


class KaldiFilterbank(nn.Module):
    """Waveform ``[batch, samples]`` at 16 kHz -> log filterbank ``[batch, n_mels, frames]``.

    As ``torchaudio.compliance.kaldi.fbank`` with ``num_mel_bins=n_mels, dither=0``, each band's
    mean over time removed. ``frames = (samples - 400) // 160 + 1``.
    """

    basis: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(frame_spectrum()), persistent=False)
        self.register_buffer(
            "filters", torch.from_numpy(kaldi_mel_filters(n_mels)), persistent=False
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """``[batch, samples]`` -> ``[batch, n_mels, frames]``."""
        spectrum = nn.functional.conv1d(waveform.unsqueeze(1), self.basis, stride=HOP_SAMPLES)
        cosine, sine = spectrum.split(N_FFT // 2 + 1, dim=1)  # each [batch, bins, frames]
        power = torch.matmul(self.filters, cosine.square() + sine.square())
        log_mel = torch.log(power.clamp_min(POWER_FLOOR))
        return log_mel - log_mel.mean(dim=2, keepdim=True)
