"""One household: the four verbs that everything else is built from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from enrollment.age import age_hint
from enrollment.company import decide_clip
from enrollment.decision_log import DecisionLog
from enrollment.home_now import HomeNow, decided, read_home
from enrollment.home_rate import HomeRate, OwnTrials, choose_rate, own_trials
from enrollment.inbox import Inbox
from enrollment.matching import FALSE_ACCEPT_RATE, Decision, not_heard
from enrollment.names import tidy_name
from enrollment.profile import (
    AUDIO_CONSENT_TEXT,
    Consent,
    Enrollment,
    Member,
    Rearranged,
    Receipt,
    find_named,
)
from enrollment.refusals import no_member
from enrollment.session import EnrollmentSession
from enrollment.store.store import Store
from enrollment.store.vault import Vault
from enrollment.verification import Verification, verify_member
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.audio.sources import Source, is_one_sound
from spkid.encoder.hearing import Clip, Heard, Listened, Refused, hear, listened_to
from spkid.errors import SpkidError
from spkid.scoring.model import Model

if TYPE_CHECKING:
    from enrollment.live import Listener
    from enrollment.timeline import Segment


class Household:
    """The members of one home in a store, with the model that hears them.

    It pickles where its store does: a worker opens the store and the model again.

    Parameters
    ----------
    store : Store
        Where profiles are kept.
    name : str
        The household's name; it comes into being with its first member.
    model : Model
        The bundled one where not given. Of two models, the small one alone hears a home whose
        profiles are all its own; see :attr:`model`.

    Raises
    ------
    SpkidError
        If the name is empty, too long or not printable.
    """

    def __init__(self, store: Store, name: str, *, model: Model | None = None) -> None:
        self.store = store
        self.name = tidy_name(name)
        self._given = model if model is not None else Model.load()
        self._seen: HomeNow | None = None

    def __repr__(self) -> str:
        return f"Household({self.store!r}, {self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_seen": None}  # no profile travels

    @property
    def model(self) -> Model:
        """What hears this home: as given, or of two the one that all profiles are of."""
        if self._given.quick is None:
            return self._given
        return self._given.behind(who.model for who in self.store.members(self.name))

    def members(self) -> list[Member]:
        """The members in order of names; read again whenever the store's log has grown.

        Raises
        ------
        SpkidError
            If the household is unknown or a profile comes from another model.
        """
        return list(self._now().members)

    def _now(self) -> HomeNow:
        sequence = self.store.last_sequence()
        if self._seen is not None and self._seen.sequence == sequence:
            return self._seen
        self._seen = read_home(self.store, self.name, self._given, sequence=sequence)
        return self._seen

    def enroll(
        self,
        member: str,
        clips: Sequence[Source],
        *,
        consent: bool,
        given_by: str = "",
        force: bool = False,
        another_person: bool = False,
        child: bool | None = None,
        device: str = "",
        vault: Vault | None = None,
        advance: Callable[[], object] = lambda: None,
    ) -> Enrollment:
        """Add clips to a member's profile; each clip is judged, the good ones are stored.

        Parameters
        ----------
        member : str
            New or known name.
        clips : sequence of sources
            Files, or sound in any other form; with at least two seconds of speech each.
        consent : bool
            That the person agreed to ``CONSENT_TEXT``; recorded with the time. A member who
            is enrolled already has agreed.
        given_by : str
            Who agreed, where that is not the person: a parent of a child.
        force : bool
            Also store clips that do not sound like the others.
        another_person : bool
            That this is another person than the member whom the clips sound like, such as a
            twin.
        child : bool or None
            That this is a child, whose voice changes sooner; None leaves it as it was.
        device : str
            Label of the microphone.
        vault : Vault or None
            Where given, the clips are kept too, sealed; ``consent`` then covers that.
        advance : callable
            Called after each clip.

        Raises
        ------
        SpkidError
            Without consent or a calibration, if a clip cannot be read, if the profile is full
            or of another model, or if the clips sound like another member. Nothing is stored
            then.
        """
        if is_one_sound(clips):
            given = repr(str(clips)) if isinstance(clips, str | Path) else type(clips).__name__
            raise SpkidError(f"clips={given}", expected="a list of clips", do="put it in brackets")
        session = self.session(
            member, consent=consent, given_by=given_by, child=child, device=device, vault=vault
        )
        for clip in clips:
            session.add(clip)
            advance()
        if force:
            session.accept_all()
        return session.save(another_person=another_person)

    def session(
        self,
        member: str,
        *,
        consent: bool,
        given_by: str = "",
        child: bool | None = None,
        device: str = "",
        vault: Vault | None = None,
        origin: Literal["enrolled", "confirmed"] = "enrolled",
    ) -> EnrollmentSession:
        """An enrollment clip by clip; parameters as in :meth:`enroll`.

        ``confirmed`` clips are those whose speaker a person named after they were identified.
        """
        member = tidy_name(member)
        agreed = Consent(
            given_by=tidy_name(given_by or member), audio_text=AUDIO_CONSENT_TEXT if vault else ""
        )
        return EnrollmentSession(
            self.store,
            self.name,
            member,
            model=self.model,
            consent=agreed if consent else None,
            device=device,
            vault=vault,
            origin=origin,
            age_group=None if child is None else "child" if child else "",
        )

    def calibrate(self, false_accept_rate: float = FALSE_ACCEPT_RATE) -> tuple[HomeRate, OwnTrials]:
        """Choose and keep the home's own threshold, for that share of strangers accepted.

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
                do="enroll somebody else first; until then the shipped threshold holds",
                code="too_few_members",
            )
        trials = own_trials(members, self.model.to_decide())
        ids = tuple(clip.id for member in members for clip in member.exemplars)
        rate = choose_rate(trials, false_accept_rate)
        chosen = HomeRate(false_accept_rate, rate, self.model.fingerprint, ids)
        self.store.set_calibration(self.name, chosen.to_json())
        return chosen, trials

    def own_rate(self, members: list[Member]) -> HomeRate | None:
        """What :meth:`calibrate` chose, while the profiles are still the same."""
        chosen = self._now().own
        return chosen if chosen is not None and chosen.fits(members) else None

    def accepted_rate(self, members: list[Member], asked: float | None) -> float:
        """The shipped threshold's rate that decides: the home's own, the one asked for, or 5 %."""
        return _deciding_rate(self.own_rate(members), asked)

    def identify(self, clip: Source | Clip, *, false_accept_rate: float | None = None) -> Decision:
        """Who speaks in ``clip``: a member, a stranger, too close to say, or nothing heard.

        A clip that :func:`spkid.encoder.hearing.hear` heard already with the model's encoder is
        taken as it is; else, of two models, the small one answers where it is sure. Without
        ``false_accept_rate``, the home's own calibration decides, or 5 %.

        Raises
        ------
        SpkidError
            If the household is unknown, the model has no calibration, the clip cannot be read,
            a profile comes from another model, or the rate lies outside what the calibration
            measured.
        """
        now = self._now()
        calibration = now.model.to_decide()
        rate = _deciding_rate(now.own, false_accept_rate)
        if isinstance(clip, Heard | Refused):
            decision = decide_clip(clip, now.members, calibration, false_accept_rate=rate)
            heard: Clip = clip
        else:
            decision, heard = decided(now, listened_to(clip), false_accept_rate=rate)
        hints = [age_hint(who) for who in now.members if who.name == decision.member]
        # the inbox keeps vectors of one voice, and of the model whose profiles these are
        is_kept = decision.is_known or decision.model == now.model.fingerprint
        if isinstance(heard, Heard) and not decision.other_voices and is_kept:
            inbox = Inbox(self.store, self.name, now.model)
            hints.append(inbox.take(heard, decision))
        if now.keeps_log:
            hints.append(self.decisions.take(heard, decision, accepted_rate=rate))
        hints.append(now.hint)
        return replace(decision, hints=tuple(hint for hint in hints if hint))

    def decide(self, clip: Listened, *, false_accept_rate: float) -> tuple[Decision, Clip]:
        """Who speaks, and the clip as the model that answers heard it; nothing is written down."""
        return decided(self._now(), clip, false_accept_rate=false_accept_rate)

    def identify_together(
        self, clips: Sequence[Source], *, false_accept_rate: float | None = None
    ) -> Decision:
        """Who speaks in several clips of one moment, such as single words: one answer.

        They are heard as one where they sound alike; the seconds of speech in all of them count. A
        clip that does not sound like the others is left out, and a hint says which. Where no voice
        has most of the speech, the answer is ``several_voices``.

        Raises
        ------
        SpkidError
            As :meth:`identify`, or if there are no clips.
        """
        from enrollment.together import hear_together

        model = self._now().model  # whoever is not there is said before anything is heard
        together = hear_together(clips, model)
        if together.clip is None:
            decision = not_heard("several_voices", model.fingerprint, speech_s=0.0)
        else:
            decision = self.identify(together.clip, false_accept_rate=false_accept_rate)
        hints = [f"{name} does not sound like the others." for name in together.left_out]
        return replace(decision, hints=(*decision.hints, *hints))

    def verify(
        self, member: str, clip: Source, *, false_accept_rate: float = FALSE_ACCEPT_RATE
    ) -> Verification:
        """Is it ``member`` who speaks in ``clip``? Errors as in :meth:`identify`."""
        now = self._now()
        found = find_named(now.members, member)
        if found is None:
            raise no_member(member, self.name, [who.name for who in now.members])
        calibration, heard = now.model.to_decide(), hear(clip, now.model.encoder)
        return verify_member(found, heard, calibration, false_accept_rate=false_accept_rate)

    def timeline(
        self, recording: Source, *, false_accept_rate: float | None = None
    ) -> tuple[Segment, ...]:
        """Who spoke when in a recording of at most 24 hours, in the order of time.

        Raises
        ------
        SpkidError
            As :meth:`identify`, or if no speech is heard.
        """
        from enrollment.timeline import Judge, timeline

        now = self._now()
        rate = self.accepted_rate(now.members, false_accept_rate)
        judge = Judge(now.members, now.model.to_decide(), rate)
        return timeline(recording, now.model.encoder, judge)

    def listen(
        self, *, rate_hz: float = SAMPLE_RATE_HZ, false_accept_rate: float | None = None
    ) -> Listener:
        """Hear a live stream: PCM frames in, events out.

        Parameters
        ----------
        rate_hz : float
            Of the frames.
        false_accept_rate : float, optional
            As in :meth:`identify`.

        Raises
        ------
        SpkidError
            As :meth:`identify`, or if no sound has that rate.
        """
        from enrollment.live import Listener

        return Listener(self, rate_hz=rate_hz, false_accept_rate=false_accept_rate)

    @property
    def inbox(self) -> Inbox:
        """The voices that nobody here recognised, where somebody agreed to keep them."""
        return Inbox(self.store, self.name, self.model)

    @property
    def decisions(self) -> DecisionLog:
        """The answers that were given here, where somebody agreed to have them written down."""
        return DecisionLog(self.store.decisions, self.name)

    def rename(self, member: str, to: str) -> Rearranged:
        """Give a member another name; as ``Store.rename``."""
        return self.store.rename(self.name, to, member=member)

    def merge(self, member: str, into: str, *, vault: Vault | None = None) -> Rearranged:
        """Make one profile of two of one person; as ``Store.merge``."""
        return self.store.merge(self.name, member, into, vault=vault)

    def move(self, member: str, to_household: str) -> Rearranged:
        """Give a member to another household; as ``Store.move``."""
        return self.store.move(self.name, member, to_household)

    def forget(self, member: str | None = None) -> Receipt:
        """Delete a member, or the whole household; errors as in ``Store.forget``."""
        return self.store.forget(self.name, member)


def _deciding_rate(own: HomeRate | None, asked: float | None) -> float:
    if own is not None and asked in (None, own.far):
        return own.rate
    return FALSE_ACCEPT_RATE if asked is None else asked
