"""Whatever is given to be heard -> mono float32 at 16 kHz.

Reading is done by libsndfile (wav, flac, mp3, ogg/opus and more) and, for what phones and
browsers record, FFmpeg; resampling by soxr.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.audio.channels import ChannelMixer
from spkid.audio.decoding import BLOCK_S, CannotDecode, Decoded, libsndfile
from spkid.audio.formats import ffmpeg, reader_for
from spkid.audio.sources import Sound, SoundArray, Source, opened, unreadable
from spkid.errors import BadAudio

SAMPLE_RATE_HZ = 16_000
RATES_HZ = (4_000, 384_000)  # a header that says otherwise is damaged or meant to harm
MAX_CHANNELS = 64
LARGEST_SAMPLE = 1e9  # full scale is 1; unscaled 24-bit values still pass
LONGEST_CLIP_S = 600.0  # a whole clip in memory
LONGEST_RECORDING_S = 86_400.0  # what is read in blocks

Waveform = NDArray[np.float32]


def audio_blocks(source: Source, *, longest_s: float = LONGEST_CLIP_S) -> Iterator[Waveform]:
    """The sound as consecutive mono float32 blocks at 16 kHz, each about 30 s long.

    Memory does not grow with the length of a file.

    Raises
    ------
    BadAudio
        As :func:`spkid.audio.sources.opened`, or if it is not audio, truncated, longer than
        ``longest_s`` or holds samples that are not finite.
    """
    with opened(source) as sound:
        yield from blocks_of(sound, longest_s=longest_s)


def blocks_of(sound: Sound, *, longest_s: float) -> Iterator[Waveform]:
    """As :func:`audio_blocks`, of what is open already."""
    if isinstance(sound, SoundArray):
        yield from _mono(_of_array(sound), sound.name, longest_s)
        return
    reader = reader_for(sound.raw)
    try:
        with ffmpeg(sound.raw, reader, sound.name) if reader else libsndfile(sound.raw) as decoded:
            yield from _mono(decoded, sound.name, longest_s)
    except CannotDecode as error:
        raise unreadable(sound.name, str(error)) from error


def _of_array(sound: SoundArray) -> Decoded:
    n_samples, n_channels = sound.samples.shape
    n_block = max(1, int(BLOCK_S * sound.rate_hz)) if np.isfinite(sound.rate_hz) else 1
    blocks = (sound.samples[start:][:n_block] for start in range(0, n_samples, n_block))
    return Decoded(sound.rate_hz, n_channels, blocks, n_samples)


def _mono(decoded: Decoded, name: str, longest_s: float) -> Iterator[Waveform]:
    """One channel at 16 kHz; its length is held against what was promised and what is allowed."""
    import soxr

    rate_hz = decoded.rate_hz
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1] or not 1 <= decoded.n_channels <= MAX_CHANNELS:
        raise unreadable(name, f"{rate_hz:.0f} Hz in {decoded.n_channels} channels")
    is_too_long = decoded.promised > longest_s * rate_hz
    resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
    mixer = ChannelMixer(decoded.n_channels, rate_hz)
    n_read = 0
    for samples in () if is_too_long else decoded.blocks:
        n_read += len(samples)
        if n_read > longest_s * rate_hz:
            is_too_long = True
            break
        if not (np.abs(samples) < LARGEST_SAMPLE).all():
            raise unreadable(name, "samples that are NaN, infinite or beyond 1e9")
        mono = mixer.mono(samples)
        yield mono.copy() if rate_hz == SAMPLE_RATE_HZ else resampler.resample_chunk(mono)
    if is_too_long:
        raise BadAudio(
            f"{name}: longer than {_in_words(longest_s)}",
            expected=f"at most {_in_words(longest_s)}",
            do="cut the recording",
            code="too_long",
        )
    if n_read < decoded.promised:
        raise unreadable(name, "truncated audio")
    if rate_hz != SAMPLE_RATE_HZ:
        yield resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def _in_words(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds:.0f} s"


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


def load_audio(source: Source) -> Waveform:
    """The whole clip as mono float32 ``[samples]`` at 16 kHz; at most ten minutes.

    Raises
    ------
    BadAudio
        As :func:`audio_blocks`.
    """
    with opened(source) as sound:
        return loaded(sound)


def loaded(sound: Sound) -> Waveform:
    """As :func:`load_audio`, of what is open already."""
    nothing = np.empty(0, dtype=np.float32)
    return np.concatenate([nothing, *blocks_of(sound, longest_s=LONGEST_CLIP_S)])


def without_offset(samples: Waveform) -> Waveform:
    """``samples`` with a mean of zero: an offset is no sound, and misleads level and encoder."""
    return samples - np.float32(samples.mean(dtype=np.float64)) if len(samples) else samples
