"""Is it this person, or are two clips of one speaker?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrollment.company import voices_in
from enrollment.matching import FALSE_ACCEPT_RATE, in_doubt, pair_llrs, reaches
from enrollment.profile import Member, check_unit
from spkid.audio.sources import Source
from spkid.audio.voicing import doubt_of
from spkid.encoder.hearing import Clip, Heard, Refused, hear
from spkid.scoring.calibration import Calibration
from spkid.scoring.model import Model
from spkid.scoring.posterior import doubted, posteriors


@dataclass(frozen=True)
class Verification:
    """Is it this person?

    Attributes
    ----------
    same : bool or None
        None where it cannot be told: ``reason`` is the quality verdict then, or
        ``several_voices`` where somebody else speaks too; else ``ok``.
    p_same : float or None
        Probability that it is, with even odds beforehand.
    llr, cosine : float or None
        Natural-log likelihood ratio, and the raw cosine.
    model : str
        Fingerprint of the model.
    """

    same: bool | None
    reason: str
    p_same: float | None
    llr: float | None
    cosine: float | None
    model: str


def verify_member(
    member: Member, clip: Clip, calibration: Calibration, *, false_accept_rate: float
) -> Verification:
    """Is it ``member`` who speaks in ``clip``?"""
    if isinstance(clip, Refused):
        return cannot_tell(clip.quality.verdict, calibration.model)
    if voices_in(clip.company, calibration).others:
        return cannot_tell("several_voices", calibration.model)
    n_clips, speech_s = len(member.exemplars), clip.quality.speech_s
    llrs, cosines = pair_llrs(clip.vector, [member.vector], [n_clips], calibration, speech_s)
    return judge_pair(
        float(llrs[0]),
        float(cosines[0]),
        n_clips,
        calibration,
        speech_s=speech_s,
        doubt=doubt_of(clip.quality.voiced_share),
        narrowband_share=clip.quality.is_narrowband * member.narrowband_share,
        false_accept_rate=false_accept_rate,
    )


def verify_clips(
    first: Source,
    second: Source,
    *,
    model: Model,
    false_accept_rate: float = FALSE_ACCEPT_RATE,
) -> Verification:
    """Are two clips of one speaker? Nothing is stored.

    Raises
    ------
    SpkidError
        If a clip cannot be read, or the model has no calibration.
    """
    calibration = model.to_decide()
    heard = []
    for source in (first, second):
        clip = hear(source, model.encoder)
        if not isinstance(clip, Heard):
            return cannot_tell(clip.quality.verdict, model.fingerprint)
        if voices_in(clip.company, calibration).others:
            return cannot_tell("several_voices", model.fingerprint)
        heard.append(clip)
    speech_s = min(clip.quality.speech_s for clip in heard)
    vectors = np.stack([clip.vector for clip in heard])
    check_unit(vectors, dim=model.dim)
    cosine, crowding = float(vectors[0] @ vectors[1]), calibration.crowding(vectors).mean()
    return judge_pair(
        float(calibration.log_likelihood_ratio(cosine, 1, speech_s, crowding=crowding)),
        cosine,
        1,
        calibration,
        speech_s=speech_s,
        doubt=max(doubt_of(clip.quality.voiced_share) for clip in heard),
        narrowband_share=float(all(clip.quality.is_narrowband for clip in heard)),
        false_accept_rate=false_accept_rate,
    )


def judge_pair(
    llr: float,
    cosine: float,
    n_clips: int,
    calibration: Calibration,
    *,
    speech_s: float,
    doubt: float = 0.0,
    narrowband_share: float = 0.0,
    false_accept_rate: float,
) -> Verification:
    """What ``speech_s`` of speech scored against a profile of ``n_clips``, as an answer.

    With the chance ``doubt`` the clip says nothing, which makes no answer surer; with full doubt
    nobody is the same.

    Raises
    ------
    SpkidError
        If the score or its threshold is not finite.
    """
    threshold = calibration.pair_threshold(
        false_accept_rate, n_clips=n_clips, speech_s=speech_s, narrowband_share=narrowband_share
    )
    told = float(doubted(llr, doubt))
    return Verification(
        same=reaches(min(llr, told), in_doubt(float(threshold), doubt)),
        reason="ok",
        p_same=float(posteriors([told], guest_prior=0.5)[0]),
        llr=llr,
        cosine=cosine,
        model=calibration.model,
    )


def cannot_tell(reason: str, model: str) -> Verification:
    """No answer, because of the clip's quality or because it holds several voices."""
    return Verification(same=None, reason=reason, p_same=None, llr=None, cosine=None, model=model)
