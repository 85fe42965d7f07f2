"""One clip heard: its quality and, where there is enough to hear, its vector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spkid.audio.reading import Waveform, as_waveform, audio_blocks
from spkid.audio.speech import MATCH_SPEECH_S, Quality, QualityMeter, speech_probabilities
from spkid.encoder.base import Encoder, Vector

Source = str | Path | Waveform


@dataclass(frozen=True)
class Heard:
    """A clip that can be used.

    ``name`` is for messages; ``vector`` is unit, float32 ``[dim]``; ``digest`` is the SHA-256
    of the 16 kHz samples: the same for the same recording.
    """

    name: str
    quality: Quality
    digest: str
    vector: Vector = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """A clip with too little to hear: the quality's verdict says why. Fields as in `Heard`."""

    name: str
    quality: Quality
    digest: str


Clip = Heard | Refused


def hear(source: Source, encoder: Encoder, *, min_speech_s: float = MATCH_SPEECH_S) -> Clip:
    """Judge and embed an audio file of any length, or a 16 kHz waveform ``[samples]``.

    The sound is read once: digest, quality and vector are of the same samples.

    Raises
    ------
    BadAudio
        If the file cannot be read or the samples are not finite.
    """
    digest, meter, running = hashlib.sha256(), QualityMeter(), encoder.begin()

    def blocks() -> Iterator[Waveform]:
        for block in (
            [as_waveform(source)] if isinstance(source, np.ndarray) else audio_blocks(source)
        ):
            digest.update(block.tobytes())
            running.add(block)
            yield meter.add(block)

    quality = meter.quality(speech_probabilities(blocks()), min_speech_s=min_speech_s)
    name = "waveform" if isinstance(source, np.ndarray) else str(source)
    if quality.verdict != "ok":
        return Refused(name, quality, digest.hexdigest())
    return Heard(name, quality, digest.hexdigest(), running.vector())


def digest_of(waveform: Waveform) -> str:
    """The digest that :func:`hear` gives these samples."""
    return hashlib.sha256(as_waveform(waveform).tobytes()).hexdigest()
