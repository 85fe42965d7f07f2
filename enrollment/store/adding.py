"""Clips that become part of a profile, inside a transaction that the caller holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, update

from enrollment.profile import MAX_EXEMPLARS, AgeGroup, Consent, Exemplar, SecondVectors
from enrollment.refusals import already_enrolled, profile_full
from enrollment.store.decisions import tell_by_clip
from enrollment.store.records import (
    clip_owners,
    ensure_member,
    insert_exemplar,
    keep_audio,
    record_consent,
)
from enrollment.store.schema import members
from enrollment.store.seconds import keep_second
from enrollment.store.vault import Vault
from spkid.errors import SpkidError

NO_RECORDINGS: Mapping[str, bytes] = MappingProxyType({})


def add_clips(
    connection: Connection,
    household: str,
    member: str,
    exemplars: Sequence[Exemplar],
    *,
    model: str,
    consent: Consent | None,
    seconds: SecondVectors | None = None,
    recordings: Mapping[str, bytes] = NO_RECORDINGS,
    vault: Vault | None = None,
    age_group: AgeGroup | None = None,
) -> int:
    """The member's id; all else is as in :meth:`enrollment.Store.add`."""
    if not exemplars:
        raise SpkidError("no clips", expected="one clip or more", do="give some")
    household_id, member_id = ensure_member(connection, household, member, model, consent)
    if consent is not None and consent.audio_text:
        record_consent(connection, member_id, "audio", consent.audio_text, consent)
    if age_group is not None:
        row = update(members).where(members.c.id == member_id)
        connection.execute(row.values(age_group=age_group))
    owners = clip_owners(connection, household_id)
    n_enrolled = sum(owner == member_id for owner, _ in owners.values())
    if n_enrolled + len(exemplars) > MAX_EXEMPLARS:
        raise profile_full(member, n_enrolled, len(exemplars), MAX_EXEMPLARS)
    for exemplar in exemplars:
        if exemplar.digest in owners:
            raise already_enrolled(owners[exemplar.digest][1])
        owners[exemplar.digest] = member_id, member
        exemplar_id = insert_exemplar(connection, household_id, member_id, exemplar)
        keep_second(connection, exemplar_id, exemplar, seconds)
        if vault is not None and exemplar.digest in recordings:
            recording = recordings[exemplar.digest]
            keep_audio(connection, member_id, exemplar_id, recording, vault)
    confirmed = [clip.digest for clip in exemplars if clip.origin == "confirmed"]
    tell_by_clip(connection, household_id, confirmed, member_id)
    return member_id
