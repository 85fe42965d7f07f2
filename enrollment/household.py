"""One household: the four verbs that everything else is built from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from enrollment.home_rate import HomeRate, OwnTrials, choose_rate, own_trials
from enrollment.matching import (
    FALSE_ACCEPT_RATE,
    REFUSALS,
    Decision,
    decide,
)
from enrollment.profile import AUDIO_CONSENT_TEXT, Consent, Enrolment, Member, Receipt
from enrollment.refusals import no_household, no_member, other_model
from enrollment.session import EnrolmentSession
from enrollment.store.store import Store
from enrollment.store.vault import Vault
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.hearing import Clip, Source, hear
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.posterior import household_llrs


@dataclass(frozen=True)
class Verification:
    """Is it this person? ``cannot_tell`` comes with a quality verdict in ``reason``.

    ``llr`` is the natural-log likelihood ratio, ``probability`` the same with even odds
    beforehand, ``cosine`` raw.
    """

    answer: Literal["same", "different", "cannot_tell"]
    reason: str
    probability: float | None
    llr: float | None
    cosine: float | None
    model: str


class Household:
    """The members of one home in a store, with a model and its calibration.

    Parameters
    ----------
    store : Store
        Where profiles are kept.
    name : str
        The household's name; it comes into being with its first member.
    encoder, calibration
        The bundled ones where not given.

    Raises
    ------
    SpkidError
        If the calibration belongs to another model than the encoder.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        encoder: SpeakerEncoder | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.store = store
        self.name = checked_name(name)
        self.encoder = encoder if encoder is not None else SpeakerEncoder.load()
        self.calibration = calibration if calibration is not None else Calibration.load()
        check_same_model(self.encoder, self.calibration)
        self._seen: tuple[int, list[Member]] | None = None  # the members as of a log sequence

    def members(self) -> list[Member]:
        """The members in order of names; read again whenever the store's log has grown.

        Raises
        ------
        SpkidError
            If the household is unknown or a profile comes from another model.
        """
        sequence = self.store.last_sequence()
        if self._seen is not None and self._seen[0] == sequence:
            return list(self._seen[1])
        members = self.store.members(self.name)
        if not members:
            raise no_household(self.name, self.store.households())
        for member in members:
            if member.model != self.encoder.fingerprint:
                raise other_model(member.name, member.model, self.encoder.fingerprint)
        self._seen = sequence, members
        return list(members)

    def enroll(
        self,
        member: str,
        clips: Sequence[Source],
        *,
        consent: bool,
        force: bool = False,
        device: str = "",
        vault: Vault | None = None,
        advance: Callable[[], object] = lambda: None,
    ) -> Enrolment:
        """Add clips to a member's profile; each clip is judged, the good ones are stored.

        Parameters
        ----------
        member : str
            New or known name.
        clips : sequence of paths or 16 kHz waveforms
            With at least two seconds of speech each.
        consent : bool
            That the person agreed to ``CONSENT_TEXT``; recorded with the time. A member who
            is enrolled already has agreed.
        force : bool
            Also store clips that do not sound like the others.
        device : str
            Label of the microphone.
        vault : Vault or None
            Where given, the clips are kept too, sealed; ``consent`` then covers that.
        advance : callable
            Called after each clip.

        Raises
        ------
        SpkidError
            Without consent, if a clip cannot be read or is enrolled already, if the profile
            is full or of another model. Nothing is stored then.
        """
        session = self.session(member, consent=consent, device=device, vault=vault)
        for clip in clips:
            session.hear(clip)
            advance()
        if force:
            session.accept_all()
        return session.store()

    def session(
        self,
        member: str,
        *,
        consent: bool,
        device: str = "",
        vault: Vault | None = None,
        origin: Literal["enrolled", "confirmed"] = "enrolled",
    ) -> EnrolmentSession:
        """An enrolment clip by clip; parameters as in :meth:`enroll`.

        ``confirmed`` clips are those whose speaker a person named after they were identified.
        """
        member = checked_name(member)
        agreed = Consent(given_by=member, audio_text=AUDIO_CONSENT_TEXT if vault else "")
        return EnrolmentSession(
            self,
            member,
            consent=agreed if consent else None,
            device=device,
            vault=vault,
            origin=origin,
        )

    def calibrate(self, far: float) -> tuple[HomeRate, OwnTrials]:
        """Choose and keep the home's own threshold, for ``far`` of strangers accepted.

        Raises
        ------
        SpkidError
            If the household is unknown or has one member, if members' clips overlap, or the
            rate lies outside what the calibration measured. Nothing is stored then.
        """
        members = self.members()
        if len(members) < 2:
            raise SpkidError(
                f"one member in {self.name!r}",
                expected="two or more, who are each other's strangers",
                do="enrol somebody else first; the shipped threshold goes on",
                code="too_few_members",
            )
        trials = own_trials(members, self.calibration)
        ids = tuple(clip.id for member in members for clip in member.exemplars)
        chosen = HomeRate(far, choose_rate(trials, far), self.encoder.fingerprint, ids)
        self.store.set_calibration(self.name, chosen.to_json())
        return chosen, trials

    def own_rate(self, members: list[Member]) -> HomeRate | None:
        """What :meth:`calibrate` chose, while the profiles are still the same."""
        text = self.store.calibration(self.name)
        if text is None:
            return None
        chosen = HomeRate.from_json(text)
        return chosen if chosen.fits(members) else None

    def accepted_rate(self, members: list[Member], asked: float | None) -> float:
        """The shipped threshold's rate that decides: the home's own, the one asked for, or 5 %."""
        own = self.own_rate(members)
        if own and asked in (None, own.far):
            return own.rate
        return FALSE_ACCEPT_RATE if asked is None else asked

    def identify(self, clip: Source | Clip, *, false_accept_rate: float | None = None) -> Decision:
        """Who speaks in ``clip``: a member, a stranger, too close to say, or nothing heard.

        A :class:`spkid.encoder.hearing.Clip` that was heard already is taken as it is. Without
        ``false_accept_rate``, the home's own calibration decides, or 5 %.

        Raises
        ------
        SpkidError
            If the household is unknown, the clip cannot be read, a profile comes from
            another model, or the rate lies outside what the calibration measured.
        """
        members = self.members()
        heard = clip if isinstance(clip, Clip) else hear(clip, self.encoder)
        if heard.vector is None:
            return Decision(
                status=REFUSALS[heard.quality.verdict],
                member=None,
                probability=None,
                margin=None,
                cosine=None,
                model=self.encoder.fingerprint,
                speech_s=heard.quality.speech_s,
            )
        return decide(
            heard.vector,
            members,
            self.calibration,
            false_accept_rate=self.accepted_rate(members, false_accept_rate),
            speech_s=heard.quality.speech_s,
        )

    def verify(
        self, member: str, clip: Source, *, false_accept_rate: float = FALSE_ACCEPT_RATE
    ) -> Verification:
        """Is it ``member`` who speaks in ``clip``? Errors as in :meth:`identify`."""
        found = [who for who in self.members() if who.name == member]
        if not found:
            raise no_member(member, self.name)
        heard = hear(clip, self.encoder)
        if heard.vector is None:
            return cannot_tell(heard, self.encoder)
        n_clips, speech_s = len(found[0].exemplars), heard.quality.speech_s
        llrs, cosines = household_llrs(
            heard.vector, found[0].vector[None], [n_clips], self.calibration, speech_s
        )
        return judge_pair(
            float(llrs[0]),
            float(cosines[0]),
            n_clips,
            self.calibration,
            speech_s=speech_s,
            false_accept_rate=false_accept_rate,
        )

    def forget(self, member: str | None = None) -> Receipt:
        """Delete a member, or the whole household; errors as in ``Store.forget``."""
        return self.store.forget(self.name, member)


def verify_clips(
    first: Source,
    second: Source,
    *,
    encoder: SpeakerEncoder,
    calibration: Calibration,
    false_accept_rate: float = FALSE_ACCEPT_RATE,
) -> Verification:
    """Are two clips of one speaker? Nothing is stored.

    Raises
    ------
    SpkidError
        If a clip cannot be read or the calibration belongs to another model.
    """
    check_same_model(encoder, calibration)
    heard = [hear(clip, encoder) for clip in (first, second)]
    for clip in heard:
        if clip.vector is None:
            return cannot_tell(clip, encoder)
    speech_s = min(clip.quality.speech_s for clip in heard)
    vectors = np.stack([clip.vector for clip in heard])
    cosine, crowding = float(vectors[0] @ vectors[1]), calibration.crowding(vectors).mean()
    return judge_pair(
        float(calibration.log_likelihood_ratio(cosine, 1, speech_s, crowding=crowding)),
        cosine,
        1,
        calibration,
        speech_s=speech_s,
        false_accept_rate=false_accept_rate,
    )


def judge_pair(
    llr: float,
    cosine: float,
    n_clips: int,
    calibration: Calibration,
    *,
    speech_s: float,
    false_accept_rate: float,
) -> Verification:
    """What ``speech_s`` of speech scored against a profile of ``n_clips``, as an answer."""
    same = llr >= calibration.pair_threshold(false_accept_rate, n_clips=n_clips, speech_s=speech_s)
    return Verification(
        answer="same" if same else "different",
        reason="ok",
        probability=1 / (1 + math.exp(-llr)),
        llr=llr,
        cosine=cosine,
        model=calibration.model,
    )


def cannot_tell(clip: Clip, encoder: SpeakerEncoder) -> Verification:
    """No answer, because of the clip's quality."""
    return Verification(
        answer="cannot_tell",
        reason=clip.quality.verdict,
        probability=None,
        llr=None,
        cosine=None,
        model=encoder.fingerprint,
    )


def check_same_model(encoder: SpeakerEncoder, calibration: Calibration) -> None:
    """Refuse a calibration that was fitted on another model's cosines."""
    if calibration.model != encoder.fingerprint:
        raise SpkidError(
            f"a calibration of model {calibration.model}",
            expected=f"one of the model in use, {encoder.fingerprint}",
            do="give the calibration that belongs to the model",
            code="other_model",
        )


def checked_name(name: str) -> str:
    """A name of 1 to 80 printable characters, without space around it."""
    cleaned = name.strip()
    if not cleaned or len(cleaned) > 80 or not cleaned.isprintable():
        raise SpkidError(
            f"the name {name[:80]!r}",
            expected="1 to 80 printable characters",
            do="choose another name",
            code="bad_name",
        )
    return cleaned
