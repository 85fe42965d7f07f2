"""Who speaks in a live stream, as it comes: answers while somebody speaks and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from enrollment.company import LEAST_OVERLAP_S, change_of_voice, voices_in
from enrollment.matching import Decision
from enrollment.profile import ENROLL_SPEECH_S
from spkid.audio.ears import FRAME_S
from spkid.audio.events import Event, Fault, Ongoing, SpeechBegan, Utterance
from spkid.audio.live import LiveSound, SoundEvent
from spkid.audio.reading import Waveform
from spkid.audio.speech import MATCH_SPEECH_S
from spkid.audio.utterances import Cutting
from spkid.encoder.company import MAYBE_NEW_VOICE
from spkid.encoder.hearing import Heard, judged

if TYPE_CHECKING:
    from enrollment.household import Household

# probability of the one who is named, or of a stranger, for an early answer: of 36 clips in homes
# of training speakers, 31 were answered early with it, all rightly, and seven with 0.99
SURE = 0.9
LOOK_AGAIN = 1.4  # times as much speech as at the last look


@dataclass(frozen=True)
class EarlyAnswer(Event):
    """Who surely speaks, while the speech that began at ``start_s`` goes on.

    It is the answer to what was heard until ``at_s``; the one at the end is of all of it.
    """

    kind: ClassVar[str] = "early_answer"
    start_s: float
    decision: Decision

    def record(self) -> dict[str, Any]:
        """The event for programs, the decision's fields beside its own."""
        return _with_decision(super().record())


@dataclass(frozen=True)
class AnotherVoice(Event):
    """Somebody else began to speak at ``at_s``, over the first voice or after it."""

    kind: ClassVar[str] = "another_voice"


@dataclass(frozen=True)
class Answer(Event):
    """Who spoke from ``start_s`` to ``at_s``: what ``identify`` says of that part of the stream.

    ``waveform`` is that part, float32 ``[samples]`` at 16 kHz, such as to confirm who it was.
    """

    kind: ClassVar[str] = "answer"
    start_s: float
    decision: Decision
    waveform: Waveform = field(repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """The event for programs, the decision's fields beside its own, without the sound."""
        return _with_decision(super().record())


# pieces with enough speech to enroll, and several of them: a profile is of several clips
ENROLLING = Cutting(least_speech_s=ENROLL_SPEECH_S, longest_s=8.0)
LiveEvent = SpeechBegan | EarlyAnswer | AnotherVoice | Answer | Fault


def _with_decision(record: dict[str, Any]) -> dict[str, Any]:
    decision: Decision = record.pop("decision")
    return record | vars(decision)


class Listener:
    """One live stream of a household. Any number of them live beside each other.

    At most half a minute of sound is held. One thread at a time.

    Parameters
    ----------
    household : Household
        Whose members may speak; who is enrolled or forgotten meanwhile counts from the next
        answer on.
    rate_hz : float
        Of the frames.
    false_accept_rate : float or None
        As in ``Household.identify``.

    Raises
    ------
    SpkidError
        As ``Household.identify``, or if no sound has that rate.
    """

    def __init__(
        self, household: Household, *, rate_hz: float, false_accept_rate: float | None = None
    ) -> None:
        self._home = household
        self._far = household.accepted_rate(household.members(), false_accept_rate)
        self._calibration = household.model.to_decide()
        self._asked = false_accept_rate
        self._calibration.household_threshold(self._far)  # refuses a rate that was not measured
        self._sound = LiveSound(rate_hz)
        self._watch = _Watch()

    def feed(self, frame: object, at_s: float | None = None) -> tuple[LiveEvent, ...]:
        """What the next frame tells; a frame that is no sound is an event, too.

        Parameters
        ----------
        frame : bytes, or an array
            The next samples of one channel, as many as there are: bytes of int16, the lower byte
            first, or an array ``[samples]`` of int16, int32 or floats with full scale at 1.
        at_s : float, optional
            Where the first of them stands in the stream, by the clock that counts the samples.
            Where it is left out, nothing is missing.

        Raises
        ------
        SpkidError
            As ``Household.identify``, such as where the household was forgotten meanwhile.
        """
        return tuple(self._told(self._sound.feed(frame, at_s)))

    def finish(self) -> tuple[LiveEvent, ...]:
        """The stream ends: the last answer."""
        return tuple(self._told(self._sound.finish()))

    def _told(self, events: Iterator[SoundEvent]) -> Iterator[LiveEvent]:
        for event in events:
            if isinstance(event, Ongoing):
                if self._watch.is_due(event):
                    yield from self._look(event)
            elif isinstance(event, Utterance):
                yield self._answer(event)
            else:
                yield event

    def _answer(self, utterance: Utterance) -> Answer:
        self._watch = _Watch()
        decision = self._home.identify(utterance.waveform, false_accept_rate=self._asked)
        return Answer(utterance.end_s, utterance.start_s, decision, utterance.waveform)

    def _look(self, ongoing: Ongoing) -> Iterator[LiveEvent]:
        """Is it sure who speaks, and does somebody else speak by now?"""
        sound = judged(ongoing.waveform, "stream", min_speech_s=MATCH_SPEECH_S)
        decision, clip = self._home.decide(sound, false_accept_rate=self._far)
        if not isinstance(clip, Heard):
            return
        change_s = change_of_voice(clip.company, self._calibration)
        if change_s is not None:
            yield AnotherVoice(ongoing.start_s + change_s)
            yield self._answer(self._sound.split(round(change_s / FRAME_S)))
            return
        others = voices_in(clip.company, self._calibration).others
        if others and not self._watch.has_told_others:
            self._watch.has_told_others = True
            yield AnotherVoice(ongoing.start_s + others[0].start_s)
        if self._watch.is_sure:
            return
        likelier = decision.p_member if decision.is_known else decision.p_stranger
        if decision.status in ("known", "unknown") and (likelier or 0.0) >= SURE:
            self._watch.is_sure = True
            at_s = ongoing.start_s + clip.quality.duration_s
            yield EarlyAnswer(at_s, ongoing.start_s, decision)


class _Watch:
    """When to look at the speech that goes on: looking costs as much as an answer."""

    def __init__(self) -> None:
        self.is_sure = self.has_told_others = False
        self._next_s = MATCH_SPEECH_S
        self._n_seen = 0  # frames in which no new voice is looked for any more
        self._has_heard_several = False

    def is_due(self, ongoing: Ongoing) -> bool:
        """For an early answer, or because several speak, or somebody spoke for long enough."""
        is_due = self._is_new_voice(ongoing) | self._is_several(ongoing)
        if not self.is_sure and ongoing.speech_s >= self._next_s:
            self._next_s = LOOK_AGAIN * ongoing.speech_s
            is_due = True
        return is_due

    def _is_new_voice(self, ongoing: Ongoing) -> bool:
        """Whether a change of voice may be judged that was not before."""
        frames = ongoing.frames
        is_alone = frames.is_speech & ~frames.is_several
        n_later = np.cumsum(is_alone[::-1])[::-1]
        cuts = frames.new_voices(MAYBE_NEW_VOICE)
        ripe = cuts[(cuts >= self._n_seen) & (n_later[cuts] * FRAME_S >= MATCH_SPEECH_S)]
        if not len(ripe):
            return False
        self._n_seen = int(ripe[-1]) + 1
        return True

    def _is_several(self, ongoing: Ongoing) -> bool:
        n_several = int(ongoing.frames.is_several.sum())
        is_new = not self._has_heard_several and n_several * FRAME_S >= LEAST_OVERLAP_S
        self._has_heard_several |= is_new
        return is_new
