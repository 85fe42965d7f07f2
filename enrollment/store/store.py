"""The store: households, members and exemplar vectors, in SQLite or PostgreSQL.

Each change is one transaction. Nothing is written before a person's consent is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from enrollment.profile import (
    AgeGroup,
    Consent,
    Exemplar,
    Member,
    Rearranged,
    Receipt,
    SecondVectors,
)
from enrollment.refusals import (
    changed_meanwhile,
)
from enrollment.store import rearranging
from enrollment.store.adding import NO_RECORDINGS, add_clips
from enrollment.store.backup import Backup, back_up
from enrollment.store.database import Database, open_database
from enrollment.store.decisions import LoggedDecisions
from enrollment.store.forgetting import take_out
from enrollment.store.reading import StoreReading
from enrollment.store.records import (
    clip_ids,
    delete_exemplars,
    find_household,
    find_member,
    household_named,
    insert_exemplar,
    keep_audio,
    log,
    now,
    read_member,
)
from enrollment.store.schema import households as household_rows
from enrollment.store.schema import members as member_rows
from enrollment.store.scrubbing import finish_deletions, index_folders, scrub
from enrollment.store.seconds import keep_second, replace_seconds
from enrollment.store.vault import Vault
from enrollment.store.voices import UnknownVoices
from spkid.errors import StoreError


class Store(StoreReading):
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
    voices : UnknownVoices
        What the inboxes of households keep.
    decisions : LoggedDecisions
        The answers that households agreed to have written down.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.place = database.place
        self.index_folder = index_folders(database)[0]
        self.readable_indexes: tuple[Path, ...] = ()
        self.voices = UnknownVoices(database)
        self.decisions = LoggedDecisions(database)

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
            with suppress(StoreError):  # a store that cannot be written shows none of them
                store.voices.expire()
                store.decisions.expire()
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

    def add(
        self,
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
    ) -> Member:
        """Add ``exemplars`` to a member, made with its household where new; returns the member.

        Parameters
        ----------
        consent : Consent or None
            What a new member agreed to; one who is enrolled has agreed already.
        seconds : SecondVectors or None
            The clips as a second model describes them.
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
            member_id = add_clips(
                connection,
                household,
                member,
                exemplars,
                model=model,
                consent=consent,
                seconds=seconds,
                recordings=recordings,
                vault=vault,
                age_group=age_group,
            )
            return read_member(connection, member_id)

        return self._database.write(work)

    def replace(
        self,
        member: Member,
        exemplars: Sequence[Exemplar],
        *,
        model: str,
        seconds: SecondVectors | None = None,
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
            household_id, member_id = _unchanged(connection, member)
            ids = [clip.id for clip in member.exemplars]
            delete_exemplars(connection, household_id, [(member_id, own_id) for own_id in ids])
            connection.execute(
                update(member_rows).where(member_rows.c.id == member_id).values(model=model)
            )
            for exemplar in exemplars:
                exemplar_id = insert_exemplar(connection, household_id, member_id, exemplar)
                keep_second(connection, exemplar_id, exemplar, seconds)
                recording = recordings[exemplar.digest]
                keep_audio(connection, member_id, exemplar_id, recording, vault)
            row = update(household_rows).where(household_rows.c.id == household_id)
            connection.execute(row.values(calibration=None))
            log(connection, "calibrated", household_id)

        self._database.write(work)
        scrub(self._database)

    def set_seconds(self, member: Member, seconds: SecondVectors) -> None:
        """Keep vectors of a second model for ``member``'s clips, in the place of earlier ones.

        Raises
        ------
        SpkidError
            If the member's clips are not those of ``member`` any more. Nothing is changed then.
        """

        def work(connection: Connection) -> None:
            household_id, member_id = _unchanged(connection, member)
            replace_seconds(connection, member, seconds)
            log(connection, "second_vectors", household_id, member_id)

        self._database.write(work)
        scrub(self._database)

    def forget(
        self, household: str, member: str | None = None, *, clips: Sequence[int] | None = None
    ) -> Receipt:
        """Delete a household, a member, or some clips of a member (by their ids).

        On SQLite the bytes are overwritten and the log is emptied. Whatever search index was
        saved before, wherever it lies, can be read by nobody from then on. A member goes with
        the last clip, a household with the last member; the answers about them that were written
        down go too.

        Raises
        ------
        SpkidError
            If there is no such household, member or clip; the sentence says when one was
            deleted last.
        """
        names, n_exemplars, n_decisions = self._database.write(
            lambda connection: take_out(connection, household, member, clips)
        )
        scrubbed = scrub(self._database)
        return Receipt(
            household=household,
            members=tuple(names),
            n_exemplars=n_exemplars,
            n_decisions=n_decisions,
            at=now(),
            log_emptied=scrubbed.log_emptied,
            sealed_indexes=tuple(map(str, scrubbed.index_files.sealed)),
            readable_indexes=tuple(map(str, scrubbed.index_files.readable)),
        )

    def rename(self, household: str, to: str, *, member: str | None = None) -> Rearranged:
        """Give a member, or the household itself, another name.

        Raises
        ------
        SpkidError
            If there is no such household or member, or the name is refused or taken.
        """
        return self._database.write(
            lambda connection: rearranging.rename(connection, household, member, to)
        )

    def merge(
        self, household: str, member: str, into: str, *, vault: Vault | None = None
    ) -> Rearranged:
        """Make one profile of two: ``member``'s clips and consents become ``into``'s.

        Ten clips stay, those with most speech. Clips that are kept need their ``vault``.

        Raises
        ------
        SpkidError
            If there is no such member, both are one, their models differ, or the key is
            missing. Nothing is changed then.
        """
        done = self._database.write(
            lambda connection: rearranging.merge(connection, household, member, into, vault)
        )
        if done.dropped:
            scrub(self._database)
        return done

    def move(self, household: str, member: str, to_household: str) -> Rearranged:
        """Give a member with clips and consents to another household, made where it is new.

        Raises
        ------
        SpkidError
            If there is no such member, the name or a clip is there already, or the other
            household's profiles are of another model. Nothing is changed then.
        """
        done = self._database.write(
            lambda connection: rearranging.move(connection, household, member, to_household)
        )
        if done.gone_household or done.n_decisions:
            scrub(self._database)
        return done

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


def _unchanged(connection: Connection, member: Member) -> tuple[int, int]:
    """Ids of the household and the member, whose clips are still those of ``member``."""
    home = find_household(connection, member.household)
    own = None if home is None else find_member(connection, home.id, member.name)
    ids = [clip.id for clip in member.exemplars]
    if home is None or own is None or clip_ids(connection, own.id) != ids:
        raise changed_meanwhile(member.name)
    return home.id, own.id
