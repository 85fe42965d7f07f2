"""Enrolment that finishes: clips come in, from files or live, and it says what is still needed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np

from enrollment.matching import unlike_others
from enrollment.profile import (
    ENROL_SPEECH_S,
    WANTED_CLIPS,
    WANTED_SPEECH_S,
    ClipVerdict,
    Consent,
    Enrolment,
    Exemplar,
    percent_done,
)
from enrollment.refusals import already_enrolled, no_consent, no_member, other_model
from enrollment.store.vault import Vault, to_flac
from spkid.audio.reading import Waveform, as_waveform, load_audio
from spkid.encoder.hearing import Clip, Source, hear
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.household import Household

REVIEWABLE = ("unlike_others", "too_noisy", "clipped")  # a person may know better


class EnrolmentSession:
    """One person's enrolment. Nothing is written before :meth:`store`.

    Parameters
    ----------
    household : Household
        Whose member it will be.
    member : str
        New or known name.
    consent : Consent or None
        What the person agreed to; a member who is enrolled has agreed already.
    device : str
        Label of the microphone, such as "kitchen".
    vault : Vault or None
        Where given, clips are kept, sealed: the consent then covers that too.
    origin : str
        ``confirmed`` for clips whose speaker was named after they were identified; only an
        enrolled member can have those.

    Raises
    ------
    SpkidError
        Without consent, if the profile comes from another model, or if a member who is not
        enrolled is given confirmed clips.
    """

    def __init__(
        self,
        household: Household,
        member: str,
        *,
        consent: Consent | None,
        device: str = "",
        vault: Vault | None = None,
        origin: Literal["enrolled", "confirmed"] = "enrolled",
    ) -> None:
        self.household, self.member = household, member
        self._consent, self._device, self._vault, self._origin = consent, device, vault, origin
        everybody = household.store.members(household.name)
        self._known = next((who for who in everybody if who.name == member), None)
        if self._known is None and origin == "confirmed":
            raise no_member(member, household.name)
        if self._known is None and consent is None:
            raise no_consent()
        if self._known is not None and self._known.model != household.encoder.fingerprint:
            raise other_model(member, self._known.model, household.encoder.fingerprint)
        self._owners = {clip.digest: who.name for who in everybody for clip in who.exemplars}
        self._clips: list[Clip] = []
        self._sources: list[Source] = []
        self._accepted_by_person: set[str] = set()

    def hear(self, source: Source) -> ClipVerdict:
        """Judge one more clip; the verdict on earlier ones may change with it.

        Raises
        ------
        SpkidError
            If it cannot be read or is enrolled already. The session is as before then.
        """
        clip = hear(source, self.household.encoder, min_speech_s=ENROL_SPEECH_S)
        if clip.digest in self._owners:
            raise already_enrolled(self._owners[clip.digest])
        self._owners[clip.digest] = self.member
        self._clips.append(clip)
        self._sources.append(source)
        return self.verdicts[-1]

    def accept(self, number: int) -> ClipVerdict:
        """A person reviewed clip ``number`` (from 0) and takes it all the same.

        Raises
        ------
        SpkidError
            If it holds too little speech: nobody can know better there.
        """
        clip, reason = self._clips[number], self.verdicts[number].reason
        if reason not in (*REVIEWABLE, "ok"):
            raise SpkidError(
                f"{clip.name}: {reason.replace('_', ' ')}",
                expected=f"a clip with {ENROL_SPEECH_S:.0f} s of speech or more",
                do="record again",
                code=reason,
            )
        if clip.vector is None:
            vector = self.household.encoder.embed(self._waveform(number))
            self._clips[number] = dataclasses.replace(clip, vector=vector)
        self._accepted_by_person.add(clip.digest)
        return self.verdicts[number]

    def accept_all(self) -> None:
        """As :meth:`accept`, for every clip that does not sound like the others."""
        for number, verdict in enumerate(self.verdicts):
            if verdict.reason == "unlike_others":
                self.accept(number)

    @property
    def verdicts(self) -> tuple[ClipVerdict, ...]:
        """A verdict for each clip, with its reason code."""
        sure = self._accepted_by_person
        gated = [
            clip for clip in self._clips if clip.vector is not None and clip.digest not in sure
        ]
        known = [clip.vector for clip in self._clips if clip.digest in sure]
        known += [clip.vector for clip in self._known.exemplars] if self._known else []
        outliers = unlike_others(
            [clip.vector for clip in gated],
            known,
            self.household.calibration,
            speech_s=[clip.quality.speech_s for clip in gated],
        )
        strangers = {clip.digest for clip, out in zip(gated, outliers, strict=True) if out}
        return tuple(self._verdict(clip, strangers) for clip in self._clips)

    def _verdict(self, clip: Clip, strangers: set[str]) -> ClipVerdict:
        reason: str = clip.quality.verdict
        if clip.digest in self._accepted_by_person:
            reason = "ok"
        elif clip.digest in strangers:
            reason = "unlike_others"
        return ClipVerdict(clip.name, reason == "ok", reason, clip.quality.speech_s)

    @property
    def speech_s(self) -> float:
        """Seconds of speech, enrolled before and accepted now."""
        before = self._known.speech_s if self._known else 0.0
        return before + sum(verdict.speech_s for verdict in self.verdicts if verdict.accepted)

    @property
    def n_clips(self) -> int:
        """Clips enrolled before and accepted now."""
        before = len(self._known.exemplars) if self._known else 0
        return before + sum(verdict.accepted for verdict in self.verdicts)

    @property
    def percent(self) -> int:
        """How complete the profile is: 20 s of speech over three clips are 100."""
        return percent_done(self.speech_s, self.n_clips)

    @property
    def speech_needed_s(self) -> float:
        """Seconds of speech still wanted."""
        return max(0.0, WANTED_SPEECH_S - self.speech_s)

    @property
    def clips_needed(self) -> int:
        """Clips still wanted."""
        return max(0, WANTED_CLIPS - self.n_clips)

    def store(self) -> Enrolment:
        """Write what is accepted, in one transaction, consent first; ends the session.

        Raises
        ------
        SpkidError
            As :meth:`enrollment.store.store.Store.add`. Nothing is stored then.
        """
        verdicts, exemplars, recordings = self.verdicts, [], {}
        for number, (clip, verdict) in enumerate(zip(self._clips, verdicts, strict=True)):
            if not verdict.accepted:
                continue
            quality = clip.quality
            exemplars.append(
                Exemplar(
                    clip.vector,
                    clip.digest,
                    quality.speech_s,
                    quality.snr_db,
                    device=self._device,
                    origin=self._origin,
                )
            )
            if self._vault is not None:
                recordings[clip.digest] = to_flac(self._waveform(number))
        if not exemplars:
            return Enrolment(verdicts, self._known)
        stored = self.household.store.add(
            self.household.name,
            self.member,
            exemplars,
            model=self.household.encoder.fingerprint,
            consent=self._consent,
            recordings=recordings,
            vault=self._vault,
        )
        return Enrolment(verdicts, stored)

    def _waveform(self, number: int) -> Waveform:
        source = self._sources[number]
        return as_waveform(source) if isinstance(source, np.ndarray) else load_audio(source)
