"""The service on a port: one process, or several that take turns."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.reduction import DupFd
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from spkid.errors import SpkidError
from spkid.files import why_unreadable
from spkid.serve.app import make_app
from spkid.serve.metrics import SHARED
from spkid.serve.service import Service
from spkid.serve.settings import Settings
from spkid.serve.tokens import Tokens

BACKLOG = 2048
HEADERS_S = 10.0
LEFT_S = 0.001  # to other workers, for the next of several connections that come at once
HEALTHY_S = 60  # a worker that says nothing for so long is replaced


class Impatient(H11Protocol):
    """HTTP whose head must come within some seconds: who sends it slowly holds no place."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, or no longer."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEADERS_S, self._give_up)

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class Shared(socket.socket):
    """A listening socket of which a worker takes one connection, and leaves the next to others.

    asyncio would take all that wait: one worker would have all clients, and the others none.
    """

    _taken_at = 0.0
    _has_taken = False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; none right after one, which ends the loop's taking."""
        if self._has_taken:
            self._has_taken = False
            raise BlockingIOError
        if time.monotonic() - self._taken_at < LEFT_S:
            time.sleep(LEFT_S)
        taken = super().accept()
        self._has_taken, self._taken_at = True, time.monotonic()
        return taken

    def __reduce__(self) -> tuple[object, ...]:
        """For a worker process; only plain sockets know the way there by themselves."""
        return _shared, (DupFd(self.fileno()), self.family, self.type, self.proto)


def _shared(handle: Any, family: int, kind: int, protocol: int) -> Shared:
    return Shared(family, kind, protocol, fileno=handle.detach())


class Watched(Multiprocess):
    """Workers whose end is seen at once, also by who waits for a sign of life from one."""

    def keep_subprocess_alive(self) -> None:
        """Replace those that have ended."""
        for process in self.processes:
            process.child_conn.close()  # the worker's own stays open as long as it lives
        super().keep_subprocess_alive()


def config_of(settings: Settings) -> uvicorn.Config:
    """How uvicorn runs the application."""
    limits = settings.limits
    return uvicorn.Config(
        partial(make_app, settings),
        factory=True,
        workers=settings.workers,
        loop="asyncio",
        http=Impatient,
        ws="websockets-sansio",
        ws_max_size=2**20,
        access_log=False,
        log_config=LOGGING,
        limit_concurrency=limits.n_connections,
        h11_max_incomplete_event_size=32_768,
        timeout_graceful_shutdown=30,
        timeout_worker_healthcheck=HEALTHY_S,
        server_header=False,
        proxy_headers=False,
    )


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "spkid.serve": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


def listening_socket(settings: Settings) -> socket.socket:
    """A socket that takes connections already; they wait until a worker is there.

    Raises
    ------
    SpkidError
        If the address is none of this machine, or taken.
    """
    try:
        host = settings.host.strip("[]")
        found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        opened = (Shared if settings.workers > 1 else socket.socket)(family, kind, protocol)
    except OSError as error:
        raise no_port(settings, error) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise no_port(settings, error) from error
    opened.set_inheritable(True)
    return opened


def no_port(settings: Settings, error: OSError) -> SpkidError:
    """The place to listen at cannot be had."""
    return SpkidError(
        f"{settings.host} port {settings.port}: {why_unreadable(error)}",
        expected="an address of this machine and a port that is free",
        do="choose another --port, or stop what listens there",
        code="no_port",
    )


def url_of(settings: Settings, opened: socket.socket) -> str:
    """Where the page is."""
    host, port = opened.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def run(settings: Settings, ready: Callable[[str], object]) -> None:
    """Serve until a signal ends it; ``ready`` is told the address.

    Raises
    ------
    SpkidError
        If store, model or port cannot be opened, or anybody could call without a token.
    """
    Service(settings).close()  # what is wrong is said here, once, and not by each worker
    if settings.is_wide and not has_tokens(settings):
        raise SpkidError(
            f"a service that others can reach, on {settings.host}, without any token",
            expected="a token, without which nobody may call it",
            do="make one with 'spkid token add --all', or listen on 127.0.0.1",
            code="no_token",
        )
    opened = listening_socket(settings)
    config = config_of(settings)
    ready(url_of(settings, opened))
    if settings.workers == 1:
        uvicorn.Server(config).run(sockets=[opened])
        return
    counts = tempfile.mkdtemp(prefix="spkid-metrics-")
    os.environ[SHARED] = counts
    try:
        Watched(config, sockets=[opened]).run()
    finally:
        shutil.rmtree(counts, ignore_errors=True)


def has_tokens(settings: Settings) -> bool:
    """Whether there is a token at all."""
    return bool(Tokens(settings.tokens_folder).known())
