"""Clients that ask a service as fast as it answers, and how long each answer took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

LONGEST_S = 120.0  # an answer that takes longer counts as none


@dataclass
class Answers:
    """How long answers took, in milliseconds, and what came instead of one, by its status.

    A connection that ends without an answer has status 0.
    """

    seconds: float
    milliseconds: list[float] = field(default_factory=list)
    others: dict[int, int] = field(default_factory=dict)

    def figures(self) -> dict[str, float | int]:
        """Answers a second, and the median and the slowest in a hundred."""
        taken = np.asarray(self.milliseconds)
        return {
            "n_answers": len(taken),
            "answers_a_second": round(len(taken) / self.seconds, 2),
            "p50_ms": round(float(np.percentile(taken, 50)), 1),
            "p99_ms": round(float(np.percentile(taken, 99)), 1),
            "n_refused_or_lost": sum(self.others.values()),
        }


def request_of(url: str, method: str, path: str, body: bytes) -> bytes:
    """The bytes of a request; a client that is written in Python costs more than to send them."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _ask(url: str, request: bytes, until: float, answers: Answers) -> None:
    place = urlsplit(url)
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            while time.monotonic() < until:
                started = time.perf_counter()
                writer.write(request)
                async with asyncio.timeout(LONGEST_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    lines = head.decode("latin-1").lower().split("\r\n")
                    length = next(line for line in lines if line.startswith("content-length:"))
                    await reader.readexactly(int(length.split(":")[1]))
                status = int(lines[0].split()[1])
                if status == 200:
                    answers.milliseconds.append(1000 * (time.perf_counter() - started))
                else:
                    answers.others[status] = answers.others.get(status, 0) + 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            answers.others[0] = answers.others.get(0, 0) + 1
        finally:
            writer.close()


async def _load(url: str, request: bytes, n_clients: int, seconds: float) -> Answers:
    answers = Answers(seconds)
    started = time.monotonic()
    async with asyncio.TaskGroup() as clients:
        for _ in range(n_clients):
            clients.create_task(_ask(url, request, started + seconds, answers))
    answers.seconds = time.monotonic() - started  # the last answers came a little later
    return answers


def load(url: str, request: bytes, *, n_clients: int, seconds: float) -> Answers:
    """What so many clients got in so many seconds, each of them always waiting for one answer."""
    return asyncio.run(_load(url, request, n_clients, seconds))
