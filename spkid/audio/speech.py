"""The quality of a clip: how much speech there is, and can it be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spkid.audio.bandwidth import is_narrowband
from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Frames, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, without_offset
from spkid.audio.voicing import voiced_share

MATCH_SPEECH_S = 0.6  # less than this says nothing about who speaks
LOWEST_SNR_DB = 3.0
SILENCE_PROBABILITY = 0.1  # of speech: below this nobody speaks
DOUBTFUL_FRAMES = 2  # next to what may be speech
FEWEST_SILENT_FRAMES = 8
HIGHEST_CLIPPED_SHARE = 0.01
SILENCE_DBFS = -70.0

Verdict = Literal["ok", "no_speech", "too_short", "too_noisy", "clipped"]


@dataclass(frozen=True)
class Quality:
    """What was heard in one clip.

    ``level_dbfs`` is the level of the speech (of everything, where there is no speech);
    ``snr_db`` is None where it cannot be told, and so is ``voiced_share``, the share of the loud
    frames that have a pitch (:mod:`spkid.audio.voicing`). ``is_narrowband`` where the speech ends
    at 4 kHz (:mod:`spkid.audio.bandwidth`). ``verdict`` is the first reason that applies of
    ``no_speech``, ``too_short``, ``clipped`` and ``too_noisy``, else ``ok``.
    """

    duration_s: float
    speech_s: float
    level_dbfs: float
    clipped_share: float
    snr_db: float | None
    verdict: Verdict
    voiced_share: float | None = None
    is_narrowband: bool = False


def assess(waveform: Waveform, *, min_speech_s: float = MATCH_SPEECH_S) -> Quality:
    """Quality of a mono 16 kHz waveform ``[samples]``."""
    return quality_of(waveform, listen(waveform), min_speech_s=min_speech_s)


def quality_of(waveform: Waveform, frames: Frames, *, min_speech_s: float) -> Quality:
    """As :func:`assess`, where the ears have heard the waveform already."""
    powers = frame_powers(without_offset(waveform))
    is_said = frames.is_said
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    speech_s = frames.speech_s
    heard = powers[is_said] if is_said.any() else powers
    level_dbfs = float(10 * np.log10(heard.mean() + 1e-12)) if len(heard) else -120.0
    clipped_share = float((np.abs(waveform) >= 0.995).mean()) if len(waveform) else 0.0
    snr_db = estimate_snr_db(powers, frames)
    verdict: Verdict = "ok"
    if not is_said.any() or level_dbfs < SILENCE_DBFS:
        verdict, speech_s = "no_speech", 0.0
    elif speech_s < min_speech_s:
        verdict = "too_short"
    elif clipped_share > HIGHEST_CLIPPED_SHARE:
        verdict = "clipped"
    elif snr_db is not None and snr_db < LOWEST_SNR_DB:
        verdict = "too_noisy"
    return Quality(
        duration_s,
        speech_s,
        level_dbfs,
        clipped_share,
        snr_db,
        verdict,
        voiced_share(waveform),
        is_narrowband(waveform, is_said),
    )


def frame_powers(samples: Waveform) -> NDArray[np.float32]:
    """Mean square of each whole frame of ``[samples]``."""
    n_frames = len(samples) // FRAME_SAMPLES
    rows = samples[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
    powers: NDArray[np.float32] = np.square(rows).mean(axis=1)
    return powers


def estimate_snr_db(powers: NDArray[np.float32], frames: Frames) -> float | None:
    """Speech over background in dB, from the power of each frame; at most 60.

    The background is the median of the frames in which nobody speaks for sure, nor in the two
    on each side, but no more than the quietest tenth of all has: what is louder than that comes
    and goes, as voices do. None without speech, or where such frames are fewer than eight.
    """
    is_said = frames.is_said
    if not is_said.any():
        return None
    is_doubtful = np.pad(frames.speech >= SILENCE_PROBABILITY, DOUBTFUL_FRAMES)
    around = np.lib.stride_tricks.sliding_window_view(is_doubtful, 2 * DOUBTFUL_FRAMES + 1)
    is_silent = ~around.any(axis=1)
    if is_silent.sum() < FEWEST_SILENT_FRAMES:
        return None
    background = min(np.median(powers[is_silent]), np.quantile(powers, 0.1))
    speech = max(float(powers[is_said].mean() - background), 1e-12)
    return float(min(10 * np.log10(speech / max(float(background), 1e-12)), 60.0))


def cut_to_speech(waveform: Waveform, speech_s: float) -> Waveform | None:
    """From the first speech on, until ``speech_s`` of it is heard; None where there is less."""
    said = np.flatnonzero(listen(waveform).is_said)
    n_wanted = round(speech_s / FRAME_S)
    if n_wanted > len(said):
        return None
    return waveform[said[0] * FRAME_SAMPLES : (said[n_wanted - 1] + 1) * FRAME_SAMPLES]
