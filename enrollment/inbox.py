"""The voices that nobody of a household recognised, named later or deleted; off by default.

Only vectors are kept, for some days and up to a number, in households where somebody agreed to
that. A voice in the inbox is never compared with a clip to name a speaker: it becomes a profile
when a person gives it a name, with that person's consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enrollment.agreement import Agreement
from enrollment.matching import Decision, pair_llrs
from enrollment.names import tidy_name
from enrollment.profile import ENROLL_SPEECH_S, MAX_EXEMPLARS, Consent, Member, find_named
from enrollment.refusals import SameVoice, no_consent, no_voice
from enrollment.same_voice import SAME_VOICE_RATE, sounds_like
from enrollment.store.store import Store
from enrollment.store.voices import MAX_VOICES, UnknownVoice
from spkid.encoder.hearing import Heard
from spkid.errors import StoreError
from spkid.scoring.calibration import Calibration
from spkid.scoring.model import Model
from spkid.scoring.posterior import profile_vector

CONSENT_TEXT = (
    "We agree that a mathematical description of each voice that is not recognised in our home is "
    f"kept on this device for {{days}} days, of at most {MAX_VOICES} clips, so that a person can "
    "be named later. We tell our guests. It can be switched off at any time with 'spkid inbox "
    "off', which deletes all of it."
)


@dataclass(frozen=True)
class UnknownSpeaker:
    """Clips of what seems to be one voice.

    ``number`` is the id of the first clip; times are UTC, ISO 8601.
    """

    number: int
    voices: tuple[UnknownVoice, ...]

    @property
    def speech_s(self) -> float:
        """Seconds of speech over all clips."""
        return sum(voice.speech_s for voice in self.voices)


class InboxAgreement(Agreement):
    """Unknown voices are kept."""

    consent_text, what = CONSENT_TEXT, "unknown voices"


class Inbox(InboxAgreement):
    """A household's unknown voices. :attr:`enrollment.Household.inbox` makes one."""

    def __init__(self, store: Store, household: str, model: Model) -> None:
        super().__init__(store.voices, household)
        self._voices, self._store, self._model = store.voices, store, model

    def take(self, clip: Heard, decision: Decision) -> str | None:
        """Keep the clip of a stranger, where the inbox is on; what went wrong, as a sentence.

        What has expired goes. A clip with less speech than an enrollment needs is left out.
        """
        is_wanted = decision.status == "unknown" and clip.quality.speech_s >= ENROLL_SPEECH_S
        try:
            self._voices.expire()
            if is_wanted and self.terms is not None:
                voice = UnknownVoice(
                    clip.vector,
                    self._model.fingerprint,
                    clip.digest,
                    clip.quality.speech_s,
                    clip.quality.snr_db,
                    is_narrowband=clip.quality.is_narrowband,
                )
                self._voices.add(self._household, voice)
        except StoreError as error:  # the answer is worth more than the inbox
            return f"The voice was not kept in the inbox: {error}"
        return None

    def speakers(self) -> list[UnknownSpeaker]:
        """The voices in groups that sound alike, in the order of their first clips.

        Raises
        ------
        SpkidError
            If the model has no calibration.
        """
        calibration = self._model.to_decide()
        own = [
            voice
            for voice in self._voices.voices(self._household)
            if voice.model == self._model.fingerprint
        ]
        groups = alike(own, calibration)
        return [UnknownSpeaker(group[0].id, tuple(group)) for group in groups]

    def speaker(self, number: int) -> UnknownSpeaker:
        """The group in which clip ``number`` is.

        Raises
        ------
        SpkidError
            If there is no such clip (any more).
        """
        for group in self.speakers():
            if number in {voice.id for voice in group.voices}:
                return group
        raise no_voice(self._household)

    def name(
        self,
        number: int,
        member: str,
        *,
        consent: bool,
        given_by: str = "",
        another_person: bool = False,
    ) -> Member:
        """Make the group of clip ``number`` an enrollment of ``member``, who agreed to that.

        A profile takes ten clips: those with the most speech. The others are deleted.

        Parameters
        ----------
        member : str
            A new or known name; one who is enrolled has agreed.
        consent : bool
            That the person agreed to ``CONSENT_TEXT`` of :mod:`enrollment.profile`.
        given_by : str
            Who agreed, where that is not the person: a parent of a child.
        another_person : bool
            That this is another person than the member whom the clips sound like.

        Raises
        ------
        SameVoice
            If they sound like another member.
        SpkidError
            As :meth:`enrollment.Household.enroll`, or if there is no such clip.
        """
        group = self.speaker(number)
        members = self._store.members(self._household)
        known = find_named(members, member)
        if known is None and not consent:
            raise no_consent()
        n_room = MAX_EXEMPLARS - (len(known.exemplars) if known else 0)
        ordered = sorted(group.voices, key=lambda voice: (-voice.speech_s, voice.id))
        best, rest = ordered[: max(n_room, 1)], ordered[max(n_room, 1) :]
        other = sounds_like(
            [voice.vector for voice in best],
            [voice.speech_s for voice in best],
            known,
            [who for who in members if who is not known and who.model == self._model.fingerprint],
            self._model.to_decide(),
        )
        if other is not None and not another_person:
            raise SameVoice(known.name if known else member, other.name)
        return self._voices.name(
            self._household,
            [voice.id for voice in best],
            member,
            model=self._model.fingerprint,
            consent=Consent(given_by=tidy_name(given_by or member)) if consent else None,
            left_out=[voice.id for voice in rest],
        )

    def delete(self, number: int) -> int:
        """Delete the group of clip ``number``; how many clips.

        Raises
        ------
        SpkidError
            If there is no such clip (any more).
        """
        voices = self.speaker(number).voices
        return self._voices.delete(self._household, [voice.id for voice in voices])


def alike(voices: Sequence[UnknownVoice], calibration: Calibration) -> list[list[UnknownVoice]]:
    """Groups of voices: each joins the group that it fits best, or begins one.

    A voice fits a group where it would be taken for the speaker of a profile of the group's
    clips, at a false-accept rate of ``SAME_VOICE_RATE``.
    """
    groups: list[list[UnknownVoice]] = []
    for voice in voices:
        best, best_llr = None, -np.inf
        for group in groups:
            profile = [profile_vector([own.vector for own in group])]
            n_clips = len(group)
            llrs, _ = pair_llrs(voice.vector, profile, [n_clips], calibration, voice.speech_s)
            threshold = calibration.pair_threshold(
                SAME_VOICE_RATE, n_clips=n_clips, speech_s=voice.speech_s
            )
            if llrs[0] >= threshold and llrs[0] > best_llr:
                best, best_llr = group, float(llrs[0])
        if best is None:
            groups.append([voice])
        else:
            best.append(voice)
    return groups
