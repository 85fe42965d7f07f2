"""What a store refuses, each as one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from spkid.errors import SpkidError


def no_household(name: str, known: Sequence[str]) -> SpkidError:
    return SpkidError(
        f"unknown household {name!r}",
        expected=f"one of: {', '.join(known) or 'none yet'}",
        do="correct --household or enrol somebody",
        code="unknown_household",
    )


def no_member(name: str, household: str) -> SpkidError:
    return SpkidError(
        f"unknown member {name!r}",
        expected=f"a member of {household!r}",
        do="see 'spkid profiles'",
        code="unknown_member",
    )


def no_clip(exemplar_id: int, member: str) -> SpkidError:
    return SpkidError(
        f"no clip {exemplar_id} of {member!r}",
        expected="the number of an enrolled clip",
        do="see 'spkid profiles --clips'",
        code="unknown_clip",
    )


def no_consent() -> SpkidError:
    return SpkidError(
        "no consent",
        expected="the person's agreement to keep a description of the voice",
        do="ask, then pass --consent",
        code="no_consent",
    )


def no_audio_consent() -> SpkidError:
    return SpkidError(
        "no consent to keep the clips",
        expected="the person's agreement that audio is kept, encrypted",
        do="ask, then pass --consent with --keep-audio, or leave out --keep-audio",
        code="no_consent",
    )


def changed_meanwhile(member: str) -> SpkidError:
    return SpkidError(
        f"a profile of {member!r} that was changed meanwhile",
        expected="the clips that were read a moment ago",
        do="try again",
        code="changed_meanwhile",
    )


def already_enrolled(member: str) -> SpkidError:
    return SpkidError(
        f"a clip that {member!r} is enrolled with already",
        expected="new clips",
        do="leave it out",
        code="same_clip",
    )


def other_model(member: str, enrolled_with: str, model: str) -> SpkidError:
    return SpkidError(
        f"a profile of {member!r} made with model {enrolled_with}",
        expected=f"one of the model in use, {model}",
        do="forget the member and enrol again: vectors of two models cannot be compared",
        code="other_model",
    )


def profile_full(member: str, n_enrolled: int, n_more: int, n_at_most: int) -> SpkidError:
    return SpkidError(
        f"{n_enrolled} clips of {member!r} enrolled and {n_more} more given",
        expected=f"at most {n_at_most} in all",
        do="give fewer clips, or forget some first",
        code="profile_full",
    )


def not_unit() -> SpkidError:
    return SpkidError(
        "a vector that is not of unit length",
        expected="a vector that the encoder gave",
        do="embed the clip again",
    )
