"""What a store and a household refuse, each as one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from spkid.errors import BadAudio, ConsentError, ModelMismatch, NotFound, SpkidError, StoreError
from spkid.scoring.calibration import bundled


def no_household(name: str, known: Sequence[str]) -> NotFound:
    """No such household; ``known`` are those that are there."""
    return NotFound(
        f"unknown household {name!r}",
        expected=f"one of: {', '.join(known) or 'none yet'}",
        do="correct household= or enroll somebody",
        code="unknown_household",
    )


def no_member(name: str, household: str, known: Sequence[str]) -> NotFound:
    """No such member; ``known`` are those that are there."""
    return NotFound(
        f"unknown member {name!r} of {household!r}",
        expected=f"one of: {', '.join(known) or 'nobody yet'}",
        do="correct member= or enroll this person",
        code="unknown_member",
    )


def no_clip(exemplar_id: int, member: str) -> NotFound:
    """No enrolled clip of this number."""
    return NotFound(
        f"no clip {exemplar_id} of {member!r}",
        expected="the number of an enrolled clip",
        do="see 'spkid profiles --clips'",
        code="unknown_clip",
    )


def already_gone(missing: NotFound, at: str, *, is_scrubbed: bool) -> NotFound:
    """What is to be deleted is ``missing``; ``at`` is when something of its kind was deleted last.

    The log has no names, so nobody can say whether it was this.
    """
    what = {
        "unknown_household": "a household of this store",
        "unknown_member": "a member of this household",
        "unknown_clip": "this clip",
    }[missing.code]
    rest = "nothing is left to do" if is_scrubbed else "the log is emptied when nobody reads it"
    return NotFound(
        missing.got,
        expected=missing.expected,
        do=f"correct it; or, if it was deleted already, {rest}: {what} was last deleted {at}",
        code=missing.code,
    )


def no_voice(household: str) -> NotFound:
    """No unknown voice of that number is kept."""
    return NotFound(
        f"no such unknown voice in {household!r}",
        expected="a voice that was heard and has not expired",
        do="see 'spkid inbox list'",
        code="unknown_voice",
    )


def no_decision(number: int, household: str) -> NotFound:
    """No answer of that number is written down."""
    return NotFound(
        f"no answer {number} of {household!r}",
        expected="the number of an answer that is written down and has not expired",
        do="see 'spkid decisions list'",
        code="unknown_decision",
    )


def no_consent() -> ConsentError:
    """Nobody agreed that a description of the voice is kept."""
    return ConsentError(
        "no consent",
        expected="the person's agreement to keep a description of the voice",
        do="ask, then pass consent=True",
        code="no_consent",
    )


def no_audio_consent() -> ConsentError:
    """Nobody agreed that the clips are kept."""
    return ConsentError(
        "no consent to keep the clips",
        expected="the person's agreement that audio is kept, encrypted",
        do="ask, then pass consent=True with vault=, or leave vault= out",
        code="no_consent",
    )


def changed_meanwhile(member: str) -> StoreError:
    """Another program changed the profile between reading and writing."""
    return StoreError(
        f"a profile of {member!r} that was changed meanwhile",
        expected="the clips that were read a moment ago",
        do="try again",
        code="changed_meanwhile",
    )


def already_enrolled(member: str) -> StoreError:
    """The clip is part of a profile of this household."""
    return StoreError(
        f"a clip that {member!r} is enrolled with already",
        expected="new clips",
        do="leave it out",
        code="same_clip",
    )


class SameVoice(SpkidError):
    """Clips of ``member`` who ``sounds_like`` somebody enrolled under that other name."""

    def __init__(self, member: str, sounds_like: str) -> None:
        super().__init__(
            f"clips of {member!r} that sound like {sounds_like!r}",
            expected="a voice that is not enrolled under another name",
            do=f"add them to {sounds_like!r}, or pass another_person=True if these are two people",
            code="same_voice",
        )
        self.member, self.sounds_like = member, sounds_like

    def __reduce__(self) -> tuple[object, ...]:
        """Whole through a process pool."""
        return SameVoice, (self.member, self.sounds_like)


def name_taken(name: str) -> SpkidError:
    """Somebody there has that name, or one that looks like it."""
    return SpkidError(
        f"the name {name!r}, which is taken there",
        expected="a name of nobody else in the household",
        do="choose another name, or merge the two profiles with 'spkid merge'",
        code="name_taken",
    )


def one_profile(name: str) -> SpkidError:
    """One profile was given twice, or is where it was to go."""
    return SpkidError(
        f"one profile, {name!r}, and nothing to do",
        expected="two different profiles, or another household",
        do="see 'spkid profiles' who is where",
        code="same_profile",
    )


def needs_key() -> StoreError:
    """Kept clips have to be sealed for another member."""
    return StoreError(
        "kept clips, which are sealed for one member",
        expected="the key, to seal them for the other",
        do="pass vault=",
        code="bad_key",
    )


def other_model(member: str, enrolled_with: str, model: str) -> ModelMismatch:
    """The profile was made with another model; if that is bundled too, it can go on."""
    again = "forget the member and enroll again: vectors of two models cannot be compared"
    known, in_use = bundled(enrolled_with), bundled(model)
    return ModelMismatch(
        f"a profile of {member!r} made with model {known[0] if known else enrolled_with}",
        expected=f"one of the model in use, {in_use[0] if in_use else model}",
        do=f"give model={known[0]!r}; or {again}" if known else again,
        code="other_model",
    )


def profile_full(member: str, n_enrolled: int, n_more: int, n_at_most: int) -> StoreError:
    """More clips than a profile holds."""
    return StoreError(
        f"{n_enrolled} clips of {member!r} enrolled and {n_more} more given",
        expected=f"at most {n_at_most} in all",
        do="give fewer clips, or forget some first",
        code="profile_full",
    )


def not_unit() -> SpkidError:
    """A vector that no encoder gives."""
    return SpkidError(
        "a speaker vector that is not finite or not of unit length",
        expected="a vector that the encoder gave",
        do="embed the clip again; where it came from a store, forget the member and enroll again",
        code="not_unit",
    )


def not_finite() -> SpkidError:
    """A score on which nothing can be decided."""
    return SpkidError(
        "a score that is NaN or infinite",
        expected="a finite score",
        do="check the calibration and the store: nobody is named on such a score",
        code="not_finite",
    )


def changed_clip(name: str) -> BadAudio:
    """A clip whose samples are not those that were judged."""
    return BadAudio(
        f"{name}: other samples than were judged",
        expected="the clip as it was heard",
        do="add it again",
        code="changed_meanwhile",
    )
