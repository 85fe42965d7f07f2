"""Where utterances are handed in and answers told: one at a time, and never more than a few."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from spkid.assistants.answers import Occasion, Speaker
from spkid.assistants.recording import Sound
from spkid.assistants.worker import Identifier
from spkid.errors import SpkidError

MOST_WAITING = 4


class Desk:
    """Asks the identifier about utterances, beside whatever else goes on.

    Parameters
    ----------
    identifier : Identifier
        Who knows.
    tell : sequence of callables
        Each takes each answer.
    note : callable
        Takes a sentence for the person who runs this, where there is no answer.
    """

    def __init__(
        self,
        identifier: Identifier,
        *,
        tell: Sequence[Callable[[Speaker], None]],
        note: Callable[[str], None],
    ) -> None:
        self._identifier, self._tell, self._note = identifier, tell, note
        self._turn = asyncio.Lock()
        self._n_waiting = 0
        self._noted = ""
        self._going_on: set[asyncio.Task[Speaker | None]] = set()

    def hear(self, sound: Sound | None, occasion: Occasion) -> asyncio.Task[Speaker | None]:
        """Hand in an utterance; the answer is told, and is the task's result.

        The task goes on when whoever waits for it does not, and never raises. Its result is
        None where nothing was heard, there is no answer, or too many wait already.
        """
        heard_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        task = asyncio.create_task(self._answered(sound, occasion, heard_at))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task

    async def _answered(
        self, sound: Sound | None, occasion: Occasion, heard_at: str
    ) -> Speaker | None:
        if sound is None:
            return None
        if self._n_waiting >= MOST_WAITING:
            self._say(f"an utterance was not heard: {MOST_WAITING} others wait")
            return None
        self._n_waiting += 1
        try:
            async with self._turn:
                answer = await asyncio.to_thread(self._identifier.ask, sound)
            speaker = Speaker(
                household=self._identifier.home.household,
                occasion=occasion,
                heard_at=heard_at,
                **{**answer, "between": tuple(answer["between"])},
            )
            self._noted = ""
            for each in self._tell:
                each(speaker)
        except SpkidError as error:
            self._say(f"nobody was identified: {error}")
            return None
        except Exception as error:  # whatever it is, transcripts go on
            self._say(f"nobody was identified: an error in spkid itself: {type(error).__name__}")
            return None
        finally:
            self._n_waiting -= 1
        return speaker

    def _say(self, sentence: str) -> None:
        """Once, until something else happens: a store that is gone is gone for every utterance."""
        if sentence != self._noted:
            self._note(sentence)
        self._noted = sentence
