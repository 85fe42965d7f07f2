"""A fork after opening lost acknowledged enrollments, or hung, in the database or in faiss.

Each script runs in a process of its own, which really forks, with several OpenMP threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enrollment import Store

ROOT = Path(__file__).parents[2]
PREAMBLE = """
import multiprocessing, os, sys, threading, time
import numpy as np
from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar

place = sys.argv[1]
rng = np.random.default_rng(0)
TABLE = rng.normal(size=(500, 192)).astype(np.float32)
TABLE /= np.linalg.norm(TABLE, axis=1, keepdims=True)
CONFIG = IndexConfig(exact_below=100, n_training=200, saved_from=10**9)

def add(store, home, *seeds):
    own = [Exemplar(TABLE[seed], f"digest-{seed}", 4.0, 30.0) for seed in seeds]
    store.add(home, "Ana", own, model="m1", consent=Consent("Ana"))

def forked(*works):
    "Each in a child of its own; all must end well."
    children = []
    for work in works:
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
        children.append(child)
    return children

def wait(children):
    for child in children:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
"""


def run(code: str, place: str) -> list[str]:
    """What ``code`` prints, in a process that is ended where it hangs."""
    done = subprocess.run(
        # Python 3.12 warns of forks beside threads: that is what this is about
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREAMBLE + code, place],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "4"},
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


CHILDREN_ADD = """
with Store.open(place) as store:
    add(store, "before", 0)
    works = [
        lambda start=start: [add(store, f"child {n}", n) for n in range(start, start + 10)]
        for start in (100, 200, 300)
    ]
    children = forked(*works)
    for number in range(400, 410):
        add(store, f"parent {number}", number)
    wait(children)
    print(len(store.households()))
"""


def test_children_and_parent_write_at_once(place):
    assert run(CHILDREN_ADD, place) == ["0", "0", "0", "41"]
    with Store.open(place) as store:
        assert len(store.members()) == 41


WHILE_THREADS_WRITE = """
with Store.open(place) as store:
    acknowledged, is_over = [], threading.Event()

    def write(first):
        for number in range(first, first + 40):
            if is_over.is_set():
                return
            add(store, f"thread {number}", number)
            acknowledged.append(number)

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for number in range(5):
        wait(forked(lambda: [add(store, f"child {number}", number), store.members()]))
    is_over.set()
    for thread in threads:
        thread.join()
    homes = set(store.households())
    print(all(f"thread {number}" in homes for number in acknowledged), len(acknowledged) > 0)
    print(sum(name.startswith("child") for name in homes))
"""


def test_a_fork_while_other_threads_write(place):
    assert run(WHILE_THREADS_WRITE, place) == ["0"] * 5 + ["True", "True", "5"]


POOL = """
def work(number):
    add(STORE, f"worker {number}", number)
    return len(STORE.households()) > 0

STORE = Store.open(place)
add(STORE, "before", 0)
with multiprocessing.get_context("fork").Pool(3) as pool:
    print(sum(pool.map(work, range(100, 120))))
add(STORE, "after", 1)
print(len(STORE.households()))
STORE.close()
"""


def test_a_pool_of_forked_workers(place):
    assert run(POOL, place) == ["20", "22"]


CHILD_SEARCHES = """
with Store.open(place) as store:
    for home in range(40):
        add(store, f"home {home}", *range(5 * home, 5 * home + 5))
    index = ProfileIndex(store, model="m1", config=CONFIG)

    def search():
        assert index.search(TABLE[7], n_hits=1)[0].household == "home 1"

    def change():
        store.forget("home 1")
        add(store, "new", 400, 401)
        assert index.search(TABLE[400], n_hits=1)[0].household == "new"
        assert index.search(TABLE[7], n_hits=1)[0].household != "home 1"

    def build():
        again = ProfileIndex(store, model="m1", config=CONFIG)
        assert again.search(TABLE[11], n_hits=1)[0].household == "home 2"
        assert again.vectors.faiss_index.nlist > 1

    search()
    wait(forked(search, build))
    wait(forked(change))
    print(index.search(TABLE[400], n_hits=1)[0].household)
"""


def test_a_child_searches_changes_and_builds(tmp_path):
    assert run(CHILD_SEARCHES, str(tmp_path / "s.sqlite3")) == ["0", "0", "0", "new"]


CHILD_IDENTIFIES = """
from enrollment import Household
from spkid import Model
from spkid.encoder.vectors import spherical_k_means
import json, pathlib, spkid

demo = pathlib.Path(spkid.__file__).parent / "demo"
person = json.loads((demo / "cast.json").read_text())[0]
enrolled, heard = (
    [demo / "clips" / f"{name}.opus" for name in person[side]] for side in ("enroll", "heard")
)
with Store.open(place) as store:
    home = Household(store, "home", model=Model.load(n_threads=2))
    home.enroll("Ana", enrolled, consent=True)
    home.identify(heard[0])
    spherical_k_means(TABLE.astype(float), 3, seed=0)

    def identify():
        assert home.identify(heard[0]).member == "Ana"

    def cluster():
        assert spherical_k_means(TABLE.astype(float), 3, seed=0).shape == (3, 192)

    wait(forked(identify, cluster))
"""


@pytest.mark.slow
def test_a_child_listens(tmp_path):
    assert run(CHILD_IDENTIFIES, str(tmp_path / "s.sqlite3")) == ["0", "0"]
