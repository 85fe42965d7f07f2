"""Unknown voices that a household agreed to keep for a while: vectors, never clips, never names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, exists, insert, select

from enrollment.profile import Consent, Exemplar, Member, check_unit
from enrollment.refusals import no_voice
from enrollment.store.adding import add_clips
from enrollment.store.records import (
    VECTOR_TYPE,
    find_household,
    household_named,
    read_member,
    vectors_of,
)
from enrollment.store.schema import inboxes, unknown_voices
from enrollment.store.terms import KeptForAWhile, delete_kept, kept_from, today

MAX_VOICES = 200  # of one household; the oldest go first


@dataclass(frozen=True)
class UnknownVoice:
    """A clip that nobody of the household spoke: its unit vector and what is known of it.

    ``heard_at``, ``expires_on`` (the last day on which it is kept) and ``id`` are the store's.
    """

    vector: NDArray[np.float32] = field(repr=False)
    model: str
    digest: str
    speech_s: float
    snr_db: float | None
    heard_at: str = ""
    expires_on: str = ""
    id: int = 0
    is_narrowband: bool = False

    def __post_init__(self) -> None:
        check_unit(self.vector)


class UnknownVoices(KeptForAWhile):
    """The inboxes of a store's households."""

    agreements, kept, word = inboxes, unknown_voices, "inbox"

    def add(self, household: str, voice: UnknownVoice) -> bool:
        """Keep a voice where the household agreed to that; whether it is there now.

        The same clip counts once; of too many, the oldest go.
        """

        def work(connection: Connection) -> bool:
            home = find_household(connection, household)
            terms = self._terms(connection, home)
            if home is None or terms is None:
                return False
            own = self._of(home.id)
            same = select(exists().where(own, unknown_voices.c.digest == voice.digest))
            if connection.execute(same).scalar_one():
                return True
            ids = select(unknown_voices.c.id).where(own).order_by(unknown_voices.c.id.desc())
            too_many = connection.execute(ids.offset(MAX_VOICES - 1)).scalars().all()
            if too_many:
                delete_kept(connection, unknown_voices, unknown_voices.c.id.in_(too_many))
            connection.execute(
                insert(unknown_voices).values(
                    household_id=home.id,
                    model=voice.model,
                    vector=np.asarray(voice.vector, dtype=VECTOR_TYPE).tobytes(),
                    digest=voice.digest,
                    speech_s=voice.speech_s,
                    snr_db=voice.snr_db,
                    is_narrowband=int(voice.is_narrowband),
                    **kept_from(voice.heard_at, terms),
                )
            )
            return True

        return self._database.write(work)

    def voices(self, household: str) -> list[UnknownVoice]:
        """What is kept and not expired, in the order of time."""

        def work(connection: Connection) -> list[UnknownVoice]:
            home = find_household(connection, household)
            return [] if home is None else _voices(connection, home.id)

        return self._database.read(work)

    def delete(self, household: str, ids: Sequence[int]) -> int:
        """Delete voices by their ids; how many were there.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> int:
            home = household_named(connection, household)
            own = self._of(home.id)
            return delete_kept(connection, unknown_voices, own & unknown_voices.c.id.in_(ids))

        return self._deleted(work)

    def name(
        self,
        household: str,
        ids: Sequence[int],
        member: str,
        *,
        model: str,
        consent: Consent | None,
        left_out: Sequence[int] = (),
    ) -> Member:
        """Make these voices clips of a member, in one transaction; they leave the inbox.

        So do those that are ``left_out``.

        Raises
        ------
        SpkidError
            If one of them is not there any more, or as :meth:`enrollment.Store.add`.
        """

        def work(connection: Connection) -> Member:
            home = household_named(connection, household)
            chosen = [voice for voice in _voices(connection, home.id) if voice.id in ids]
            if not ids or len(chosen) != len(set(ids)):
                raise no_voice(household)
            exemplars = [
                Exemplar(
                    voice.vector,
                    voice.digest,
                    voice.speech_s,
                    voice.snr_db,
                    is_narrowband=voice.is_narrowband,
                    origin="confirmed",
                    added_at=voice.heard_at,
                )
                for voice in chosen
            ]
            own = self._of(home.id)
            delete_kept(
                connection, unknown_voices, own & unknown_voices.c.id.in_([*ids, *left_out])
            )
            member_id = add_clips(
                connection, household, member, exemplars, model=model, consent=consent
            )
            return read_member(connection, member_id)

        return self._deleted(work)


def _voices(connection: Connection, household_id: int) -> list[UnknownVoice]:
    query = select(unknown_voices).where(
        unknown_voices.c.household_id == household_id, unknown_voices.c.expires_on >= today()
    )
    return [
        UnknownVoice(
            vectors_of([row.id], [row.vector])[0],
            row.model,
            row.digest,
            row.speech_s,
            row.snr_db,
            row.heard_at,
            row.expires_on,
            row.id,
            bool(row.is_narrowband),
        )
        for row in connection.execute(query.order_by(unknown_voices.c.id)).all()
    ]
