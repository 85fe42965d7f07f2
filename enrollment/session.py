"""Enrollment that finishes: clips come in, from files or live, and it says what is still needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from enrollment.both_models import second_vectors
from enrollment.company import voices_in
from enrollment.matching import unlike_others
from enrollment.names import new_name
from enrollment.profile import (
    ENROLL_SPEECH_S,
    WANTED_CLIPS,
    WANTED_SPEECH_S,
    AgeGroup,
    ClipVerdict,
    Consent,
    Enrollment,
    Exemplar,
    find_named,
    percent_done,
)
from enrollment.refusals import SameVoice, changed_clip, no_consent, no_member, other_model
from enrollment.same_voice import is_same_recording, sounds_like
from enrollment.store.store import Store
from enrollment.store.vault import Vault, to_flac
from enrollment.together import Spoken, alike, joined, spoken_part
from spkid.audio.ears import Span
from spkid.audio.reading import Waveform, load_audio, loaded, without_offset
from spkid.audio.sources import Source, opened
from spkid.audio.speech import Quality
from spkid.encoder.base import Vector
from spkid.encoder.hearing import Heard, digest_of, judged
from spkid.errors import BadAudio
from spkid.scoring.model import Model

REVIEWABLE = ("several_voices", "unlike_others", "too_noisy", "clipped")  # a person may know better


@dataclass
class _Candidate:
    """A clip of the session; ``is_known`` where it is enrolled already, or was given before.

    ``owner`` is the other member who is enrolled with it; ``source`` is a file to read again, or
    else the samples. ``second`` is the vector of a quick model. ``spoken`` is there where the clip
    is too short by itself, ``whole`` is what it became a part of.
    """

    source: Source = field(repr=False)
    name: str
    quality: Quality
    digest: str
    vector: Vector | None = field(repr=False)
    second: Vector | None = field(repr=False)
    is_known: bool
    owner: str | None
    is_reviewed: bool = False
    other_voices: tuple[Span, ...] = ()
    spoken: Spoken | None = field(default=None, repr=False)
    whole: _Candidate | None = field(default=None, repr=False)

    @property
    def judged(self) -> _Candidate:
        """What the verdict is about: the clip, or what it became a part of."""
        return self.whole or self

    def waveform(self) -> Waveform:
        """The samples that were judged; another reading may find other ones."""
        waveform = load_audio(self.source)
        if digest_of(waveform) != self.digest:
            raise changed_clip(self.name)
        return waveform


class EnrollmentSession:
    """One person's enrollment. Nothing is written before :meth:`save`.

    Parameters
    ----------
    store : Store
        Where the profile will be kept.
    household, member : str
        New or known names.
    model : Model
        Hears the clips, and says whether they are of one voice; its quick one only embeds them.
    consent : Consent or None
        What the person agreed to; a member who is enrolled has agreed already.
    device : str
        Label of the microphone, such as "kitchen".
    vault : Vault or None
        Where given, clips are kept, sealed: the consent then covers that too.
    origin : str
        ``confirmed`` for clips whose speaker was named after they were identified; only an
        enrolled member can have those.
    age_group : str or None
        "child", or empty for anybody else; None leaves it as it was.

    Raises
    ------
    SpkidError
        Without consent or a calibration, if the profile comes from another model, or if a
        member who is not enrolled is given confirmed clips.
    """

    def __init__(
        self,
        store: Store,
        household: str,
        member: str,
        *,
        model: Model,
        consent: Consent | None,
        device: str = "",
        vault: Vault | None = None,
        origin: Literal["enrolled", "confirmed"] = "enrolled",
        age_group: AgeGroup | None = None,
    ) -> None:
        self.store, self.model = store, model
        self._calibration = model.to_decide()
        self._consent, self._device, self._vault = consent, device, vault
        self._origin: Literal["enrolled", "confirmed"] = origin
        self._age_group = age_group
        everybody = store.members(household)
        self._known = find_named(everybody, member)
        self.household = everybody[0].household if everybody else new_name(household)
        self.member = self._known.name if self._known else new_name(member)
        if self._known is None and origin == "confirmed":
            raise no_member(member, household, [who.name for who in everybody])
        if self._known is None and consent is None:
            raise no_consent()
        if self._known is not None and self._known.model != model.fingerprint:
            raise other_model(self.member, self._known.model, model.fingerprint)
        self._others = [who for who in everybody if who is not self._known]
        self._clips: list[_Candidate] = []

    @property
    def is_enrolled(self) -> bool:
        """Whether the member was enrolled before; ``member`` is the name as it is kept."""
        return self._known is not None

    def add(self, source: Source) -> ClipVerdict:
        """Judge one more clip; the verdict on earlier ones may change with it.

        A clip that is enrolled already, or was given before, is ``same_clip``, at another level
        too; the others stand. Clips that are too short one by one and sound alike are heard
        together as soon as they hold two seconds of speech. ``sounds_like`` names whom else the
        clips may be of.

        Raises
        ------
        BadAudio
            If it cannot be read. The session is as before then.
        """
        with opened(source) as sound:
            waveform = loaded(sound)
        again = source if sound.is_lasting else waveform
        clip = self._judged(waveform, again, sound.name)
        self._clips.append(clip)
        if clip.quality.verdict == "too_short" and not clip.is_known:
            clip.spoken = spoken_part(waveform, self.model.encoder)
            self._hear_together()
        return self.verdicts[-1]

    def _judged(self, waveform: Waveform, source: Source, name: str) -> _Candidate:
        sound = judged(waveform, name, min_speech_s=ENROLL_SPEECH_S)
        clip = sound.by(self.model.encoder)
        vector = clip.vector if isinstance(clip, Heard) else None
        second = None if vector is None else self._second(sound.plain)
        is_known, owner = self._known_clip(clip.digest, vector)
        candidate = _Candidate(
            source, name, clip.quality, clip.digest, vector, second, is_known=is_known, owner=owner
        )
        if isinstance(clip, Heard):
            candidate.other_voices = voices_in(clip.company, self._calibration).others
        return candidate

    def _second(self, plain: Waveform) -> Vector | None:
        """What the quick model makes of samples without an offset, where there is one."""
        return self.model.quick.model.encoder.embed(plain) if self.model.quick else None

    def _hear_together(self) -> None:
        """Make one of the short clips that sound alike, where they hold enough speech."""
        waiting = [clip for clip in self._clips if clip.spoken is not None and clip.whole is None]
        spoken = [clip.spoken for clip in waiting if clip.spoken is not None]
        places = alike(spoken, self._calibration)
        if sum(spoken[place].speech_s for place in places) < ENROLL_SPEECH_S:
            return
        waveform = joined([spoken[place] for place in places])
        whole = self._judged(waveform, waveform, " + ".join(waiting[p].name for p in places))
        if whole.quality.verdict == "too_short":  # by the measure that counts; more may come
            return
        for place in places:
            waiting[place].whole = whole

    def _known_clip(self, digest: str, vector: Vector | None) -> tuple[bool, str | None]:
        """Whether the clip is there already, and whose it is where it is another member's."""
        given = [clip.vector for clip in self._wholes if clip.vector is not None]
        if digest in {clip.digest for clip in [*self._clips, *self._wholes]}:
            return True, None
        for who in [*self._others, *([self._known] if self._known else [])]:
            own = [clip.vector for clip in who.exemplars if who.model == self.model.fingerprint]
            is_same = vector is not None and is_same_recording(vector, own)
            if is_same or digest in {clip.digest for clip in who.exemplars}:
                return True, None if who is self._known else who.name
        return vector is not None and is_same_recording(vector, given), None

    @property
    def _wholes(self) -> list[_Candidate]:
        """What is judged, each once: clips, and those that are heard together."""
        return list({id(clip.judged): clip.judged for clip in self._clips}.values())

    @property
    def sounds_like(self) -> str | None:
        """The other member of the household whom the accepted clips sound like."""
        verdicts = self.verdicts
        return next((each.sounds_like for each in verdicts if each.accepted), None)

    def accept(self, number: int) -> ClipVerdict:
        """A person reviewed clip ``number`` (from 0) and takes it all the same.

        Raises
        ------
        BadAudio
            If it holds too little speech or is enrolled already: nobody can know better there.
        """
        clip, reason = self._clips[number].judged, self.verdicts[number].reason
        if reason not in (*REVIEWABLE, "ok"):
            raise BadAudio(
                f"{clip.name}: {reason.replace('_', ' ')}",
                expected=f"a new clip with {ENROLL_SPEECH_S:.0f} s of speech or more",
                do="record again",
                code=reason,
            )
        if clip.vector is None:
            plain = without_offset(clip.waveform())
            clip.vector, clip.second = self.model.encoder.embed(plain), self._second(plain)
        clip.is_reviewed = True
        return self.verdicts[number]

    def accept_all(self) -> None:
        """As :meth:`accept`, for every clip that does not sound like the others."""
        for number, verdict in enumerate(self.verdicts):
            if verdict.reason == "unlike_others":
                self.accept(number)

    @property
    def verdicts(self) -> tuple[ClipVerdict, ...]:
        """A verdict for each clip, with its reason code."""
        usable = [clip for clip in self._wholes if clip.vector is not None and not clip.is_known]
        gated = [clip for clip in usable if not clip.is_reviewed and not clip.other_voices]
        known = [clip.vector for clip in usable if clip.is_reviewed and clip.vector is not None]
        known += [clip.vector for clip in self._known.exemplars] if self._known else []
        outliers = unlike_others(
            [clip.vector for clip in gated if clip.vector is not None],
            known,
            self._calibration,
            speech_s=[clip.quality.speech_s for clip in gated],
        )
        strangers = {clip.digest for clip, out in zip(gated, outliers, strict=True) if out}
        accepted = [clip for clip in usable if _reason(clip, strangers) == "ok"]
        other = sounds_like(
            [clip.vector for clip in accepted if clip.vector is not None],
            [clip.quality.speech_s for clip in accepted],
            self._known,
            [who for who in self._others if who.model == self.model.fingerprint],
            self._calibration,
        )
        name = other.name if other else None
        return tuple(_verdict(clip, _reason(clip.judged, strangers), name) for clip in self._clips)

    def _accepted(self) -> list[_Candidate]:
        """What is to be stored."""
        pairs = zip(self._clips, self.verdicts, strict=True)
        found = [clip.judged for clip, verdict in pairs if verdict.accepted]
        return list({id(clip): clip for clip in found}.values())

    @property
    def speech_s(self) -> float:
        """Seconds of speech, enrolled before and accepted now."""
        before = self._known.speech_s if self._known else 0.0
        return before + sum(clip.quality.speech_s for clip in self._accepted())

    @property
    def n_clips(self) -> int:
        """Clips enrolled before and accepted now; those that are heard together are one."""
        before = len(self._known.exemplars) if self._known else 0
        return before + len(self._accepted())

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

    def save(self, *, another_person: bool = False) -> Enrollment:
        """Write what is accepted, in one transaction, consent first; ends the session.

        Parameters
        ----------
        another_person : bool
            That somebody knows them to be another person than the one they sound like.

        Raises
        ------
        SameVoice
            If the clips sound like another member.
        SpkidError
            If a clip that is to be kept has changed since it was judged, or as
            :meth:`enrollment.store.store.Store.add`. Nothing is stored in either case.
        """
        verdicts, exemplars, recordings, seconds = self.verdicts, [], {}, {}
        for clip in self._accepted():
            if clip.vector is None:
                continue
            exemplars.append(
                Exemplar(
                    clip.vector,
                    clip.digest,
                    clip.quality.speech_s,
                    clip.quality.snr_db,
                    is_narrowband=clip.quality.is_narrowband,
                    device=self._device,
                    origin=self._origin,
                )
            )
            if clip.second is not None:
                seconds[clip.digest] = clip.second
            if self._vault is not None:
                recordings[clip.digest] = to_flac(clip.waveform())
        if not exemplars:
            return Enrollment(verdicts, self._known)
        other = self.sounds_like
        if other is not None and not another_person:
            raise SameVoice(self.member, other)
        stored = self.store.add(
            self.household,
            self.member,
            exemplars,
            model=self.model.fingerprint,
            consent=self._consent,
            seconds=second_vectors(self.model, seconds),
            recordings=recordings,
            vault=self._vault,
            age_group=self._age_group,
        )
        return Enrollment(verdicts, stored)


def _reason(clip: _Candidate, strangers: set[str]) -> str:
    if clip.is_known:
        return "same_clip"
    if clip.is_reviewed:
        return "ok"
    if clip.other_voices:
        return "several_voices"
    return "unlike_others" if clip.digest in strangers else clip.quality.verdict


def _verdict(clip: _Candidate, reason: str, sounds_like: str | None) -> ClipVerdict:
    accepted = reason == "ok"
    other = sounds_like if accepted else clip.judged.owner
    seconds = clip.quality.speech_s
    others = () if clip.whole else clip.other_voices  # its seconds would be of the whole
    return ClipVerdict(clip.name, accepted, reason, seconds, other, others)
