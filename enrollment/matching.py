"""From a clip's vector and a household's members to an answer. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enrollment.profile import Member, check_unit
from enrollment.refusals import not_finite
from spkid.audio.ears import Span
from spkid.audio.speech import Verdict
from spkid.encoder.base import Vector
from spkid.scoring.calibration import Calibration
from spkid.scoring.posterior import (
    AMBIGUOUS_ODDS,
    doubted,
    household_llrs,
    known_log_odds,
    posteriors,
    profile_llrs,
    profile_vector,
)
from spkid.scoring.scale import Floats

FALSE_ACCEPT_RATE = 0.05

Status = Literal[
    "known", "unknown", "ambiguous", "too_short", "no_speech", "poor_audio", "several_voices"
]
REFUSALS: dict[Verdict, Status] = {
    "no_speech": "no_speech",
    "too_short": "too_short",
    "too_noisy": "poor_audio",
    "clipped": "poor_audio",
}


@dataclass(frozen=True)
class Candidate:
    """One member's share of the answer.

    ``llr`` is the natural-log likelihood ratio against a stranger, ``cosine`` raw, in -1..1.
    """

    member: str
    probability: float
    llr: float
    cosine: float


@dataclass(frozen=True)
class Decision:
    """Who spoke.

    Attributes
    ----------
    status : str
        ``known``, ``unknown``, ``ambiguous``, or why nothing can be said: ``too_short``,
        ``no_speech``, ``poor_audio``, ``several_voices`` (nobody speaks alone for long enough).
    member : str or None
        Named only when ``known``.
    p_member, p_stranger : float or None
        Probability that the likeliest member spoke, and that a stranger did, whatever the
        status; None where nothing can be said.
    margin : float or None
        ``p_member`` less the probability of the next member.
    cosine : float or None
        Raw cosine of the likeliest member's profile.
    model : str
        Fingerprint of the model that answers.
    speech_s : float
        Seconds of speech heard.
    candidates : tuple of Candidate
        All members, most probable first.
    hints : tuple of str
        Sentences on what would make answers better.
    other_voices : tuple of Span
        Where somebody else speaks too: the rest of the answer is about the voice that speaks
        most by itself.
    """

    status: Status
    member: str | None
    p_member: float | None
    p_stranger: float | None
    margin: float | None
    cosine: float | None
    model: str
    speech_s: float
    candidates: tuple[Candidate, ...] = ()
    hints: tuple[str, ...] = ()
    other_voices: tuple[Span, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether a member is named."""
        return self.status == "known"


def not_heard(status: Status, model: str, *, speech_s: float) -> Decision:
    """The answer to a clip in which nobody can be told, for the reason that ``status`` is."""
    return Decision(
        status=status,
        member=None,
        p_member=None,
        p_stranger=None,
        margin=None,
        cosine=None,
        model=model,
        speech_s=speech_s,
    )


def reaches(score: float, threshold: float) -> bool:
    """Whether a ``score`` is at its ``threshold`` or above: every decision is this comparison.

    Raises
    ------
    SpkidError
        If one of them is NaN or infinite: Python's answer would name or reject somebody.
    """
    if not (math.isfinite(score) and math.isfinite(threshold)):
        raise not_finite()
    return bool(score >= threshold)


def in_doubt(threshold: float, doubt: float) -> float:
    """The ``threshold``, natural log odds, for a clip that says nothing with the chance ``doubt``.

    A clip that says nothing has even odds, and a threshold may be below those: with full doubt
    it is at the odds that name one member before another.
    """
    return threshold + doubt * max(0.0, math.log(AMBIGUOUS_ODDS) - threshold)


def member_llrs(
    vectors: ArrayLike,
    profiles: Sequence[NDArray[Any]],
    n_clips: Sequence[int],
    calibration: Calibration,
    speech_s: ArrayLike,
) -> tuple[Floats, Floats]:
    """:func:`spkid.scoring.posterior.household_llrs`, refused where nothing can be decided.

    Every decision on the members of a home goes through here.

    Raises
    ------
    SpkidError
        If a vector is not finite, of unit length and of the profiles' dimension; if the
        calibration or the seconds make a score NaN or infinite.
    """
    return _checked(household_llrs, vectors, profiles, n_clips, calibration, speech_s)


def pair_llrs(
    vectors: ArrayLike,
    profiles: Sequence[NDArray[Any]],
    n_clips: Sequence[int],
    calibration: Calibration,
    speech_s: ArrayLike,
) -> tuple[Floats, Floats]:
    """:func:`spkid.scoring.posterior.profile_llrs`, refused as by :func:`member_llrs`.

    Every decision on a single profile goes through here.
    """
    return _checked(profile_llrs, vectors, profiles, n_clips, calibration, speech_s)


def _checked(
    compare: Callable[..., tuple[Floats, Floats]],
    vectors: ArrayLike,
    profiles: Sequence[NDArray[Any]],
    n_clips: Sequence[int],
    calibration: Calibration,
    speech_s: ArrayLike,
) -> tuple[Floats, Floats]:
    check_unit(profiles)
    check_unit(vectors, dim=len(profiles[0]))
    llrs, cosines = compare(vectors, np.stack(profiles), n_clips, calibration, speech_s)
    if not (np.isfinite(llrs).all() and np.isfinite(cosines).all()):
        raise not_finite()
    return llrs, cosines


def narrowband_share(
    llrs: ArrayLike, members: Sequence[Member], is_narrowband: ArrayLike
) -> Floats:
    """How far clips and the profiles that they are likest to both came by telephone, 0 to 1.

    Of log-likelihood ratios ``[..., members]`` and bool ``[...]``, as ``[...]``.
    """
    shares = np.array([member.narrowband_share for member in members])
    return np.asarray(shares[np.argmax(llrs, axis=-1)] * np.asarray(is_narrowband))


def decide(
    vector: ArrayLike,
    members: Sequence[Member],
    calibration: Calibration,
    *,
    false_accept_rate: float,
    speech_s: float,
    doubt: float = 0.0,
    is_narrowband: bool = False,
) -> Decision:
    """The household's posterior (METHODS section 7) turned into an answer.

    ``unknown`` below the threshold that lets a share ``false_accept_rate`` of strangers in, which
    is higher where both the clip and the likeliest member's came by telephone;
    ``ambiguous`` where the posterior odds of the first member over the second, whatever both
    together leave to a stranger, are below ``AMBIGUOUS_ODDS``. The chance ``doubt`` that the clip
    says nothing, as of a whisper, makes every answer less sure, and with full doubt nobody is
    known.
    """
    llrs, cosines = member_llrs(
        vector,
        [member.vector for member in members],
        [len(member.exemplars) for member in members],
        calibration,
        speech_s,
    )
    told = doubted(llrs, doubt)
    shares = posteriors(told, guest_prior=calibration.guest_prior)
    order = np.argsort(-llrs)
    candidates = tuple(
        Candidate(members[k].name, float(shares[k]), float(llrs[k]), float(cosines[k]))
        for k in order
    )
    first = candidates[0]
    second = candidates[1].probability if len(candidates) > 1 else 0.0
    known = known_log_odds(np.minimum(llrs, told), guest_prior=calibration.guest_prior)
    status: Status = "unknown"
    threshold = calibration.household_threshold(
        false_accept_rate,
        speech_s=speech_s,
        narrowband_share=narrowband_share(llrs, members, is_narrowband),
    )
    if reaches(float(known), in_doubt(float(threshold), doubt)):
        sure = first.probability >= AMBIGUOUS_ODDS * second
        status = "known" if sure else "ambiguous"
    return Decision(
        status=status,
        member=first.member if status == "known" else None,
        p_member=first.probability,
        p_stranger=float(shares[-1]),
        margin=first.probability - second,
        cosine=first.cosine,
        model=calibration.model,
        speech_s=speech_s,
        candidates=candidates,
    )


def unlike_others(
    vectors: Sequence[Vector],
    enrolled: Sequence[Vector],
    calibration: Calibration,
    *,
    speech_s: Sequence[float],
) -> list[bool]:
    """Which of the new ``vectors`` rather come from somebody else than the rest do.

    ``speech_s`` is the speech in each of them, which counts as in :func:`decide`. One after
    another, the clip that agrees least with the mean of all others is left out while it
    is likelier somebody else's.
    """
    left_out = [False] * len(vectors)
    while True:
        kept = [index for index, out in enumerate(left_out) if not out]
        agreement = {}
        for index in kept:
            others = [vectors[other] for other in kept if other != index] + list(enrolled)
            if others:
                check_unit(others)
                profiles = [profile_vector(others)]
                n_clips, seconds = [len(others)], speech_s[index]
                llrs, _ = pair_llrs(vectors[index], profiles, n_clips, calibration, seconds)
                agreement[index] = float(llrs[0])
        # of two that only disagree with each other, the first stays
        worst = min(agreement, key=lambda index: (agreement[index], -index), default=None)
        if worst is None or reaches(agreement[worst], 0.0):
            return left_out
        left_out[worst] = True
