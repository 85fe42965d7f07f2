"""A few threads for what takes the processor, and a line before them that does not grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from spkid.errors import SpkidError
from spkid.serve.guard import overloaded

Result = TypeVar("Result")


class Work:
    """Runs work beside the event loop; ``n_waiting`` may wait for one of the threads."""

    def __init__(self, name: str, *, n_threads: int, n_waiting: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix=f"spkid-{name}")
        self._n_most = n_threads + n_waiting
        self.n_under_way = 0

    async def run(self, work: Callable[[], Result], request: Request | None = None) -> Result:
        """What ``work`` gives; of a caller who hangs up first, it is not begun.

        Raises
        ------
        SpkidError
            If too many wait already, or as ``work`` says.
        """
        if self.n_under_way >= self._n_most:
            raise overloaded("too many requests under way")
        self.n_under_way += 1
        try:
            held = self._threads.submit(work)
            answer = asyncio.wrap_future(held)
            if request is None:
                return await answer
            gone: asyncio.Future[None] = asyncio.ensure_future(_hung_up(request))
            try:
                both: set[asyncio.Future[Any]] = {answer, gone}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if held.cancel():
                    raise hung_up()
                return await answer
            finally:
                gone.cancel()
        finally:
            self.n_under_way -= 1

    def close(self) -> None:
        """Finish what was begun, and nothing else."""
        self._threads.shutdown(wait=True, cancel_futures=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def hung_up() -> SpkidError:
    """Nobody is there any more to be answered."""
    return SpkidError(
        "a caller who hung up",
        expected="one who waits for the answer",
        do="call again",
        code="hung_up",
    )
