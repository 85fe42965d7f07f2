"""What a store is asked; every answer is from one transaction that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Table, bindparam, func, select

from enrollment.profile import Change, Consent, ExemplarBatch, Member
from enrollment.store.database import Database
from enrollment.store.deletion import index_key
from enrollment.store.records import (
    changes_after,
    find_household,
    find_member,
    household_names,
    kept_clip,
    read_members,
    vectors_of,
)
from enrollment.store.schema import consents as consent_rows
from enrollment.store.schema import exemplars as exemplar_rows
from enrollment.store.schema import households as household_rows
from enrollment.store.schema import kept_audio, merged_consents, operations
from enrollment.store.schema import members as member_rows
from enrollment.store.seconds import Seconds, read_seconds
from enrollment.store.vault import KeptClip, Vault


class StoreReading:
    """The questions to an open store; :class:`enrollment.Store` adds the changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def households(self) -> list[str]:
        """Names in alphabetical order."""
        return self._database.read(household_names)

    def members(self, household: str | None = None) -> list[Member]:
        """Members with their exemplars, of one household or of all, in order of names."""
        return self._database.read(lambda connection: read_members(connection, household))

    def second_vectors(self, household: str) -> Seconds:
        """The second model and its vector of the clips that have one, by the clips' ids."""

        def work(connection: Connection) -> Seconds:
            found = find_household(connection, household)
            return {} if found is None else read_seconds(connection, found.id)

        return self._database.read(work)

    def calibration(self, household: str) -> str | None:
        """The household's own calibration as JSON text; None where it has none."""

        def work(connection: Connection) -> str | None:
            found = find_household(connection, household)
            return None if found is None else found.calibration

        return self._database.read(work)

    def consents(self, household: str, member: str) -> dict[str, Consent]:
        """What a member agreed to: ``voice``, and ``audio`` where clips are kept."""
        return dict(self._consents(consent_rows, household, member))

    def merged_consents(self, household: str, member: str) -> list[tuple[str, Consent]]:
        """Subject and consent from profiles that became part of this one, beside its own."""
        return self._consents(merged_consents, household, member)

    def _consents(self, table: Table, household: str, member: str) -> list[tuple[str, Consent]]:
        def work(connection: Connection) -> Sequence[Row[Any]]:
            home = find_household(connection, household)
            own = None if home is None else find_member(connection, home.id, member)
            if own is None:
                return []
            return connection.execute(select(table).where(table.c.member_id == own.id)).all()

        return [
            (row.subject, Consent(row.given_by, row.version, row.text, given_at=row.given_at))
            for row in self._database.read(work)
        ]

    def recording(self, exemplar_id: int, vault: Vault) -> bytes | None:
        """The kept clip as a FLAC file; None where it was not kept.

        Raises
        ------
        SpkidError
            If the key does not open it.
        """
        query = select(kept_audio.c.sealed).where(kept_audio.c.exemplar_id == exemplar_id)

        def work(connection: Connection) -> tuple[bytes, KeptClip] | None:
            sealed = connection.execute(query).scalar_one_or_none()
            return None if sealed is None else (sealed, kept_clip(connection, exemplar_id))

        found = self._database.read(work)
        return None if found is None else vault.open(*found)

    def last_sequence(self) -> int:
        """The number of the latest change; 0 before the first."""
        query = select(func.coalesce(func.max(operations.c.sequence), 0))
        return self._database.read(lambda connection: int(connection.execute(query).scalar_one()))

    def changes(self, after_sequence: int = 0) -> list[Change]:
        """The log's lines after ``after_sequence``, in order. None is ever inserted before."""
        return self._database.read(lambda connection: changes_after(connection, after_sequence))

    def index_key(self) -> bytes | None:
        """What seals a saved index, until the next deletion throws it away.

        Read it before anything that the index is to hold: what is deleted afterwards then
        cannot be read in the file, whenever that is written. None: do not save.
        """
        return self._database.read(index_key)

    def exemplars(
        self, model: str, *, after_id: int = 0, batch_size: int = 10_000
    ) -> Iterator[ExemplarBatch]:
        """All exemplars of ``model`` with ids above ``after_id``, in order of ids, in batches.

        Each batch is a transaction of its own: what is deleted meanwhile is in :meth:`changes`.
        """
        query = (
            select(exemplar_rows.c.id, exemplar_rows.c.member_id, exemplar_rows.c.vector)
            .join(member_rows)
            .where(member_rows.c.model == model, exemplar_rows.c.id > bindparam("after_id"))
            .order_by(exemplar_rows.c.id)
            .limit(batch_size)
        )

        def next_rows(connection: Connection) -> list[Any]:
            return list(connection.execute(query, {"after_id": int(after_id)}))

        while rows := self._database.read(next_rows):
            ids, member_ids, vectors = zip(*rows, strict=True)
            after_id = ids[-1]
            yield ExemplarBatch(
                ids=np.array(ids, dtype=np.int64),
                member_ids=np.array(member_ids, dtype=np.int64),
                vectors=vectors_of(ids, vectors),
            )

    def found(self, exemplar_ids: Sequence[int]) -> dict[int, tuple[str, str, NDArray[np.float32]]]:
        """Household, member and vector of each exemplar that is still there."""
        query = (
            select(
                exemplar_rows.c.id,
                household_rows.c.name,
                member_rows.c.name,
                exemplar_rows.c.vector,
            )
            .select_from(exemplar_rows)
            .join(member_rows)
            .join(household_rows)
            .where(exemplar_rows.c.id.in_([int(exemplar_id) for exemplar_id in exemplar_ids]))
        )
        return self._database.read(
            lambda connection: {
                exemplar_id: (household, name, vectors_of([exemplar_id], [vector])[0])
                for exemplar_id, household, name, vector in connection.execute(query)
            }
        )
