"""Identification in a process of its own.

An assistant's transcripts pass through another process, so that whatever happens here, a crash in
a library or a clip that takes for ever, neither ends nor delays them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from spkid.assistants.recording import Sound
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.household import Household
    from enrollment.matching import Decision

STARTED_S = 120.0  # to start and load the model, on a small and busy machine
ANSWERED_S = 30.0
UNFORESEEN = {"expected": "no error in spkid itself", "do": "report it", "code": "unforeseen"}
NICE = 5  # the speech-to-text server beside us comes first


@dataclass(frozen=True)
class Home:
    """Whom to ask about: a household in a store, with the model and rate that decide."""

    household: str
    store: str = field(repr=False)  # may have a password in it
    model: str | None = None
    trust_code: bool = False
    far: float | None = None


class Identifier:
    """The process that identifies, started at need and again after it failed.

    Parameters
    ----------
    home : Home
        Whom to ask about.
    answered_s : float
        How long an answer may take; the process is killed then.
    """

    def __init__(self, home: Home, *, answered_s: float = ANSWERED_S) -> None:
        self.home, self.answered_s = home, answered_s
        self._lock = threading.Lock()
        self._running: tuple[BaseProcess, Connection] | None = None

    def start(self) -> None:
        """Load the model, so that the first answer is as quick as any other.

        Raises
        ------
        SpkidError
            If the process cannot be started, or there would be no answer now.
        """
        with self._lock:
            self._started()
            _checked(self._answer(b"", STARTED_S))

    def ask(self, sound: Sound) -> dict[str, Any]:
        """Who speaks: the fields of a ``Speaker`` that do not depend on when and where.

        Waits for the answer: call it in a thread.

        Raises
        ------
        SpkidError
            If there is none: nobody is enrolled, the store cannot be read, the process ended or
            took too long.
        """
        with self._lock:
            self._started()
            head = json.dumps([sound.rate_hz, sound.width, sound.n_channels])
            return _checked(self._answer(head.encode() + b"\n" + sound.pcm, self.answered_s))

    def close(self) -> None:
        """End the process, also while somebody waits for its answer."""
        if self._running is not None:
            self._running[0].kill()
        with self._lock:
            self._stop()

    def _started(self) -> None:
        if self._running is not None and self._running[0].is_alive():
            return
        self._stop()
        context = multiprocessing.get_context("spawn")
        connection, other_end = context.Pipe()
        process = context.Process(target=serve, args=(other_end, self.home), daemon=True)
        process.start()
        other_end.close()
        self._running = process, connection
        self._answer(None, STARTED_S)

    def _answer(self, question: bytes | None, longest_s: float) -> dict[str, Any]:
        """What comes back; a process that takes too long is killed, which ends each step here."""
        assert self._running is not None
        process, connection = self._running
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(longest_s, end)
        timer.start()
        try:
            if question is not None:
                connection.send_bytes(question)
            answer: dict[str, Any] = json.loads(connection.recv_bytes())
        except (EOFError, OSError) as error:
            self._stop()
            raise (_too_slow(longest_s) if is_late.is_set() else _ended()) from error
        finally:
            timer.cancel()
        return answer

    def _stop(self) -> None:
        if self._running is None:
            return
        process, connection = self._running
        self._running = None
        connection.close()
        process.kill()
        process.join()


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise SpkidError(**answer["error"])
    return answer


def _too_slow(longest_s: float) -> SpkidError:
    return SpkidError(
        f"no answer within {longest_s:g} s",
        expected="one",
        do="give the machine less to do",
        code="too_slow",
    )


def _ended() -> SpkidError:
    return SpkidError(
        "the process that identifies has ended",
        expected="an answer",
        do="look at the machine's memory; the next utterance starts it again",
        code="no_answer",
    )


def serve(connection: Connection, home: Home) -> None:
    """Answer until the other end is closed. Runs in the process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C ends the parent first
    with suppress(OSError):
        os.nice(NICE)
    asked: Household | None = None
    connection.send_bytes(b"{}")
    while True:
        try:
            question = connection.recv_bytes()
        except EOFError:
            return
        answer: dict[str, Any] = {}
        try:
            if asked is None:
                asked = _opened(home)
            if question:
                answer = _answer(asked, question, home.far)
            else:
                asked.members()  # refuses what would be refused later
        except SpkidError as error:
            fields = ("got", "expected", "do", "code")
            answer = {"error": {name: getattr(error, name) for name in fields}}
        except Exception as error:  # its words might hold a voice
            answer = {"error": {**UNFORESEEN, "got": type(error).__name__}}
        connection.send_bytes(json.dumps(answer).encode())


def _opened(home: Home) -> Household:
    from enrollment.household import Household
    from enrollment.store.store import Store
    from spkid.scoring.model import Model

    model = Model.load(home.model, trust_code=home.trust_code)
    return Household(Store.open(home.store, create=False), home.household, model=model)


def _answer(household: Household, question: bytes, far: float | None) -> dict[str, Any]:
    import numpy as np

    head, _, pcm = question.partition(b"\n")
    rate_hz, width, n_channels = json.loads(head)
    n_frames = len(pcm) // (width * n_channels)
    samples = np.frombuffer(pcm, dtype=f"<i{width}", count=n_frames * n_channels)
    clip = samples.reshape(n_frames, n_channels), float(rate_hz)
    return told(household.identify(clip, false_accept_rate=far))


def told(decision: Decision) -> dict[str, Any]:
    """What an assistant is told of a decision."""
    is_unknown = decision.status == "unknown"
    nearest = decision.candidates[:2] if decision.status == "ambiguous" else ()
    return {
        "status": decision.status,
        "member": decision.member,
        "probability": decision.p_stranger if is_unknown else decision.p_member,
        "margin": decision.margin,
        "between": [candidate.member for candidate in nearest],
        "speech_s": decision.speech_s,
    }
