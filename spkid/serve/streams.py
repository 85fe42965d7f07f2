"""Sound that comes in pieces over a socket: samples, and what is heard in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from enrollment.household import Household
from enrollment.live import LiveClips
from enrollment.matching import Decision
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.audio.speech import MATCH_SPEECH_S

FULL_SCALE = 32_768.0
RATES_HZ = (8_000, 48_000)


class Frames:
    """Messages of PCM16, little-endian and mono, as samples at 16 kHz."""

    def __init__(self, rate_hz: int) -> None:
        self._rest = b""
        self._resampler = None
        if rate_hz != SAMPLE_RATE_HZ:
            self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")

    def add(self, message: bytes, *, is_last: bool = False) -> Waveform:
        """The samples that are whole by now, float32 ``[samples]``."""
        content = self._rest + message
        n_whole = len(content) // 2 * 2
        self._rest = content[n_whole:]
        samples = np.frombuffer(content[:n_whole], dtype="<i2").astype(np.float32) / FULL_SCALE
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=is_last)
        return np.asarray(samples, dtype=np.float32)


@dataclass(frozen=True)
class Answered:
    """What a home says of an utterance from ``start_s`` to ``end_s`` of the stream."""

    start_s: float
    end_s: float
    decision: Decision


class Listening:
    """Who is speaking, utterance by utterance, each up to a pause."""

    def __init__(self, home: Household, false_accept_rate: float | None) -> None:
        self._home, self._rate = home, false_accept_rate
        self._clips = LiveClips(min_speech_s=MATCH_SPEECH_S)
        self._n_samples = 0

    def add(self, samples: Waveform) -> Iterator[Answered]:
        """What can be said with these ``[samples]``, at 16 kHz."""
        self._n_samples += len(samples)
        yield from map(self._answer, self._clips.add(samples))

    def end(self) -> Iterator[Answered]:
        """What is left to say at the end of the stream."""
        yield from map(self._answer, self._clips.end())

    def _answer(self, clip: Waveform) -> Answered:
        end_s = self._n_samples / SAMPLE_RATE_HZ
        decision = self._home.identify(clip, false_accept_rate=self._rate)
        return Answered(max(0.0, end_s - len(clip) / SAMPLE_RATE_HZ), end_s, decision)
