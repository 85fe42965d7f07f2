"""A clip as a picture: which frames counted, over a small spectrogram."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, without_offset
from spkid.encoder.base import SHORTEST_SAMPLES, WINDOW_SAMPLES, Encoder
from spkid.errors import SpkidError

FRAME_S, FIRST_FRAME_S = 0.02, 0.0125
HOP_SAMPLES = round(FRAME_S * SAMPLE_RATE_HZ)
WINDOW = 400  # samples: 25 ms, centred on the first frame
N_FREQUENCIES = 512
N_BANDS = 64
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
LOWEST_DB = -80.0


@dataclass(frozen=True)
class Picture:
    """``weights`` for each 20 ms, or None where the encoder tells none.

    ``spectrogram`` is uint8 ``[bands, frames]``, from ``LOWEST_DB`` (0) to the loudest (255).
    """

    duration_s: float
    weights: NDArray[np.float32] | None
    spectrogram: NDArray[np.uint8]

    def spectrogram_text(self) -> str:
        """Its bytes, band by band, in base64."""
        return base64.b64encode(self.spectrogram.tobytes()).decode()


def picture_of(waveform: Waveform, encoder: Encoder) -> Picture | None:
    """The first ten seconds of ``[samples]``; None where there is next to nothing."""
    samples = without_offset(waveform[:WINDOW_SAMPLES])
    if len(samples) < SHORTEST_SAMPLES:
        return None
    try:
        weights = encoder.frame_weights(samples)
    except SpkidError as error:
        if error.code not in ("model", "no_speech"):
            raise
        weights = None
    return Picture(len(samples) / SAMPLE_RATE_HZ, weights, spectrogram(samples))


def spectrogram(samples: Waveform) -> NDArray[np.uint8]:
    """Mel bands of ``[samples]`` in decibels below the loudest, uint8 ``[bands, frames]``."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), N_FREQUENCIES)) ** 2
    bands = power @ triangles().T  # [frames, bands]
    decibels = 10 * np.log10(np.maximum(bands, 1e-20) / max(bands.max(), 1e-20))
    shares = np.clip(1 - decibels / LOWEST_DB, 0, 1)
    return np.ascontiguousarray(np.round(255 * shares).astype(np.uint8).T)


def triangles() -> NDArray[np.float64]:
    """Triangular filters, evenly spaced on the mel scale (2595 log10(1 + f / 700)).

    Shape ``[bands, frequencies]``.
    """
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    mels = np.linspace(float(lowest), float(highest), N_BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    found = np.fft.rfftfreq(N_FREQUENCIES, 1 / SAMPLE_RATE_HZ)[None]
    below, centre, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (found - below) / (centre - below), (above - found) / (above - centre)
    slopes = np.maximum(0, np.minimum(rising, falling))
    nearest = np.abs(found - centre).argmin(axis=1)
    slopes[np.arange(N_BANDS), nearest] = np.maximum(slopes[np.arange(N_BANDS), nearest], 0.05)
    return np.asarray(slopes)
