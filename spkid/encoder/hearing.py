"""One clip heard: its quality and, where there is enough to hear, its vector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spkid.audio.reading import Waveform, as_waveform, audio_blocks
from spkid.audio.speech import MATCH_SPEECH_S, Quality, QualityMeter, speech_probabilities
from spkid.encoder.encoder import SpeakerEncoder, Vector

Source = str | Path | Waveform


@dataclass(frozen=True)
class Clip:
    """``vector`` is None when the quality's verdict is not ``ok``; ``name`` is for messages.

    ``digest`` is the SHA-256 of the 16 kHz samples: the same for the same recording.
    """

    name: str
    quality: Quality
    vector: Vector | None
    digest: str


def hear(source: Source, encoder: SpeakerEncoder, *, min_speech_s: float = MATCH_SPEECH_S) -> Clip:
    """Judge and embed an audio file of any length, or a 16 kHz waveform ``[samples]``.

    Raises
    ------
    SpkidError
        If the file cannot be read or the samples are not finite.
    """
    is_waveform = isinstance(source, np.ndarray)
    if is_waveform:
        source = as_waveform(source)
    digest = hashlib.sha256()
    meter = QualityMeter()

    def blocks() -> Iterator[Waveform]:
        for block in [source] if is_waveform else audio_blocks(source):
            digest.update(np.ascontiguousarray(block))
            yield meter.add(block)

    probabilities = speech_probabilities(blocks())
    quality = meter.quality(probabilities, min_speech_s=min_speech_s)
    vector = None
    if quality.verdict == "ok":
        vector = encoder.embed(source) if is_waveform else encoder.embed_file(source)
    name = "waveform" if is_waveform else str(source)
    return Clip(name, quality, vector, digest.hexdigest())
