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
SHORTEST_LAG, LONGEST_LAG = int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(SAMPLE_RATE_HZ / LOWEST_HZ)
TRANSFORM = 896  # 2**7 * 7: from FRAME + LONGEST_LAG on, no lag that is used wraps round
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
    spectrum = np.fft.rfft(frames, TRANSFORM)
    powers = np.square(spectrum.real) + np.square(spectrum.imag)
    correlation = np.fft.irfft(powers, TRANSFORM)
    overlap = (
        1 - np.arange(SHORTEST_LAG, LONGEST_LAG) / FRAME
    )  # the tail of a frame has fewer pairs
    found = correlation[:, SHORTEST_LAG:LONGEST_LAG] / overlap.astype(np.float32)
    best: NDArray[np.float32] = found.max(axis=1) / (correlation[:, 0] + 1e-12)
    return best
