"""Narrowband speech: what came by telephone holds nothing above 4 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform

BELOW_HZ, ABOVE_HZ = (3_000, 3_700), (4_300, 5_000)  # on both sides of 4 kHz
# of training speakers: 95 % of what was recorded at 8 kHz falls so far, 2 % of all other clips
CLIFF_DB = 22.0
PART_FRAMES = 1_500  # 30 s; the spectra of ten minutes would fill 40 MB


def is_narrowband(waveform: Waveform, is_said: NDArray[np.bool_]) -> bool:
    """Whether the speech in ``[samples]`` at 16 kHz ends at 4 kHz, as by telephone.

    That is, its level falls by ``CLIFF_DB`` from ``BELOW_HZ`` to ``ABOVE_HZ``. ``is_said`` is
    bool ``[frames]`` of 20 ms; False where nothing is said.
    """
    n_frames = min(len(waveform) // FRAME_SAMPLES, len(is_said))
    frames = waveform[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
    said = np.flatnonzero(is_said[:n_frames])
    window = np.hanning(FRAME_SAMPLES).astype(np.float32)
    powers = np.zeros(FRAME_SAMPLES // 2 + 1)
    for start in range(0, len(said), PART_FRAMES):
        spectra = np.fft.rfft(frames[said[start : start + PART_FRAMES]] * window)
        powers += (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
    below, above = (_level_db(powers, band) for band in (BELOW_HZ, ABOVE_HZ))
    return below - above >= CLIFF_DB


def _level_db(powers: NDArray[np.float64], band_hz: tuple[int, int]) -> float:
    first, last = (edge * FRAME_SAMPLES // SAMPLE_RATE_HZ for edge in band_hz)
    return float(10 * np.log10(powers[first:last].mean() + 1e-12))
