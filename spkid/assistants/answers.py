"""What a voice assistant is told: who spoke, how sure that is, and when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Occasion = Literal["command", "wake_word"]


@dataclass(frozen=True)
class Speaker:
    """Who spoke an utterance.

    Attributes
    ----------
    household : str
        The household whose members were asked about.
    status : str
        As in ``enrollment.matching.Decision``: ``known``, ``unknown``, ``ambiguous``, or why
        nothing can be said.
    member : str or None
        Named only when ``known``.
    probability : float or None
        Of that member, 0..1; of a stranger where the status is ``unknown``; of the likeliest
        member where it is ``ambiguous``; None where nothing can be said.
    margin : float or None
        The likeliest member's probability less the next one's.
    between : tuple of str
        The two members that it lies between, where the status is ``ambiguous``.
    speech_s : float
        Seconds of speech heard.
    occasion : str
        ``command`` for what was sent to be transcribed, ``wake_word``.
    heard_at : str
        When it ended, UTC, ISO 8601.
    """

    household: str
    status: str
    member: str | None
    probability: float | None
    margin: float | None
    between: tuple[str, ...]
    speech_s: float
    occasion: Occasion
    heard_at: str

    @property
    def state(self) -> str:
        """The member's name, or else the status."""
        return self.member or self.status

    def to_json(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {**asdict(self), "between": list(self.between)}
