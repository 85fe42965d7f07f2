"""The store: households, members and exemplar vectors, in SQLite or PostgreSQL.

Each change is one transaction. Nothing is written before a person's consent is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, func, select, update

from enrollment.profile import (
    MAX_EXEMPLARS,
    AgeGroup,
    Change,
    Consent,
    Exemplar,
    ExemplarBatch,
    Member,
    Receipt,
)
from enrollment.refusals import (
    already_enrolled,
    changed_meanwhile,
    profile_full,
)
from enrollment.store.backup import Backup, back_up
from enrollment.store.database import Database, open_database
from enrollment.store.deletion import index_key
from enrollment.store.forgetting import take_out
from enrollment.store.records import (
    changes_after,
    clip_ids,
    clip_owners,
    delete_exemplars,
    ensure_member,
    find_household,
    find_member,
    household_named,
    household_names,
    insert_exemplar,
    keep_audio,
    kept_clip,
    log,
    now,
    read_member,
    read_members,
    record_consent,
    vectors_of,
)
from enrollment.store.schema import consents as consent_rows
from enrollment.store.schema import exemplars as exemplar_rows
from enrollment.store.schema import households as household_rows
from enrollment.store.schema import kept_audio, operations
from enrollment.store.schema import members as member_rows
from enrollment.store.scrubbing import finish_deletions, index_folders, scrub
from enrollment.store.vault import KeptClip, Vault

NO_RECORDINGS: Mapping[str, bytes] = MappingProxyType({})


class Store:
    """An open store. Make one with :meth:`open`; close it or use it in ``with``.

    Attributes
    ----------
    place : str
        The file, or the server's address without its password.
    index_folder : Path
        Where an index may keep its files; what a deletion finds there it removes.
    readable_indexes : tuple of Path
        Index files of an older version, with voice vectors for anybody who can read them, that
        could not be removed on opening. Whoever can should delete them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.place = database.place
        self.index_folder = index_folders(database)[0]
        self.readable_indexes: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"Store({self.place!r})"

    @classmethod
    def open(cls, place: str | Path, *, create: bool = True) -> Store:
        """Open the file or the ``postgresql+psycopg://`` address at ``place``.

        With ``create``, the store is made where there is none.

        Raises
        ------
        SpkidError
            If it cannot be opened, is not a store, or has a newer schema.
        """
        store = cls(open_database(place, create=create))
        try:
            store.readable_indexes = finish_deletions(store._database).readable
        except BaseException:
            store.close()
            raise
        return store

    def __reduce__(self) -> tuple[Any, ...]:
        """A process pool's workers open the place again; no connection and no password travels."""
        return Store._reopened, (self._database.place_to_reopen(),)

    @staticmethod
    def _reopened(place: str) -> Store:
        return Store.open(place, create=False)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; the store cannot be used any more."""
        self._database.close()

    def backup(self, path: str | Path) -> Backup:
        """Copy the store to a new file while others go on, read and checked.

        An ``SpkidError`` says why where it cannot be done; a file at ``path`` is one reason.
        """
        return back_up(self._database, Path(path))

    def households(self) -> list[str]:
        """Names in alphabetical order."""
        return self._database.read(household_names)

    def members(self, household: str | None = None) -> list[Member]:
        """Members with their exemplars, of one household or of all, in order of names."""
        return self._database.read(lambda connection: read_members(connection, household))

    def add(
        self,
        household: str,
        member: str,
        exemplars: Sequence[Exemplar],
        *,
        model: str,
        consent: Consent | None,
        recordings: Mapping[str, bytes] = NO_RECORDINGS,
        vault: Vault | None = None,
        age_group: AgeGroup | None = None,
    ) -> Member:
        """Add ``exemplars`` to a member, made with its household where new; returns the member.

        Parameters
        ----------
        consent : Consent or None
            What a new member agreed to; one who is enrolled has agreed already.
        recordings : mapping of digest to FLAC file
            Clips to keep, sealed with ``vault``; the person must have agreed to that.
        age_group : str or None
            "child", or empty for anybody else; None leaves it as it was.

        Raises
        ------
        SpkidError
            Without consent, if the member's vectors come from another model, a clip is
            enrolled already in this household, the profile would exceed ten exemplars, or a
            vector is not unit. Nothing is stored then.
        """

        def work(connection: Connection) -> Member:
            household_id, member_id = ensure_member(connection, household, member, model, consent)
            if consent is not None and consent.audio_text:
                record_consent(connection, member_id, "audio", consent.audio_text, consent)
            if age_group is not None:
                row = update(member_rows).where(member_rows.c.id == member_id)
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
                if vault is not None and exemplar.digest in recordings:
                    recording = recordings[exemplar.digest]
                    keep_audio(connection, member_id, exemplar_id, recording, vault)
            return read_member(connection, member_id)

        return self._database.write(work)

    def replace(
        self,
        member: Member,
        exemplars: Sequence[Exemplar],
        *,
        model: str,
        recordings: Mapping[str, bytes],
        vault: Vault,
    ) -> None:
        """Put ``exemplars`` of another ``model`` in the place of all of ``member``'s.

        The household's own calibration goes: it belongs to the old model.

        Raises
        ------
        SpkidError
            If the member's clips are not those of ``member`` any more. Nothing is changed then.
        """

        def work(connection: Connection) -> None:
            home = find_household(connection, member.household)
            own = None if home is None else find_member(connection, home.id, member.name)
            ids = [clip.id for clip in member.exemplars]
            if home is None or own is None or clip_ids(connection, own.id) != ids:
                raise changed_meanwhile(member.name)
            household_id, member_id = home.id, own.id
            delete_exemplars(connection, household_id, [(member_id, own_id) for own_id in ids])
            connection.execute(
                update(member_rows).where(member_rows.c.id == member_id).values(model=model)
            )
            for exemplar in exemplars:
                exemplar_id = insert_exemplar(connection, household_id, member_id, exemplar)
                recording = recordings[exemplar.digest]
                keep_audio(connection, member_id, exemplar_id, recording, vault)
            row = update(household_rows).where(household_rows.c.id == household_id)
            connection.execute(row.values(calibration=None))
            log(connection, "calibrated", household_id)

        self._database.write(work)
        scrub(self._database)

    def forget(
        self, household: str, member: str | None = None, *, clips: Sequence[int] | None = None
    ) -> Receipt:
        """Delete a household, a member, or some clips of a member (by their ids).

        On SQLite the bytes are overwritten and the log is emptied. Whatever search index was
        saved before, wherever it lies, can be read by nobody from then on. A member goes with
        the last clip, a household with the last member.

        Raises
        ------
        SpkidError
            If there is no such household, member or clip; the sentence says when one was
            deleted last.
        """
        names, n_exemplars = self._database.write(
            lambda connection: take_out(connection, household, member, clips)
        )
        scrubbed = scrub(self._database)
        return Receipt(
            household=household,
            members=tuple(names),
            n_exemplars=n_exemplars,
            at=now(),
            log_emptied=scrubbed.log_emptied,
            sealed_indexes=tuple(map(str, scrubbed.index_files.sealed)),
            readable_indexes=tuple(map(str, scrubbed.index_files.readable)),
        )

    def calibration(self, household: str) -> str | None:
        """The household's own calibration as JSON text; None where it has none."""

        def work(connection: Connection) -> str | None:
            found = find_household(connection, household)
            return None if found is None else found.calibration

        return self._database.read(work)

    def set_calibration(self, household: str, text: str | None) -> None:
        """Keep ``text`` (JSON) as the household's calibration; None goes back to the model's.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """

        def work(connection: Connection) -> None:
            household_id = household_named(connection, household).id
            connection.execute(
                update(household_rows)
                .where(household_rows.c.id == household_id)
                .values(calibration=text)
            )
            log(connection, "calibrated", household_id)

        self._database.write(work)

    def consents(self, household: str, member: str) -> dict[str, Consent]:
        """What a member agreed to: ``voice``, and ``audio`` where clips are kept."""

        def work(connection: Connection) -> Sequence[Row[Any]]:
            home = find_household(connection, household)
            own = None if home is None else find_member(connection, home.id, member)
            if own is None:
                return []
            query = select(consent_rows).where(consent_rows.c.member_id == own.id)
            return connection.execute(query).all()

        rows = self._database.read(work)
        return {
            row.subject: Consent(row.given_by, row.version, row.text, given_at=row.given_at)
            for row in rows
        }

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
