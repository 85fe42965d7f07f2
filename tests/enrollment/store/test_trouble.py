"""Full disks, folders that cannot be written, damaged files and lost connections."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store.database import N_ATTEMPTS, failure_of
from spkid import SpkidError
from spkid.files import check_output

ROOT = Path(__file__).parents[3]
PREAMBLE = """
import os, resource, signal, sys
import numpy as np
from enrollment import Store
from enrollment.profile import Consent, Exemplar
from spkid import SpkidError

def clip(seed):
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0)

def add(store, home, *seeds):
    store.add(home, "Ana", [clip(s) for s in seeds], model="m1", consent=Consent("Ana"))
"""


def run(code: str, *words: object) -> subprocess.CompletedProcess:
    """``code`` in a process of its own, whose limits and rights it may give up."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PREAMBLE + code, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )


def clip(seed: int) -> Exemplar:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0)


def add(store: Store, member: str, *seeds: int) -> None:
    own = [clip(seed) for seed in seeds]
    store.add("home", member, own, model="m1", consent=Consent(member))


FULL = """
path = sys.argv[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.open(path) as store:
    add(store, "first", 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    acknowledged = 1
    try:
        for number in range(2, 2000):
            add(store, f"home {number}", number)
            acknowledged += 1
    except SpkidError as error:
        print(error.code)
        print(error)
    print(acknowledged)
    print(len(store.members()))
"""


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(tmp_path):
    path = tmp_path / "s.sqlite3"
    code, sentence, acknowledged, n_there = run(FULL, path).stdout.splitlines()
    assert code == "disk_full"
    assert "free some space" in sentence
    assert 1 < int(acknowledged) == int(n_there)
    with Store.open(path) as store:  # room again
        assert len(store.members()) == int(acknowledged)
        add(store, "Ben", 5000)
        store.forget("first")
        assert len(store.members()) == int(acknowledged)


READ_ONLY = """
path = sys.argv[1]
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
for act in (
    lambda store: store.add("home", "Ben", [clip(2)], model="m1", consent=Consent("Ben")),
    lambda store: store.forget("home"),
):
    try:
        with Store.open(path) as store:
            act(store)
        print("no error")
    except SpkidError as error:
        print(error.code, error)
try:
    Store.open(path.replace("s.sqlite3", "new.sqlite3"))
except SpkidError as error:
    print(error.code, error)
"""


def test_a_folder_that_cannot_be_written(monkeypatch):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "s.sqlite3") as store:
            add(store, "Ana", 1)
        (folder / "s.sqlite3").chmod(0o444)
        folder.chmod(0o555)
        before = (folder / "s.sqlite3").read_bytes()
        lines = run(READ_ONLY, folder / "s.sqlite3").stdout.splitlines()
        assert len(lines) == 3
        for line in lines:
            assert line.split()[0] in ("read_only", "unusable_store"), line
            assert "permissions" in line
        assert (folder / "s.sqlite3").read_bytes() == before
        folder.chmod(0o755)


@pytest.mark.parametrize("where", ["header", "vectors"])
def test_a_damaged_file_is_said_and_left_alone(tmp_path, where):
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        for number in range(30):
            add(store, f"member {number}", number)
    whole = bytearray(path.read_bytes())
    start = 0 if where == "header" else whole.index(clip(9).vector.tobytes()) // 4096 * 4096
    whole[start : start + 3 * 4096] = b"\xff" * 3 * 4096
    path.write_bytes(whole)
    with pytest.raises(SpkidError) as caught, Store.open(path) as store:
        store.members()
    assert caught.value.code == "damaged_store"
    assert "correct place=, or restore a backup" in str(caught.value)  # it may be no store at all
    assert path.read_bytes() == bytes(whole)


TAKES_THE_LOG_AWAY = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0.2).execute("PRAGMA journal_mode = DELETE")
"""


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_refused_output_leaves_an_open_store_its_locks(tmp_path, suffix):
    path = tmp_path / "s.sqlite3"
    with Store.open(path) as store:
        add(store, "Ana", 1)
        with pytest.raises(SpkidError, match="a store, one of its files or a key"):
            check_output(f"{path}{suffix}")
        other = subprocess.run(
            [sys.executable, "-c", TAKES_THE_LOG_AWAY, str(path)], capture_output=True, text=True
        )
        assert "database is locked" in other.stderr
        add(store, "Ben", 2)
    with Store.open(path) as store:
        assert len(store.members()) == 2


def lose_connections(server: str) -> None:
    """End every other connection, as a restart of the server would."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_a_lost_connection_is_made_again(server, place_on_server):
    with Store.open(place_on_server) as store:
        add(store, "Ana", 1)
        lose_connections(server)
        assert [member.name for member in store.members()] == ["Ana"]
        lose_connections(server)
        add(store, "Ben", 2)
        lose_connections(server)
        store.forget("home", "Ana")
        assert [member.name for member in store.members()] == ["Ben"]


def test_a_connection_lost_within_a_change_starts_it_again(server, place_on_server):
    with Store.open(place_on_server) as store:
        add(store, "Ana", 1)
        calls = []

        def work(connection) -> int:
            calls.append(1)
            if len(calls) == 1:
                lose_connections(server)
            return connection.exec_driver_sql("SELECT count(*) FROM member").scalar_one()

        assert store._database.write(work) == 1
        assert len(calls) == 2


def test_a_connection_lost_at_the_commit_is_not_guessed_about(server, place_on_server, monkeypatch):
    from sqlalchemy import Connection

    with Store.open(place_on_server) as store:
        add(store, "Ana", 1)
        commit = Connection.commit

        def lost(connection) -> None:
            lose_connections(server)
            commit(connection)

        monkeypatch.setattr(Connection, "commit", lost)
        with pytest.raises(SpkidError) as caught:
            add(store, "Ben", 2)
        monkeypatch.undo()
        assert caught.value.code == "unsure"
        assert "spkid profiles" in str(caught.value)
        assert [member.name for member in store.members()] == ["Ana"]


def test_a_server_that_is_not_there_and_addresses_that_mean_nothing(monkeypatch):
    slept = []
    monkeypatch.setattr("enrollment.store.database.time.sleep", slept.append)
    with pytest.raises(SpkidError) as caught:
        Store.open("postgresql+psycopg://me:secret@localhost:9/homes")
    assert caught.value.code == "lost"
    assert "secret" not in str(caught.value)
    assert len(slept) == N_ATTEMPTS - 1
    for address in ("mysql://localhost/homes", "postgresql://a:b:c:d/", "://"):
        with pytest.raises(SpkidError) as caught:
            Store.open(address)
        assert caught.value.code == "bad_store"


def test_a_deadlock_or_a_full_server_disk_is_told_apart():
    from sqlalchemy.exc import OperationalError

    class Server(Exception):
        def __init__(self, sqlstate: str) -> None:
            self.sqlstate = sqlstate

    kinds = {
        "40001": "busy",
        "40P01": "busy",
        "55P03": "busy",
        "57P01": "lost",
        "08006": "lost",
        "53100": "disk_full",
        "25006": "read_only",
        "22001": "unusable_store",
    }
    for sqlstate, expected in kinds.items():
        assert failure_of(OperationalError("", {}, Server(sqlstate))) == expected


def test_no_reader_waits_for_a_writer(place):
    with Store.open(place) as writer, Store.open(place) as reader:
        add(writer, "Ana", 1)

        def work(connection) -> list[str]:
            add_row = "INSERT INTO household (name) VALUES ('half done')"
            connection.exec_driver_sql(add_row)
            return reader.households() + [member.name for member in reader.members()]

        assert writer._database.write(work) == ["home", "Ana"]
        assert reader.households() == ["half done", "home"]


def test_writers_wait_in_line_and_give_up_with_a_sentence(place, monkeypatch):
    monkeypatch.setattr("enrollment.store.database.PATIENCE_S", 1.0)
    with Store.open(place) as first, Store.open(place) as second:
        add(first, "Ana", 1)
        with pytest.raises(SpkidError) as caught:
            first._database.write(lambda connection: add(second, "Ben", 2))
        assert caught.value.code == "busy"
        assert [member.name for member in first.members()] == ["Ana"]
        add(second, "Ben", 2)
        assert len(first.members()) == 2


OPEN_AT_ONCE = """
import multiprocessing, sys
from enrollment import Store

def open_it(place, start, told):
    start.wait()
    try:
        with Store.open(place) as store:
            told.put(str(store.households()))
    except Exception as error:
        told.put(str(error))

context = multiprocessing.get_context("fork")
for number in range(25):
    start, told = context.Event(), context.Queue()
    place = f"{sys.argv[1]}/{number}.sqlite3"
    workers = [context.Process(target=open_it, args=(place, start, told)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    answers = {told.get() for _ in workers}
    assert answers == {"[]"}, answers
    for worker in workers:
        worker.join()
"""


def test_processes_that_make_one_new_store_at_once_all_open_it(tmp_path):
    """To switch the log on, SQLite does not wait: the statement fails, and may stay open."""
    words = [sys.executable, "-c", OPEN_AT_ONCE, str(tmp_path)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
