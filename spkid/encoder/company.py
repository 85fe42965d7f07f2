"""Who else may be in a clip: where several speak at once, and a vector for each voice in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Frames, Span, spans
from spkid.audio.reading import Waveform
from spkid.audio.speech import MATCH_SPEECH_S
from spkid.encoder.base import Encoder, Vector

# chosen on held-out training speakers by benchmarks/model/ears/several.py
SEVERAL_AT_LEAST_S = 0.2  # shorter is no second voice
MAYBE_NEW_VOICE = 0.15  # probability: the encoder has the last word


@dataclass(frozen=True)
class Part:
    """Speech between two changes of voice: ``speech_s`` seconds of it are of one voice alone.

    ``vector`` is unit, float32 ``[dim]``, of that voice.
    """

    span: Span
    speech_s: float
    vector: Vector = field(repr=False)


@dataclass(frozen=True)
class Company:
    """``overlaps`` is where several speak at once.

    ``parts`` are without those that hold too little speech to tell a voice; it is empty where the
    clip is of one piece, and nobody speaks over it.
    """

    overlaps: tuple[Span, ...] = ()
    parts: tuple[Part, ...] = ()


def company_in(waveform: Waveform, frames: Frames, encoder: Encoder) -> Company:
    """What the ears heard in ``[samples]``, each part embedded; nothing is, in most clips."""
    overlaps = spans(frames.is_several, least_s=SEVERAL_AT_LEAST_S)
    cuts = frames.new_voices(MAYBE_NEW_VOICE)
    if not overlaps and not len(cuts):
        return Company()
    is_alone = frames.is_speech & ~frames.is_several
    edges = [0, *(int(cut) for cut in cuts), len(is_alone)]
    parts = []
    for first, end in pairwise(edges):
        alone = np.flatnonzero(is_alone[first:end]) + first
        if len(alone) * FRAME_S >= MATCH_SPEECH_S:
            span = Span(float(alone[0] * FRAME_S), float((alone[-1] + 1) * FRAME_S))
            vector = encoder.embed(of_frames(waveform, alone))
            parts.append(Part(span, float(len(alone) * FRAME_S), vector))
    return Company(overlaps, tuple(parts))


def of_frames(waveform: Waveform, frames: NDArray[np.int64]) -> Waveform:
    """The samples of these frames, one after the other."""
    rows = waveform[: len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return rows[frames].ravel()
