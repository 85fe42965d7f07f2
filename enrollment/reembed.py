"""A store moved to another model: from kept audio where there is some, else a list of people."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from enrollment.profile import Member
from enrollment.store.store import Store
from enrollment.store.vault import Vault, from_flac
from spkid.audio.reading import without_offset
from spkid.encoder.base import Encoder, Vector
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Move:
    """What became of one member's profile.

    ``enroll_again`` where no clip could be moved: the profile stays as it was, for the old
    model. ``n_left`` clips of a moved profile had no audio and are gone.
    """

    household: str
    member: str
    outcome: Literal["moved", "enroll_again"]
    reason: str
    n_moved: int
    n_left: int


def reembed(
    store: Store,
    encoder: Encoder,
    vault: Vault | None,
    *,
    advance: Callable[[], object] = lambda: None,
) -> list[Move]:
    """Move every profile of another model to ``encoder``'s; each member is one transaction.

    Started again after a stop, it goes on with those who are left.

    Parameters
    ----------
    vault : Vault or None
        Opens the kept clips; without it nothing is moved, only listed.
    advance : callable
        Called after each member.
    """
    moves = []
    for member in store.members():
        if member.model != encoder.fingerprint:
            moves.append(_move(store, member, encoder, vault))
        advance()
    return moves


def _move(store: Store, member: Member, encoder: Encoder, vault: Vault | None) -> Move:
    if vault is None:
        return Move(member.household, member.name, "enroll_again", "no key was given", 0, 0)
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
    if not recordings:
        return Move(member.household, member.name, "enroll_again", reason, 0, 0)
    moved = [
        dataclasses.replace(clip, vector=_vector(encoder, recordings[clip.digest]))
        for clip in member.exemplars
        if clip.digest in recordings
    ]
    store.replace(member, moved, model=encoder.fingerprint, recordings=recordings, vault=vault)
    n_left = len(member.exemplars) - len(moved)
    return Move(member.household, member.name, "moved", "", len(moved), n_left)


def _vector(encoder: Encoder, recording: bytes) -> Vector:
    return encoder.embed(without_offset(from_flac(recording)))
