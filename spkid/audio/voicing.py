"""How much of the speech is voiced: whispering has no pitch, and no vector to be sure of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform

FRAME = 640  # 40 ms: two periods of the lowest voice
HOP = 320
PART_FRAMES = 1_500  # 30 s
LOWEST_HZ, HIGHEST_HZ = 70.0, 500.0
VOICED = 0.45  # of a frame's power comes back after one period
LOUD = 0.1  # of the loudest tenth's level: what is softer is no vowel


UNVOICED, USUAL = 0.25, 0.5  # shares: of whispers, and what nearly all other speech exceeds


def doubt_of(share: float | None) -> float:
    """How much a vector is to be doubted, 0 to 1, for the share of the speech that is voiced.

    Of usual speech hardly any has less than half; of whispers most have less than a quarter.
    """
    if share is None or not np.isfinite(share):
        return 1.0
    return float(np.clip((USUAL - share) / (USUAL - UNVOICED), 0.0, 1.0))


def voiced_share(waveform: Waveform) -> float | None:
    """The share of voiced frames among the loud ones of ``[samples]``; None without any."""
    n_frames = (len(waveform) - FRAME) // HOP + 1
    if n_frames < 1:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::HOP]
    level = np.concatenate([part.std(axis=1) for part in _parts(frames)])
    loud = np.flatnonzero(level > LOUD * np.quantile(level, 0.9))
    if not len(loud):
        return None
    is_voiced = [_periodicity(frames[part]) > VOICED for part in _parts(loud)]
    return float(np.concatenate(is_voiced).mean())


def _parts(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """``rows`` in order, few at a time: the spectra of ten minutes would fill 400 MB."""
    for start in range(0, len(rows), PART_FRAMES):
        yield rows[start : start + PART_FRAMES]


def _periodicity(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest normalised autocorrelation of each frame at a lag of a voice's period."""
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * FRAME)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[:, :FRAME]
    lags = np.arange(int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(SAMPLE_RATE_HZ / LOWEST_HZ))
    overlap = 1 - lags / FRAME  # the tail of a frame has fewer pairs
    normalised = correlation[:, lags] / (correlation[:, :1] * overlap + 1e-12)
    best: NDArray[np.float32] = normalised.max(axis=1)
    return best
