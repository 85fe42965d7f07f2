"""A store moved to another model: from kept audio where there is some, else a list of people."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from enrollment.profile import Member, SecondVectors
from enrollment.store.store import Store
from enrollment.store.vault import Vault, from_flac
from spkid.audio.reading import without_offset
from spkid.encoder.base import Encoder, Vector
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Move:
    """What became of one member's profile.

    ``moved`` to the model, or ``doubled``: the vectors of the quick model are new beside the
    others. ``enroll_again`` where no clip could be moved: the profile stays as it was, for the
    old model, or for the accurate one alone. ``n_left`` clips of a moved profile had no audio and
    are gone; those of a doubled one stay.
    """

    household: str
    member: str
    outcome: Literal["moved", "doubled", "enroll_again"]
    reason: str
    n_moved: int
    n_left: int


def reembed(
    store: Store,
    encoder: Encoder,
    vault: Vault | None,
    *,
    quick: Encoder | None = None,
    advance: Callable[[], object] = lambda: None,
) -> list[Move]:
    """Move every profile of another model to ``encoder``'s; each member is one transaction.

    Started again after a stop, it goes on with those who are left.

    Parameters
    ----------
    vault : Vault or None
        Opens the kept clips; without it nothing is moved, only listed.
    quick : Encoder or None
        A second model, whose vectors are to stand beside the others.
    advance : callable
        Called after each member.
    """
    moves = []
    seconds = {name: store.second_vectors(name) for name in store.households()} if quick else {}
    for member in store.members():
        own = seconds.get(member.household, {})
        if member.model != encoder.fingerprint:
            moves.append(_move(store, member, encoder, quick, vault))
        elif quick and any(
            clip.id not in own or own[clip.id][0] != quick.fingerprint for clip in member.exemplars
        ):
            moves.append(_double(store, member, quick, vault))
        advance()
    return moves


def _move(
    store: Store, member: Member, encoder: Encoder, quick: Encoder | None, vault: Vault | None
) -> Move:
    recordings, reason = _recordings(store, member, vault)
    if vault is None or not recordings:
        return Move(member.household, member.name, "enroll_again", reason, 0, 0)
    moved = [
        dataclasses.replace(clip, vector=_vector(encoder, recordings[clip.digest]))
        for clip in member.exemplars
        if clip.digest in recordings
    ]
    store.replace(
        member,
        moved,
        model=encoder.fingerprint,
        seconds=_seconds(quick, recordings) if quick else None,
        recordings=recordings,
        vault=vault,
    )
    n_left = len(member.exemplars) - len(moved)
    return Move(member.household, member.name, "moved", "", len(moved), n_left)


def _double(store: Store, member: Member, quick: Encoder, vault: Vault | None) -> Move:
    recordings, reason = _recordings(store, member, vault)
    if not recordings:
        return Move(member.household, member.name, "enroll_again", reason, 0, 0)
    store.set_seconds(member, _seconds(quick, recordings))
    n_left = len(member.exemplars) - len(recordings)
    return Move(member.household, member.name, "doubled", "", len(recordings), n_left)


def _recordings(store: Store, member: Member, vault: Vault | None) -> tuple[dict[str, bytes], str]:
    """The kept clips by their digests, and why there are none where there are none."""
    if vault is None:
        return {}, "no key was given"
    recordings: dict[str, bytes] = {}
    reason = "no audio was kept"
    for clip in member.exemplars:
        try:
            recording = store.recording(clip.id, vault)
        except SpkidError as error:
            if error.code != "bad_key":
                raise
            reason = "the key does not open the kept audio"
        else:
            if recording is not None:
                recordings[clip.digest] = recording
    return recordings, reason


def _seconds(quick: Encoder, recordings: Mapping[str, bytes]) -> SecondVectors:
    vectors = {digest: _vector(quick, recording) for digest, recording in recordings.items()}
    return SecondVectors(quick.fingerprint, vectors)


def _vector(encoder: Encoder, recording: bytes) -> Vector:
    return encoder.embed(without_offset(from_flac(recording)))
