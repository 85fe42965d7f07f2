"""A noise floor for sound that has none: some programs send digital silence between words.

The ears learned from recordings, in which silence is never still; beside zeros they do not hear a
single word.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform

FLOOR_DB = 40.0  # below the loudest frame: as quiet as good recordings are
NOISE_S = 10.0  # after that it is the same again


@cache
def _noise() -> Waveform:
    rng = np.random.default_rng(0)
    return rng.standard_normal(round(NOISE_S * SAMPLE_RATE_HZ), dtype=np.float32)


def over_floor(samples: Waveform) -> Waveform:
    """``[samples]`` with white noise ``FLOOR_DB`` below the loudest whole frame of 20 ms.

    The same sound gets the same noise.
    """
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loudest = float(frames.std(axis=1).max(initial=0.0))
    return samples + np.float32(loudest * 10 ** (-FLOOR_DB / 20)) * np.resize(
        _noise(), len(samples)
    )
