"""Clips of one person that are heard as one: single words hold too little speech each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from enrollment.matching import unlike_others
from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, listen
from spkid.audio.floor import over_floor
from spkid.audio.reading import Waveform, loaded, without_offset
from spkid.audio.sources import Source, is_one_sound, opened
from spkid.audio.speech import MATCH_SPEECH_S, assess
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.hearing import Clip, Refused, digest_of, heard
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.model import Model

LEAST_SPEECH_S = 0.2  # of a clip: less says nothing even beside others
MARGIN_FRAMES = 5
USABLE = ("ok", "too_short")


@dataclass(frozen=True)
class Spoken:
    """The part of a clip in which somebody speaks, from its first to its last speech.

    ``vector`` is unit, float32 ``[dim]``.
    """

    waveform: Waveform = field(repr=False)
    speech_s: float
    vector: Vector = field(repr=False)


def spoken_part(waveform: Waveform, encoder: Encoder) -> Spoken | None:
    """What is spoken in ``[samples]`` without an offset; None where it is next to nothing."""
    plain = without_offset(waveform)
    frames = np.flatnonzero(listen(over_floor(plain)).is_speech)
    speech_s = len(frames) * FRAME_S
    if speech_s < LEAST_SPEECH_S:
        return None
    first = max(0, int(frames[0]) - MARGIN_FRAMES)
    part = plain[first * FRAME_SAMPLES : (int(frames[-1]) + 1 + MARGIN_FRAMES) * FRAME_SAMPLES]
    return Spoken(part, speech_s, encoder.embed(part))


def alike(spoken: Sequence[Spoken], calibration: Calibration) -> list[int]:
    """The places of those that sound like each other; the others are never mixed with them.

    Each is held against all the others together (:func:`enrollment.matching.unlike_others`).
    """
    vectors, seconds = [each.vector for each in spoken], [each.speech_s for each in spoken]
    left_out = unlike_others(vectors, [], calibration, speech_s=seconds)
    return [place for place, is_out in enumerate(left_out) if not is_out]


def joined(spoken: Sequence[Spoken]) -> Waveform:
    """One after another, ``[samples]``."""
    return np.concatenate([each.waveform for each in spoken])


@dataclass(frozen=True)
class Together:
    """Several clips as one.

    ``clip`` is None where no voice has most of the speech; ``left_out`` are the names of clips
    that do not sound like the others.
    """

    clip: Clip | None
    left_out: tuple[str, ...] = ()


def hear_together(clips: Sequence[Source], model: Model) -> Together:
    """Judge and embed clips of one moment as one.

    Those without a word, clipped or too noisy are not counted; where all of them are, the first
    one's verdict is that of all.

    Raises
    ------
    SpkidError
        If there are none, if one cannot be read, or the model has no calibration.
    """
    if is_one_sound(clips) or not len(clips):
        raise SpkidError(
            "one clip in place of several" if len(clips) else "no clips",
            expected="a list of clips of one moment",
            do="give them in brackets",
        )
    calibration = model.to_decide()
    names, spoken, refused = [], [], []
    for source in clips:
        with opened(source) as sound:
            waveform = loaded(sound)
        quality = assess(waveform)
        part = spoken_part(waveform, model.encoder) if quality.verdict in USABLE else None
        if part is None:
            if quality.verdict in USABLE:  # several speak in the rest of it
                quality = replace(quality, verdict="too_short")
            refused.append(Refused(sound.name, quality, digest_of(waveform)))
        else:
            names.append(sound.name)
            spoken.append(part)
    if not spoken:
        return Together(refused[0])
    places = alike(spoken, calibration)
    kept = [spoken[place] for place in places]
    left_out = tuple(name for place, name in enumerate(names) if place not in places)
    most_s = sum(each.speech_s for each in spoken) / 2
    if left_out and (len(kept) < 2 or sum(each.speech_s for each in kept) <= most_s):
        return Together(None, left_out)
    name = " + ".join(names[place] for place in places)
    clip = heard(joined(kept), name, model.encoder, min_speech_s=MATCH_SPEECH_S)
    return Together(clip, left_out)
