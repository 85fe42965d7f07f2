"""Audio files of any format, rate and channel count -> mono float32 at 16 kHz.

Reading is done by libsndfile (wav, flac, mp3, ogg/opus and more), resampling by soxr.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.audio.truncation import is_cut_short
from spkid.errors import BadAudio

SAMPLE_RATE_HZ = 16_000
RATES_HZ = (4_000, 384_000)  # a header that says otherwise is damaged or meant to harm
MAX_CHANNELS = 64
MAX_BLOCK_VALUES = 2**23  # of 4 bytes each
LARGEST_SAMPLE = 1e9  # full scale is 1; unscaled 24-bit values still pass
LONGEST_CLIP_S = 600.0  # a whole clip in memory; longer files are read in blocks

Waveform = NDArray[np.float32]


def _unreadable(path: str | Path, reason: str) -> BadAudio:
    return BadAudio(
        f"{path}: {reason}",
        expected="a readable audio file (wav, flac, mp3, ogg or opus)",
        do="check the path or convert the file",
        code="unreadable",
    )


def audio_blocks(path: str | Path, *, block_s: float = 30.0) -> Iterator[Waveform]:
    """The file as consecutive mono float32 blocks at 16 kHz, each about ``block_s`` long.

    Memory does not grow with the length of the file.

    Raises
    ------
    BadAudio
        If the file is missing, a directory, forbidden, empty, not audio, truncated or
        holds samples that are not finite.
    """
    import soundfile
    import soxr

    if not os.path.exists(path):
        raise _unreadable(path, "no such file")
    if not os.path.isfile(path):
        raise _unreadable(path, "not a regular file")
    if not os.access(path, os.R_OK):
        raise _unreadable(path, "no permission to read it")
    if os.path.getsize(path) == 0:
        raise _unreadable(path, "an empty file")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:  # a name need not be UTF-8
            rate_hz = file.samplerate
            if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1] or file.channels > MAX_CHANNELS:
                raise _unreadable(path, f"{rate_hz} Hz in {file.channels} channels")
            resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
            n_block = int(min(block_s * rate_hz, MAX_BLOCK_VALUES / file.channels))
            block = np.empty((n_block, file.channels), dtype=np.float32)
            n_read = 0
            while len(samples := file.read(out=block)):
                n_read += len(samples)
                if not (np.abs(samples) < LARGEST_SAMPLE).all():
                    raise _unreadable(path, "samples that are NaN, infinite or beyond 1e9")
                mono = samples.mean(axis=1)
                if rate_hz == SAMPLE_RATE_HZ:
                    yield mono
                else:
                    yield resampler.resample_chunk(mono)
            if rate_hz != SAMPLE_RATE_HZ:
                yield resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True)
            if n_read == 0 or is_cut_short(path, file, n_read):
                raise _unreadable(path, "truncated audio")
    except (soundfile.LibsndfileError, RuntimeError, OSError, TypeError) as error:
        raise _unreadable(path, "not audio, or damaged") from error


def as_waveform(samples: ArrayLike) -> Waveform:
    """``samples`` as float32 ``[samples]``.

    Raises
    ------
    BadAudio
        If they have another shape or are not finite.
    """
    waveform = np.asarray(samples, dtype=np.float32)
    if waveform.ndim != 1:
        raise BadAudio(
            f"an array of shape {waveform.shape}",
            expected="mono samples at 16 kHz, [samples]",
            do="mix the channels down first",
            code="bad_shape",
        )
    if not np.isfinite(waveform).all():
        raise BadAudio(
            "samples that are NaN or infinite",
            expected="finite samples",
            do="check how the waveform was made",
            code="not_finite",
        )
    return waveform


def load_audio(path: str | Path) -> Waveform:
    """The whole clip as mono float32 ``[samples]`` at 16 kHz; at most ten minutes.

    Raises
    ------
    BadAudio
        As :func:`audio_blocks`, or if the clip is longer than ten minutes.
    """
    blocks, n_samples = [], 0
    for block in audio_blocks(path):
        blocks.append(block)
        n_samples += len(block)
        if n_samples > LONGEST_CLIP_S * SAMPLE_RATE_HZ:
            raise BadAudio(
                f"{path}: longer than {LONGEST_CLIP_S:.0f} s",
                expected="a clip of at most ten minutes",
                do="cut the file or read it with audio_blocks",
                code="too_long",
            )
    return np.concatenate(blocks)
