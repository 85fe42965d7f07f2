"""``spkid wyoming``: the proxy, the identifier and the broker together, until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from spkid.assistants.answers import Occasion, Speaker
from spkid.assistants.desk import Desk
from spkid.assistants.mqtt import Broker, Publisher, Topics
from spkid.assistants.proxy import Place, Proxy
from spkid.assistants.worker import Home, Identifier
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Assistant:
    """What stands where.

    ``server`` is the Wyoming server behind the proxy, which listens at ``place``; ``detects`` and
    ``identifies`` are as in ``Proxy``.
    """

    home: Home
    server: Place
    place: Place
    broker: Broker | None = None
    detects: bool = False
    identifies: bool = False


async def run(
    assistant: Assistant,
    *,
    tell: Callable[[Speaker], None],
    note: Callable[[str], None],
) -> None:
    """Pass everything on until SIGINT or SIGTERM.

    Parameters
    ----------
    assistant : Assistant
        What stands where.
    tell : callable
        Takes each answer, besides the broker.
    note : callable
        Takes a sentence for the person who runs this.

    Raises
    ------
    SpkidError
        If nothing can listen at ``assistant.place``.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tellers = [tell]
    tasks = []
    if assistant.broker is not None:
        occasion: Occasion = "wake_word" if assistant.detects else "command"
        topics = Topics(assistant.home.household, occasion)
        publisher = Publisher(assistant.broker, topics, note=note)
        tellers.append(publisher.tell)
        tasks.append(asyncio.create_task(publisher.run()))
    identifier = Identifier(assistant.home)
    desk = Desk(identifier, tell=tellers, note=note)
    proxy = Proxy(
        assistant.server,
        desk,
        note=note,
        detects=assistant.detects,
        identifies=assistant.identifies,
    )
    try:
        place = await proxy.start(assistant.place)
        note(f"spkid listens on {place} and passes everything on to {assistant.server}")
        tasks.append(asyncio.create_task(_warmed(identifier, note)))
        await stop.wait()
    finally:
        await proxy.close()
        identifier.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _warmed(identifier: Identifier, note: Callable[[str], None]) -> None:
    with suppress(asyncio.CancelledError):
        try:
            await asyncio.to_thread(identifier.start)
        except SpkidError as error:
            note(f"nobody can be identified yet: {error}")
