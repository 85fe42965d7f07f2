"""What somebody agrees to for a household, in which words: something is kept for a while."""

from __future__ import annotations

from typing import ClassVar

from enrollment.store.terms import KEEP_DAYS, KeptForAWhile, Terms, agreed


class Agreement:
    """A household lets something be kept; off until somebody agrees to its words.

    ``consent_text`` has a place for the ``{days}``; ``what`` is kept, in two or three words.
    """

    consent_text: ClassVar[str]
    what: ClassVar[str]

    def __init__(self, kept: KeptForAWhile, household: str) -> None:
        self._kept, self._household = kept, household

    @property
    def terms(self) -> Terms | None:
        """What was agreed to, by whom and when; None while nothing is kept."""
        return self._kept.terms(self._household)

    def switch_on(self, given_by: str, *, consent: bool, keep_days: int = KEEP_DAYS) -> Terms:
        """Keep it for ``keep_days`` from now on; ``given_by`` agreed for the home.

        Raises
        ------
        SpkidError
            Without consent, for no days or more than a year, or if the household is unknown.
        """
        text = self.consent_text.format(days=keep_days)
        own = agreed(given_by, text, keep_days, consent=consent, what=self.what)
        self._kept.switch_on(self._household, own)
        terms = self.terms
        assert terms is not None
        return terms

    def switch_off(self) -> int:
        """Keep nothing any more and delete what was kept; how many.

        Raises
        ------
        SpkidError
            If the household is unknown.
        """
        return self._kept.switch_off(self._household)
