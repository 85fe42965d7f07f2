"""18: threads stood in line for one network of ears; they hear at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spkid.audio import ears
from spkid.encoder.hearing import hear

N_THREADS = 4


class Meeting:
    """The ears, which goes on only when all threads are in it."""

    def __init__(self, session) -> None:
        self._session = session
        self._barrier = threading.Barrier(N_THREADS, timeout=30)
        self._first = threading.local()

    def run(self, *arguments):
        if not hasattr(self._first, "is_over"):
            self._first.is_over = True
            self._barrier.wait()  # BrokenBarrierError where the others stand outside
        return self._session.run(*arguments)


def test_threads_are_in_the_ears_at_once_and_hear_the_same(model, clips, monkeypatch):
    paths = list(clips.values())[:N_THREADS]
    expected = [hear(path, model.encoder) for path in paths]
    meeting = Meeting(ears._session())
    monkeypatch.setattr(ears, "_session", lambda: meeting)
    with ThreadPoolExecutor(N_THREADS) as pool:
        found = list(pool.map(lambda path: hear(path, model.encoder), paths))
    for one, other in zip(found, expected, strict=True):
        assert (one.quality, one.digest) == (other.quality, other.digest)
        np.testing.assert_array_equal(one.vector, other.vector)
