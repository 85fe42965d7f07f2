"""What a clean clip becomes on its way: quiet, by telephone, two people at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.model.ears.truth import SPOKEN, activity
from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import Waveform, as_waveform
from spkid.encoder.base import Encoder, Vector
from spkid.training.data.codecs import CARRIERS, at_double_rate, at_half_rate, coded

QUIET_DBFS = -50.0


def in_16_bits(waveform: Waveform) -> Waveform:
    """As a file has it."""
    rounded: Waveform = (np.round(waveform * 32_768) / 32_768).astype(np.float32)
    return rounded


def quiet(clean: Waveform) -> Waveform:
    """Its speech at ``QUIET_DBFS``."""
    spoken = np.repeat(activity(clean) == SPOKEN, FRAME_SAMPLES)
    level = np.sqrt(np.square(clean[: len(spoken)][spoken]).mean())
    return in_16_bits(clean * np.float32(10 ** (QUIET_DBFS / 20) / level))


def at_half_scale(clip: Waveform) -> Waveform:
    """``clip`` with a peak of a half, as a telephone would level it."""
    return clip * np.float32(0.5 / max(float(np.abs(clip).max()), 1e-6))


class AcrossTelephone(Encoder):
    """An encoder that hears everything by telephone."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.path, self.fingerprint, self.dim = encoder.path, encoder.fingerprint, encoder.dim

    def embed(self, waveform: ArrayLike) -> Vector:
        """Unit vector ``[dim]`` of ``[samples]``."""
        return self._encoder.embed(by_telephone(at_half_scale(as_waveform(waveform))))

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        return np.stack([self.embed(row) for row in batch]), np.empty((len(batch), 0), np.float32)


def by_telephone(clean: Waveform) -> Waveform:
    """8 kHz, mu-law."""
    even = clean[: len(clean) // 2 * 2]
    heard = at_double_rate(coded(at_half_rate(even), CARRIERS[0]), len(even))
    return np.pad(heard, (0, len(clean) - len(heard)))


def two_at_once(clips: Sequence[Waveform]) -> list[Waveform]:
    """Each clip with the one before it, as long as the shorter of them, at half the level."""
    pairs = [(clips[place], clips[place - 1]) for place in range(len(clips))]
    lengths = [min(len(one), len(other)) for one, other in pairs]
    return [
        (one[:length] + other[:length]) / np.float32(2)
        for (one, other), length in zip(pairs, lengths, strict=True)
    ]
