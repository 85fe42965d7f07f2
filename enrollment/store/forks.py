"""A process forks between its transactions, and no child shares a connection with its parent.

On a connection that both hold, PostgreSQL's answers reach either of them, and what SQLite takes
for locked is locked for one of them only: acknowledged changes were lost, and processes hung.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

PATIENCE_S = 30.0  # how long a fork waits for the transactions of other threads


class _Transactions:
    """Those of this process; a fork waits for them, and new ones wait for the fork."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.n_running = 0
        self.is_forking = False
        self.own = threading.local()  # how deep this thread is in one

    def depth(self) -> int:
        return getattr(self.own, "depth", 0)

    def before_fork(self) -> None:
        self.changed.acquire()
        self.is_forking = True
        n_own = min(self.depth(), 1)
        self.changed.wait_for(lambda: self.n_running == n_own, timeout=PATIENCE_S)
        for engine in list(_engines):
            engine.dispose()

    def after_fork(self) -> None:
        self.is_forking = False
        self.changed.notify_all()
        self.changed.release()

    def after_fork_in_child(self) -> None:
        self.__init__()  # type: ignore[misc]  # the threads that held and awaited it are gone
        for engine in list(_engines):
            engine.dispose(close=False)


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_transactions = _Transactions()
os.register_at_fork(
    before=_transactions.before_fork,
    after_in_parent=_transactions.after_fork,
    after_in_child=_transactions.after_fork_in_child,
)


def close_at_forks(engine: Engine) -> None:
    """Close the engine's idle connections before each fork; both sides then open their own."""
    _engines.add(engine)


@contextmanager
def no_fork() -> Iterator[None]:
    """Hold off forks of this process for the time of a transaction."""
    here, depth = _transactions, _transactions.depth()
    with here.changed:
        here.changed.wait_for(lambda: depth or not here.is_forking)
        here.n_running += not depth
    here.own.depth = depth + 1
    try:
        yield
    finally:
        here.own.depth = depth
        with here.changed:
            here.n_running -= not depth
            here.changed.notify_all()
