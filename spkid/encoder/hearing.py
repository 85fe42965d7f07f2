"""One clip heard: its quality and, where there is enough to hear, its vector."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from spkid.audio.ears import Frames, listen
from spkid.audio.reading import Waveform, as_waveform, loaded, without_offset
from spkid.audio.sources import Source, opened
from spkid.audio.speech import MATCH_SPEECH_S, Quality, quality_of
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.company import Company, company_in


@dataclass(frozen=True)
class Heard:
    """A clip that can be used.

    ``name`` is for messages; ``vector`` is unit, float32 ``[dim]``; ``digest`` is the SHA-256
    of the 16 kHz samples: the same for the same recording. ``company`` is who else may speak.
    """

    name: str
    quality: Quality
    digest: str
    vector: Vector = field(repr=False)
    company: Company = field(default=Company(), repr=False)


@dataclass(frozen=True)
class Refused:
    """A clip with too little to hear: the quality's verdict says why. Fields as in `Heard`."""

    name: str
    quality: Quality
    digest: str


Clip = Heard | Refused


@dataclass(frozen=True)
class Listened:
    """A clip that the ears have heard, and no encoder yet: each that is asked embeds it.

    ``plain`` are its samples without their offset; other fields as in `Heard`.
    """

    name: str
    quality: Quality
    digest: str
    frames: Frames = field(repr=False)
    plain: Waveform = field(repr=False)

    def by(self, encoder: Encoder) -> Clip:
        """The clip as ``encoder`` hears it."""
        if self.quality.verdict != "ok":
            return Refused(self.name, self.quality, self.digest)
        vector = encoder.embed(self.plain)
        company = company_in(self.plain, self.frames, encoder)
        return Heard(self.name, self.quality, self.digest, vector, company)


def hear(source: Source, encoder: Encoder, *, min_speech_s: float = MATCH_SPEECH_S) -> Clip:
    """Judge and embed a clip of at most ten minutes, given in any form that sound has.

    It is read once: digest, quality and vector are of the same samples.

    Raises
    ------
    BadAudio
        As :func:`spkid.audio.reading.load_audio`.
    """
    return listened_to(source, min_speech_s=min_speech_s).by(encoder)


def heard(waveform: Waveform, name: str, encoder: Encoder, *, min_speech_s: float) -> Clip:
    """Judge and embed 16 kHz samples ``[samples]``."""
    return judged(waveform, name, min_speech_s=min_speech_s).by(encoder)


def listened_to(source: Source, *, min_speech_s: float = MATCH_SPEECH_S) -> Listened:
    """Judge a clip as :func:`hear` does, and leave it to the caller who embeds it."""
    with opened(source) as sound:
        waveform = loaded(sound)
    return judged(waveform, sound.name, min_speech_s=min_speech_s)


def judged(waveform: Waveform, name: str, *, min_speech_s: float) -> Listened:
    """Judge 16 kHz samples ``[samples]``."""
    frames, digest = listen(waveform), digest_of(waveform)
    quality = quality_of(waveform, frames, min_speech_s=min_speech_s)
    return Listened(name, quality, digest, frames, without_offset(waveform))


def digest_of(waveform: Waveform) -> str:
    """The digest that :func:`hear` gives these samples."""
    return hashlib.sha256(as_waveform(waveform).tobytes()).hexdigest()
