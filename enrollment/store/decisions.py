"""Answers that a household agreed to have written down for a while: no voices, no sound."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, or_, select, update

from enrollment.names import new_name
from enrollment.refusals import name_taken, no_decision
from enrollment.store.records import find_household, find_member, household_named, member_named
from enrollment.store.schema import decision_logs, decisions, households, members
from enrollment.store.terms import KeptForAWhile, delete_kept, kept_from, today

MAX_DECISIONS = 10_000  # of one household; where there are as many, the oldest tenth goes


@dataclass(frozen=True)
class LoggedDecision:
    """An answer that was given to a household, without the voice that it is about.

    Attributes
    ----------
    status : str
        As ``Decision.status``; ``member`` is who was named, None where nobody was.
    p_member, p_stranger : float or None
        As in ``Decision``.
    accepted_rate : float
        The share of strangers that the threshold which decided lets in.
    speech_s : float
        Seconds of speech.
    model, digest : str
        Fingerprint of the model, and the digest of the clip, by which it is known again.
    spoke, guest : str or None
        Who really spoke, a member or a guest; both None where nobody has said so.
    heard_at, expires_on, id
        The store's: UTC, ISO 8601; the last day on which it is kept.
    household : str
        Its name, where it was read from the store.
    """

    status: str
    member: str | None
    p_member: float | None
    p_stranger: float | None
    accepted_rate: float
    speech_s: float
    model: str
    digest: str
    spoke: str | None = None
    guest: str | None = None
    heard_at: str = ""
    expires_on: str = ""
    id: int = 0
    household: str = ""


class LoggedDecisions(KeptForAWhile):
    """The logs of a store's households."""

    agreements, kept, word = decision_logs, decisions, "decisions"

    def add(self, household: str, decision: LoggedDecision) -> bool:
        """Write an answer down where the household agreed to that; whether it was."""

        def work(connection: Connection) -> bool:
            home = find_household(connection, household)
            terms = self._terms(connection, home)
            if home is None or terms is None:
                return False
            own = self._of(home.id)
            ids = select(decisions.c.id).where(own).order_by(decisions.c.id.desc())
            if connection.execute(ids.offset(MAX_DECISIONS - 1)).first() is not None:
                kept = ids.offset(MAX_DECISIONS * 9 // 10 - 1).limit(1)
                delete_kept(connection, decisions, own & (decisions.c.id < kept.scalar_subquery()))
            named = decision.member and find_member(connection, home.id, decision.member)
            connection.execute(
                insert(decisions).values(
                    household_id=home.id,
                    named_id=named.id if named else None,
                    guest="",
                    status=decision.status,
                    p_member=decision.p_member,
                    p_stranger=decision.p_stranger,
                    accepted_rate=decision.accepted_rate,
                    speech_s=decision.speech_s,
                    model=decision.model,
                    digest=decision.digest,
                    **kept_from(decision.heard_at, terms),
                )
            )
            return True

        return self._database.write(work)

    def rows(self, household: str | None = None) -> list[LoggedDecision]:
        """What is written down and not expired, of one household or of all, in order of time."""
        return self._database.read(lambda connection: _rows(connection, household))

    def tell(
        self, household: str, number: int, *, member: str | None = None, guest: str | None = None
    ) -> None:
        """Say who really spoke, a member or a guest, where answer ``number`` was given.

        Raises
        ------
        SpkidError
            If there is no such household, answer or member, or the guest has a member's name.
        """

        def work(connection: Connection) -> None:
            home = household_named(connection, household)
            values: dict[str, int | str | None] = {"spoke_id": None, "guest": ""}
            if member is not None:
                values["spoke_id"] = member_named(connection, home, member).id
            elif guest is not None:
                if (taken := find_member(connection, home.id, guest)) is not None:
                    raise name_taken(taken.name)
                values["guest"] = new_name(guest)
            own = self._of(home.id) & (decisions.c.id == number)
            told = update(decisions).where(own, decisions.c.expires_on >= today())
            if not connection.execute(told.values(**values)).rowcount:
                raise no_decision(number, household)

        self._database.write(work)


def count_decisions(connection: Connection, household_id: int) -> int:
    """How many answers are written down for a household."""
    own = select(func.count()).where(decisions.c.household_id == household_id)
    return int(connection.execute(own).scalar_one())


def tell_by_clip(
    connection: Connection, household_id: int, digests: list[str], member_id: int
) -> None:
    """A person said that these clips are of the member: so are the answers to them."""
    own = (decisions.c.household_id == household_id) & decisions.c.digest.in_(digests)
    connection.execute(update(decisions).where(own).values(spoke_id=member_id, guest=""))


def give_decisions(connection: Connection, gone_id: int, kept_id: int) -> None:
    """Answers about one profile are about another that it became part of."""
    for column in (decisions.c.named_id, decisions.c.spoke_id):
        own = update(decisions).where(column == gone_id)
        connection.execute(own.values({column.name: kept_id}))


def drop_decisions(connection: Connection, member_id: int) -> int:
    """Delete the answers that name a member, or that the member's voice was given; how many."""
    own = or_(decisions.c.named_id == member_id, decisions.c.spoke_id == member_id)
    return delete_kept(connection, decisions, own)


def _rows(connection: Connection, household: str | None) -> list[LoggedDecision]:
    named, spoke = members.alias("named"), members.alias("spoke")
    query = (
        select(
            decisions,
            named.c.name.label("named"),
            spoke.c.name.label("spoke"),
            households.c.name.label("household"),
        )
        .join(households, households.c.id == decisions.c.household_id)
        .join(named, named.c.id == decisions.c.named_id, isouter=True)
        .join(spoke, spoke.c.id == decisions.c.spoke_id, isouter=True)
        .where(decisions.c.expires_on >= today())
        .order_by(decisions.c.id)
    )
    if household is not None:
        home = household_named(connection, household)
        query = query.where(decisions.c.household_id == home.id)
    return [
        LoggedDecision(
            row.status,
            row.named,
            row.p_member,
            row.p_stranger,
            row.accepted_rate,
            row.speech_s,
            row.model,
            row.digest,
            row.spoke,
            row.guest or None,
            row.heard_at,
            row.expires_on,
            row.id,
            row.household,
        )
        for row in connection.execute(query).all()
    ]
