"""What a home hears in sound that comes in pieces over a socket, as messages."""

from __future__ import annotations

from typing import Any

from enrollment.live import Answer, EarlyAnswer, LiveEvent
from spkid.serve.routes.listening import shown_answer

RATES_HZ = (8_000, 48_000)


def message_of(household: str, event: LiveEvent) -> tuple[str, dict[str, Any]]:
    """The type of the message, and its fields: of answers as ``identify`` gives them.

    ``start_s``, ``end_s`` and ``at_s`` are seconds from the beginning of the stream.
    """
    if isinstance(event, Answer | EarlyAnswer):
        shown = shown_answer(household, event.decision, 0.0).model_dump(mode="json")
        place = {"start_s": round(event.start_s, 2), "end_s": round(event.at_s, 2)}
        return event.kind, {**shown, **place}
    record = event.record()
    return record.pop("event"), record
