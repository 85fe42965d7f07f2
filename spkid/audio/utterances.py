"""A stream of samples, heard as it comes: where speech begins, goes on and ends.

The ears hear each 0.3 s with 1.5 s of what came before and 0.3 s of what follows, wherever the
stream's frames begin and end: the same sound gives the same utterances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Frames, listen
from spkid.audio.events import Ongoing, SpeechBegan, Utterance
from spkid.audio.floor import over_floor
from spkid.audio.reading import Waveform
from spkid.audio.speech import MATCH_SPEECH_S

HOP_FRAMES = 15  # judged at a time
BEFORE_FRAMES = 75
AFTER_FRAMES = 15
BEGIN_FRAMES = 5  # of speech, one after another: fewer are a click
MARGIN_FRAMES = 15  # kept before the first speech and after the last


@dataclass(frozen=True)
class Cutting:
    """When an utterance ends.

    After ``pause_s`` where it holds ``least_speech_s`` of speech, after ``long_pause_s`` where
    it holds less, and in any case after ``longest_s``: memory is bounded by that.
    """

    least_speech_s: float = MATCH_SPEECH_S
    pause_s: float = 0.8
    long_pause_s: float = 1.5
    longest_s: float = 30.0


USUAL_CUTTING = Cutting()


class Utterances:
    """The speech in unbroken sound that begins ``origin_s`` after the stream did.

    One thread at a time.
    """

    def __init__(self, origin_s: float, cutting: Cutting = USUAL_CUTTING) -> None:
        self._origin_s, self._cutting = origin_s, cutting
        self._held = np.empty(0, dtype=np.float32)  # from frame _first on
        self._first = 0
        self._voices = np.empty((0, 3), dtype=np.float32)  # as far as it is judged
        self._new_voice = np.empty(0, dtype=np.float32)
        self._start: int | None = None  # of the utterance, in frames from the origin
        self._free = 0  # the end of the one before
        self._n_run = self._n_speech = self._last_speech = 0

    def take(self, samples: Waveform) -> Iterator[SpeechBegan | Ongoing | Utterance]:
        """What is known after the next ``samples``; the ongoing speech after each 0.3 s of it."""
        self._held = np.concatenate([self._held, samples])
        while self._n_arrived - self._n_judged >= HOP_FRAMES + AFTER_FRAMES:
            yield from self._judge(HOP_FRAMES)
            if (ongoing := self.ongoing()) is not None:
                yield ongoing

    def finish(self) -> Iterator[SpeechBegan | Utterance]:
        """The end of the last utterance; no sound comes any more."""
        while (n_left := self._n_arrived - self._n_judged) > 0:
            yield from self._judge(min(n_left, HOP_FRAMES))
        if self._start is not None:
            yield self._ended(min(self._last_speech + 1 + MARGIN_FRAMES, self._n_judged))

    def ongoing(self) -> Ongoing | None:
        """The speech that goes on now."""
        if self._start is None:
            return None
        first = self._start - self._first
        frames = Frames(self._voices[first:], self._new_voice[first:])
        waveform = self._samples(self._start, self._n_judged)
        return Ongoing(self._at_s(self._start), self._n_speech * FRAME_S, waveform, frames)

    def split(self, n_frames: int) -> Utterance:
        """End the ongoing utterance after ``n_frames`` of it; what follows is the next one."""
        if self._start is None:
            raise RuntimeError("nobody speaks")
        cut = self._start + n_frames
        before = self._ended(cut)
        self._start = cut
        later = Frames(self._voices[cut - self._first :], self._new_voice[cut - self._first :])
        self._n_speech = int(later.is_speech.sum())
        return before

    @property
    def _n_arrived(self) -> int:
        return self._first + len(self._held) // FRAME_SAMPLES

    @property
    def _n_judged(self) -> int:
        return self._first + len(self._voices)

    def _at_s(self, frame: int) -> float:
        return self._origin_s + frame * FRAME_S

    def _samples(self, first: int, end: int) -> Waveform:
        begin, stop = (FRAME_SAMPLES * (frame - self._first) for frame in (first, end))
        return self._held[begin:stop]

    def _judge(self, n_frames: int) -> Iterator[SpeechBegan | Utterance]:
        """Hear the next frames, and let go of what nobody asks for any more."""
        now = self._n_judged
        begin = max(self._first, now - BEFORE_FRAMES)
        heard = self._samples(begin, min(self._n_arrived, now + n_frames + AFTER_FRAMES))
        own = slice(now - begin, now - begin + n_frames)
        frames = listen(over_floor(heard))
        self._voices = np.concatenate([self._voices, frames.voices[own]])
        self._new_voice = np.concatenate([self._new_voice, frames.new_voice[own]])
        for frame, is_speech in enumerate(frames.is_speech[own], start=now):
            yield from self._step(frame, is_speech=bool(is_speech))
        needed = self._n_judged - BEFORE_FRAMES  # as context, and before speech that begins next
        if self._start is not None:
            needed = min(needed, self._start)
        n_past = max(0, needed - self._first)
        self._held = self._held[n_past * FRAME_SAMPLES :]
        self._voices, self._new_voice = self._voices[n_past:], self._new_voice[n_past:]
        self._first += n_past

    def _step(self, frame: int, *, is_speech: bool) -> Iterator[SpeechBegan | Utterance]:
        self._n_run = self._n_run + 1 if is_speech else 0
        if is_speech:
            self._n_speech, self._last_speech = self._n_speech + 1, frame
        if self._start is None:
            if self._n_run >= BEGIN_FRAMES:
                first = frame + 1 - BEGIN_FRAMES
                self._start = max(first - MARGIN_FRAMES, self._free)
                self._n_speech = BEGIN_FRAMES
                yield SpeechBegan(self._at_s(first))
            return
        cutting = self._cutting
        is_enough = self._n_speech * FRAME_S >= cutting.least_speech_s
        pause_s = cutting.pause_s if is_enough else cutting.long_pause_s
        if (frame - self._last_speech) * FRAME_S >= pause_s:
            yield self._ended(min(self._last_speech + 1 + MARGIN_FRAMES, frame + 1))
        elif (frame + 1 - self._start) * FRAME_S >= cutting.longest_s:
            yield self._ended(frame + 1)

    def _ended(self, end: int) -> Utterance:
        if self._start is None:
            raise RuntimeError("nobody speaks")
        waveform = self._samples(self._start, end).copy()
        utterance = Utterance(self._at_s(self._start), waveform)
        self._start, self._free, self._n_run = None, end, 0
        return utterance
