"""Telephones and lossy codecs as augmentation: what carries a voice, and not the voice, differs.

libsndfile does the coding. Telephone codecs run at 8 kHz, the others at 16 kHz.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from spkid.audio.reading import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Carrier:
    """A container and a coding of libsndfile, at a sampling rate.

    ``compression`` is the range that libsndfile's compression level is drawn from (0 best,
    1 smallest), for the codecs that have one.
    """

    container: str
    coding: str
    rate_hz: int
    compression: tuple[float, float] | None = None


CARRIERS = (
    Carrier("WAV", "ULAW", 8_000),
    Carrier("WAV", "ALAW", 8_000),
    Carrier("WAV", "GSM610", 8_000),
    Carrier("WAV", "IMA_ADPCM", 8_000),
    Carrier("OGG", "OPUS", 8_000, (0.9, 1.0)),
    Carrier("OGG", "OPUS", 16_000, (0.88, 1.0)),
    Carrier("OGG", "VORBIS", 16_000, (0.6, 1.0)),
    Carrier("MP3", "MPEG_LAYER_III", 16_000, (0.5, 0.95)),
)


def coded(samples: Samples, carrier: Carrier, *, compression: float | None = None) -> Samples:
    """``samples`` at the carrier's rate, written and read again; the same length."""
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        carrier.rate_hz,
        format=carrier.container,
        subtype=carrier.coding,
        compression_level=compression,
    )
    file.seek(0)
    heard = soundfile.read(file, dtype="float32")[0][: len(samples)]
    return np.pad(heard, (0, len(samples) - len(heard)))


def at_half_rate(samples: Samples) -> Samples:
    """Every second sample after a steep low pass, ``[samples]`` -> ``[samples / 2]``."""
    spectrum = np.fft.rfft(samples)
    n_half = len(samples) // 2
    half = np.fft.irfft(spectrum[: n_half // 2 + 1], n=n_half) / 2
    return half.astype(np.float32)


def at_double_rate(samples: Samples, n_samples: int) -> Samples:
    """The way back, ``[samples]`` -> ``[n_samples]``; nothing above the half rate's band."""
    return np.fft.irfft(2 * np.fft.rfft(samples), n=n_samples).astype(np.float32)


def through_carriers(waveforms: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Each row of ``[batch, samples]`` with ``chance`` through one of ``CARRIERS``.

    A row is brought to a peak between 0.1 and 0.9 for it, as a telephone or a recorder would;
    the others stay as they are.
    """
    drawn = torch.rand(len(waveforms), 4, generator=generator, device=generator.device).tolist()
    rows = []
    for waveform, (among, which, loudness, place) in zip(waveforms, drawn, strict=True):
        if among >= chance:
            rows.append(waveform)
            continue
        carrier = CARRIERS[int(which * len(CARRIERS))]
        samples = waveform.cpu().numpy()
        peak = 0.1 + 0.8 * loudness
        samples = samples * np.float32(peak / max(float(np.abs(samples).max()), 1e-6))
        compression = None
        if carrier.compression is not None:
            low, high = carrier.compression
            compression = low + (high - low) * place
        if carrier.rate_hz == SAMPLE_RATE_HZ:
            heard = coded(samples, carrier, compression=compression)
        else:
            half = coded(at_half_rate(samples), carrier, compression=compression)
            heard = at_double_rate(half, len(samples))
        rows.append(torch.from_numpy(heard).to(waveform))
    return torch.stack(rows)
