"""A live stream: PCM frames of any size in, what is heard in them and what is wrong out."""

from __future__ import annotations

from collections.abc import Iterator

from spkid.audio.events import Fault, Ongoing, SpeechBegan, Utterance
from spkid.audio.pcm import PcmReader, Piece
from spkid.audio.utterances import USUAL_CUTTING, Cutting, Utterances

SoundEvent = SpeechBegan | Ongoing | Utterance | Fault


class LiveSound:
    """The speech in one stream, and its faults; memory does not grow. One thread at a time.

    Parameters
    ----------
    rate_hz : float
        Of the frames.
    cutting : Cutting
        When an utterance ends.

    Raises
    ------
    SpkidError
        If no sound has that rate.
    """

    def __init__(self, rate_hz: float, cutting: Cutting = USUAL_CUTTING) -> None:
        self._reader = PcmReader(rate_hz)
        self._cutting = cutting
        self._utterances: Utterances | None = None  # none yet since the sound began anew

    def feed(self, frame: object, at_s: float | None = None) -> Iterator[SoundEvent]:
        """What the next frame tells; an utterance ends before a fault. As ``PcmReader.take``."""
        for found in self._reader.take(frame, at_s):
            if isinstance(found, Piece):
                yield from self._hear(found)
            else:
                yield found

    def finish(self) -> Iterator[SoundEvent]:
        """The stream ends."""
        yield from self._hear(self._reader.finish())

    def split(self, n_frames: int) -> Utterance:
        """End the ongoing utterance after ``n_frames`` of it; what follows is the next one."""
        if self._utterances is None:
            raise RuntimeError("nobody speaks")
        return self._utterances.split(n_frames)

    def _hear(self, piece: Piece) -> Iterator[SoundEvent]:
        if self._utterances is None:
            self._utterances = Utterances(piece.origin_s, self._cutting)
        yield from self._utterances.take(piece.samples)
        if piece.ends:
            yield from self._utterances.finish()
            self._utterances = None
