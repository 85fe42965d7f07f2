"""Log-mel features as plain convolutions, so that they export inside the ONNX graph."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spkid.audio.reading import SAMPLE_RATE_HZ

WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
N_FFT = 512
LOG_FLOOR = 1e-3  # about 50 dB under the mean bin power of a signal with unit RMS
LOWEST_HZ = 20.0
HIGHEST_HZ = 7600.0


def mel_filterbank(n_mels: int) -> NDArray[np.float32]:
    """Triangular mel filters (HTK scale), float32 ``[n_mels, N_FFT // 2 + 1]``."""

    def to_mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges_mel = np.linspace(to_mel(LOWEST_HZ), to_mel(HIGHEST_HZ), n_mels + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE_HZ / N_FFT
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def fourier_basis() -> NDArray[np.float32]:
    """Hann-windowed cosine and sine rows, float32 ``[N_FFT + 2, 1, WINDOW_SAMPLES]``."""
    time = np.arange(WINDOW_SAMPLES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / WINDOW_SAMPLES)
    angle = 2 * np.pi * np.arange(N_FFT // 2 + 1)[:, None] * time / N_FFT
    basis = np.concatenate([np.cos(angle), -np.sin(angle)]) * window
    return basis[:, None, :].astype(np.float32)


class LogMel(nn.Module):
    """Waveform ``[batch, samples]`` at 16 kHz -> log-mel ``[batch, n_mels, frames]``.

    The waveform is scaled to unit RMS, so the recording level does not reach the encoder; nor,
    where each band's mean over time is removed (``centred``), a fixed microphone colour.
    ``frames = (samples - 400) // hop_samples + 1``.
    """

    basis: Tensor  # float32 [N_FFT + 2, 1, WINDOW_SAMPLES]
    filters: Tensor  # float32 [n_mels, N_FFT // 2 + 1]

    def __init__(
        self, n_mels: int, *, centred: bool = True, hop_samples: int = HOP_SAMPLES
    ) -> None:
        super().__init__()
        self.centred, self.hop_samples = centred, hop_samples
        self.register_buffer("basis", torch.from_numpy(fourier_basis()), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filterbank(n_mels)), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """``[batch, samples]`` -> ``[batch, n_mels, frames]``."""
        rms = waveform.square().mean(dim=1, keepdim=True).sqrt()
        waveform = waveform / (rms + 1e-5)
        # [batch, cosine and sine bins, frames]
        spectrum = nn.functional.conv1d(waveform.unsqueeze(1), self.basis, stride=self.hop_samples)
        cosine, sine = spectrum.split(N_FFT // 2 + 1, dim=1)  # each [batch, bins, frames]
        power = cosine.square() + sine.square()
        log_mel = torch.log(torch.matmul(self.filters, power) + LOG_FLOOR)
        return log_mel - log_mel.mean(dim=2, keepdim=True) if self.centred else log_mel
