"""A household's own log of answers, from which it can be audited; off by default.

What is written down is when an answer was given, to whom it went and how sure it was; never a
voice or a sound. Whether it was right is known where somebody confirms the clip or says who spoke.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from enrollment.agreement import Agreement
from enrollment.matching import Decision
from enrollment.store.decisions import MAX_DECISIONS, LoggedDecision, LoggedDecisions
from enrollment.store.store import Store
from spkid.encoder.hearing import Clip
from spkid.errors import StoreError

CONSENT_TEXT = (
    "We agree that each answer about who spoke in our home is written down on this device for "
    f"{{days}} days, of at most {MAX_DECISIONS:,} answers: when, who was named or that nobody was, "
    "how sure that was, how much speech there was, a digest of the clip, and who really spoke "
    "where somebody says so. No sound and no description of a voice is kept. We tell our guests. "
    "It can be switched off at any time with 'spkid decisions off', which deletes all of it."
)


class DecisionLog(Agreement):
    """A household's answers. :attr:`enrollment.Household.decisions` makes one."""

    consent_text, what = CONSENT_TEXT, "a log of answers"

    def __init__(self, log: LoggedDecisions, household: str) -> None:
        super().__init__(log, household)
        self._log = log

    def rows(self) -> list[LoggedDecision]:
        """What is written down and has not expired, in the order of time."""
        return self._log.rows(self._household)

    def tell(self, number: int, *, member: str | None = None, guest: str | None = None) -> None:
        """Say who really spoke: a member, a guest, or neither to take it back.

        Raises
        ------
        SpkidError
            If there is no such answer or member, or a member has the guest's name.
        """
        self._log.tell(self._household, number, member=member, guest=guest)

    def take(self, clip: Clip, decision: Decision, *, accepted_rate: float) -> str | None:
        """Write an answer down where that was agreed to; what went wrong, as a sentence."""
        try:
            if self.terms is None:
                return None
            self._log.expire()
            answer = LoggedDecision(
                decision.status,
                decision.member,
                decision.p_member,
                decision.p_stranger,
                accepted_rate,
                decision.speech_s,
                decision.model,
                clip.digest,
            )
            self._log.add(self._household, answer)
        except StoreError as error:  # the answer is worth more than the log
            return f"The answer was not written down: {error}"
        return None


@dataclass(frozen=True)
class AuditInput:
    """What :func:`spkid.audit.decisions` takes, a dictionary a row.

    Attributes
    ----------
    answers : list of dict
        ``household``, ``speaker``, ``truth`` and ``answer`` of each answer whose speaker is known.
        A speaker is ``household/name``, so that the Leos of two homes are two people.
    people : list of dict
        ``speaker`` and ``age_group`` (``child`` or ``other``; empty for guests).
    homes : list of dict
        ``household``, ``n_members`` and ``with_children`` (``yes`` or ``no``).
    n_untold : int
        Answers of which nobody has said who spoke.
    """

    answers: list[dict[str, Any]]
    people: list[dict[str, Any]]
    homes: list[dict[str, Any]]
    n_untold: int


def audit_input(store: Store, household: str | None = None) -> AuditInput:
    """The log of one household, or of all of a store, to be audited.

    Raises
    ------
    SpkidError
        If the household is unknown.
    """
    rows = store.decisions.rows(household)
    told = [row for row in rows if row.spoke or row.guest]
    answers = [
        {
            "household": row.household,
            "speaker": f"{row.household}/{row.spoke or row.guest}",
            "truth": row.spoke or "",
            "answer": row.member or "",
        }
        for row in told
    ]
    members = store.members(household)
    people = [
        {
            "speaker": f"{who.household}/{who.name}",
            "age_group": "child" if who.age_group == "child" else "other",
        }
        for who in members
    ]
    guests = dict.fromkeys(f"{row.household}/{row.guest}" for row in told if row.guest)
    people += [{"speaker": guest, "age_group": ""} for guest in guests]
    homes = []
    for name in dict.fromkeys(who.household for who in members):
        own = [who for who in members if who.household == name]
        has_child = any(who.age_group == "child" for who in own)
        homes.append(
            {
                "household": name,
                "n_members": str(len(own)),
                "with_children": "yes" if has_child else "no",
            }
        )
    return AuditInput(answers, people, homes, len(rows) - len(told))
