"""What each process of the benchmark of many processes does, and the notes that outlive it.

A note is a line in a file: what, of whom, and when on the machine's one clock.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar
from spkid.encoder.base import Vector
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration

N_HOMES = 12
N_CLIPS = 3
DIM = 192
BACKUP_EVERY_S = 2.0
MODEL = Calibration.load().model  # by name alone: vectors are given
INDEX = IndexConfig(saved_from=1)  # however small: the file is what is tried here


@dataclass(frozen=True)
class Note:
    """``what`` a process did or began to do with ``whom``, ``at`` seconds."""

    what: str
    whom: tuple[str, ...]
    at: float


@dataclass(frozen=True)
class Workplace:
    """Where the processes work: a store, the folder of their notes, and that of the backups.

    ``pg_dump`` is the program for backups of a store on a server; without it there are none.
    """

    place: str
    notes: Path
    backups: Path
    pg_dump: Path | None = None

    @property
    def is_file(self) -> bool:
        """Whether the store is a file."""
        return "://" not in self.place

    def read_notes(self) -> list[Note]:
        """Every note that was written whole."""
        lines = [
            line.split()
            for file in sorted(self.notes.glob("*.txt"))
            for line in file.read_text().splitlines()
        ]
        return [Note(what, tuple(whom), float(at)) for what, *whom, at in lines]


def unit_vector(rng: np.random.Generator) -> Vector:
    """A random voice."""
    vector = rng.normal(size=DIM).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def clips_of(name: str) -> list[Exemplar]:
    """The same clips for the same name, so that a check needs no notes of them."""
    rng = np.random.default_rng(int.from_bytes(name.encode(), "little"))
    return [Exemplar(unit_vector(rng), f"{name}/{i}", 4.0, 30.0) for i in range(N_CLIPS)]


class Worker:
    """One process with a store of its own; it works until the notes' folder has a file 'stop'."""

    def __init__(self, workplace: Workplace, store: Store, number: int, seed: int) -> None:
        self._workplace = workplace
        self._store = store
        self._number = number
        self._rng = np.random.default_rng([seed, number])
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        self._file = os.open(workplace.notes / f"{number}.txt", flags, 0o600)
        self._n_made = 0
        self._own: list[tuple[str, str]] = []
        self._index: ProfileIndex | None = None

    def work(self, act: Callable[[Worker], str]) -> None:
        """Do ``act`` again and again; it says what it did."""
        while not (self._workplace.notes / "stop").exists():
            started = time.perf_counter()
            try:
                did = act(self)
                self._note("took", did, str(1000 * (time.perf_counter() - started)))
            except SpkidError as error:
                self._note("refused", act.__name__, error.code)

    def _note(self, what: str, *whom: str) -> None:
        os.write(self._file, f"{what} {' '.join(whom)} {time.monotonic()}\n".encode())

    def _home(self) -> str:
        return f"home-{self._rng.integers(N_HOMES)}"

    def write(self) -> str:
        """Enrol somebody, or forget one of those with an even number."""
        if self._own and self._rng.random() < 0.3:
            return self._forget(*self._own.pop(self._rng.integers(len(self._own))))
        home, name = self._home(), f"w{self._number}-{self._n_made}"
        self._note("enrol", home, name)
        self._store.add(home, name, clips_of(name), model=MODEL, consent=Consent(name))
        self._note("enrolled", home, name)
        if self._n_made % 2 == 0:
            self._own.append((home, name))
        self._n_made += 1
        return "enrol"

    def delete(self) -> str:
        """Forget somebody whom another process enrolled, of those with an odd number."""
        found = [who for who in self._store.members(self._home()) if who.name[-1] in "13579"]
        if not found:
            time.sleep(0.05)
            return "wait"
        who = found[self._rng.integers(len(found))]
        return self._forget(who.household, who.name)

    def _forget(self, home: str, name: str) -> str:
        self._note("forget", home, name)
        self._store.forget(home, name)
        self._note("forgotten", home, name)
        return "forget"

    def read(self) -> str:
        """Read a home, whose members must be whole, and half the time search for one of them."""
        home = self._home()
        members = self._store.members(home)
        assert all(len(member.exemplars) == N_CLIPS for member in members)
        if not members or self._rng.random() < 0.5:
            return "identify"
        name = members[self._rng.integers(len(members))].name
        if self._index is None:
            self._index = ProfileIndex(self._store, model=MODEL, config=INDEX)
        hits = self._index.search(clips_of(name)[0].vector, n_hits=1)
        if [(hit.household, hit.member) for hit in hits] != [(home, name)]:
            still_there = [who.name for who in self._store.members(home)]
            if name in still_there:
                self._note("missed", home, name)
        return "search"

    def back_up(self) -> str:
        """Make a backup beside the others, and rest."""
        name = f"{self._number}-{self._n_made}"
        self._n_made += 1
        path = self._workplace.backups / name
        self._note("back_up", name)
        if self._workplace.is_file:
            self._store.backup(path)
        else:
            address = self._workplace.place.replace("postgresql+psycopg:", "postgresql:")
            words = [str(self._workplace.pg_dump), "--format=custom", f"--file={path}", address]
            subprocess.run(words, check=True)
        self._note("backed_up", name)
        time.sleep(BACKUP_EVERY_S)
        return "back_up"


ACTS: dict[str, Callable[[Worker], str]] = {
    "writer": Worker.write,
    "reader": Worker.read,
    "deleter": Worker.delete,
    "backup": Worker.back_up,
}


def run(workplace: Workplace, role: str, number: int, seed: int) -> None:
    """Be process ``number`` until killed or told to stop."""
    with Store.open(workplace.place) as store:
        Worker(workplace, store, number, seed).work(ACTS[role])
