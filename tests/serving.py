"""A service that listens, for tests that need a port."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import uvicorn

from spkid.serve.run import config_of, listening_socket, url_of


@contextmanager
def served(settings):
    """The address of a service that listens on a free port, in a thread."""
    opened = listening_socket(settings)
    server = uvicorn.Server(config_of(settings))
    thread = threading.Thread(target=server.run, args=([opened],))
    thread.start()
    try:
        yield url_of(settings, opened)
    finally:
        server.should_exit = True
        thread.join(60)
