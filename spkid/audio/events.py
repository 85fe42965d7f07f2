"""What a live stream tells: of its speech, and of what is wrong with its sound."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from spkid.audio.ears import Frames
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform


@dataclass(frozen=True)
class Event:
    """Something that happened ``at_s`` seconds from the beginning of the stream."""

    kind: ClassVar[str]
    at_s: float

    def record(self) -> dict[str, Any]:
        """The event for programs: ``event`` is its kind. No sound is part of it."""
        shown = {own.name: getattr(self, own.name) for own in fields(self) if own.repr}
        return {"event": self.kind, **shown}


@dataclass(frozen=True)
class SpeechBegan(Event):
    """Somebody began to speak."""

    kind: ClassVar[str] = "speech_began"


@dataclass(frozen=True)
class BadFrame(Event):
    """A frame that is no sound, or comes too late: it was not heard.

    ``code`` and ``reason`` are those of the error that a file like it gives. One event for frames
    that follow each other with the same fault.
    """

    kind: ClassVar[str] = "bad_frame"
    code: str
    reason: str


@dataclass(frozen=True)
class Gap(Event):
    """Sound is missing, for ``missing_s`` seconds."""

    kind: ClassVar[str] = "gap"
    missing_s: float


@dataclass(frozen=True)
class DeadMicrophone(Event):
    """From here on nothing moves: one value, or one frame again and again."""

    kind: ClassVar[str] = "dead_microphone"


@dataclass(frozen=True)
class LiveMicrophone(Event):
    """The microphone that was dead gives sound again."""

    kind: ClassVar[str] = "live_microphone"


Fault = BadFrame | Gap | DeadMicrophone | LiveMicrophone


@dataclass(frozen=True)
class Ongoing:
    """The speech that goes on, as far as it is judged: the samples, and what the ears hear in them.

    ``speech_s`` are the seconds of speech.
    """

    start_s: float
    speech_s: float
    waveform: Waveform = field(repr=False)
    frames: Frames = field(repr=False)


@dataclass(frozen=True)
class Utterance:
    """Speech from its beginning to its end, float32 ``[samples]`` at 16 kHz."""

    start_s: float
    waveform: Waveform = field(repr=False)

    @property
    def end_s(self) -> float:
        """Seconds from the beginning of the stream."""
        return self.start_s + len(self.waveform) / SAMPLE_RATE_HZ
