"""Several worker processes: one is killed, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from enrollment import Store
from spkid.serve.run import listening_socket
from spkid.serve.settings import Settings

MEMBERS = "api/v1/households/home/members"


@contextmanager
def started(place: str, *words: str):
    """The address of ``spkid serve`` in processes of its own, and the first one's number."""
    command = [sys.executable, "-W", "error", "-m", "spkid", "serve", "--store", place]
    with subprocess.Popen(
        [*command, "--port", "0", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.terminate()
            process.communicate(timeout=120)


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def patiently(client: httpx.Client, method: str, path: str, **body) -> httpx.Response | None:
    """The answer; None where the connection ended without one."""
    until = time.monotonic() + 120
    while True:
        try:
            return client.request(method, path, **body)
        except httpx.ConnectError:
            assert time.monotonic() < until
            time.sleep(0.05)
        except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
            return None


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_a_worker_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path, family_store):
    place = str(tmp_path / "store.sqlite3")
    shutil.copy(family_store, place)
    with (
        started(place, "--workers", "2") as (url, process),
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        assert client.get("api/v1/health").status_code == 200
        name, killed = "Ana", set()
        for number in range(60):
            if number in (15, 35):
                (victim, *_) = sorted(set(workers_of(process.pid)) - killed)
                killed.add(victim)
                os.kill(victim, signal.SIGKILL)
            wanted = f"Ana {number}"
            answer = patiently(client, "PATCH", f"{MEMBERS}/{name}", json={"name": wanted})
            if answer is None:  # it may have been done, or not
                own = patiently(client, "GET", "api/v1/households/home")
                names = [who["member"] for who in own.json()["members"]]
                assert names.count(wanted) + names.count(name) == 1
                name = wanted if wanted in names else name
            else:
                assert answer.status_code == 200, answer.text
                name = wanted
                with Store.open(place, create=False) as store:
                    assert wanted in {member.name for member in store.members("home")}
        assert len(killed) == 2
        text = patiently(client, "GET", "api/v1/metrics").text
        assert "spkid_requests_total" in text


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_a_worker_that_ends_before_it_serves_is_replaced_too(tmp_path):
    def another(known: set[int]) -> int:
        until = time.monotonic() + 50  # a worker has 60 s to give a sign of life
        while not (found := set(workers_of(process.pid)) - known):
            assert time.monotonic() < until
            time.sleep(0.1)
        return found.pop()

    with started(str(tmp_path / "store.sqlite3"), "--workers", "2") as (url, process):
        known = {another(set())}
        known.add(another(known))
        assert httpx.get(f"{url}api/v1/health", timeout=120).status_code == 200
        os.kill(min(known), signal.SIGKILL)
        fresh = another(known)
        os.kill(fresh, signal.SIGSTOP)
        time.sleep(2)  # it is asked for a sign of life meanwhile, and gives none
        os.kill(fresh, signal.SIGKILL)
        assert another(known | {fresh})
        assert httpx.get(f"{url}api/v1/health", timeout=120).status_code == 200


def test_workers_share_a_store_on_a_server(place_on_server, cast):
    with (
        started(place_on_server, "--workers", "2") as (url, _),
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        clip = cast["Ana"]["enroll"][0].read_bytes()
        path = f"{MEMBERS}/Ana/clips?consent=true"
        assert client.post(path, content=clip).json()["clips"][0]["accepted"]
        for _ in range(4):  # whichever worker answers
            with httpx.Client(base_url=url, timeout=120) as other:
                assert other.get(f"{MEMBERS}/Ana").json()["n_clips"] == 1
        refused = client.post("api/v1/backup")
        assert (refused.status_code, refused.json()["code"]) == (409, "on_server")


def test_a_worker_takes_one_connection_and_leaves_the_next_to_others():
    with listening_socket(Settings("none", port=0, workers=2)) as opened:
        opened.setblocking(False)
        with (
            socket.create_connection(opened.getsockname()),
            socket.create_connection(opened.getsockname()),
        ):
            for _ in range(2):
                opened.accept()[0].close()
                with pytest.raises(BlockingIOError):  # though the next one waits
                    opened.accept()


def test_no_core_waits_where_another_worker_has_no_client(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    threads = {workers: Settings("none", workers=workers).n_threads for workers in (1, 2, 4, 9)}
    assert threads == {1: 4, 2: 3, 4: 2, 9: 1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "without any token"),
        (["--public-name", "spkid.example"], "without any token"),
        (["--audit", "nowhere"], "no audit.json"),
        (["--workers", "0"], "one worker or more"),
    ],
)
def test_what_could_not_be_served_is_refused_at_once(spkid, words, said):
    code, out, err = spkid("serve", "--port", "0", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_port_that_is_taken_is_said(spkid):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = spkid("serve", "--port", taken.getsockname()[1])
    assert code == 2
    assert "choose another --port" in err


def test_without_the_extra_its_name_is_said(spkid, monkeypatch):
    monkeypatch.setattr("spkid.cli.serving.find_spec", lambda name: None)
    code, _, err = spkid("serve")
    assert code == 2
    assert "pip install 'spkid[serve]'" in err


def test_two_stores_have_two_folders_of_tokens():
    from spkid.serve.settings import tokens_beside

    address = "postgresql+psycopg://user:secret@host/"
    folders = {tokens_beside(place) for place in (f"{address}a", f"{address}b", "a.sqlite3")}
    assert len(folders) == 3
    assert tokens_beside(f"{address}a") in folders
    assert not any("secret" in str(folder) for folder in folders)


def test_a_token_is_told_once_listed_and_ended(spkid, tmp_path):
    import json

    code, out, err = spkid("token", "add", "--household", "home", "--label", "tablet")
    assert code == 0
    text = out.strip()
    own = text.split("_")[1]
    assert f"spkid token revoke {own}" in err
    folder = tmp_path / "store.sqlite3.tokens"
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert text not in file.read_text()
    listed = json.loads(spkid("token", "list", "--json")[1])
    assert [(row["id"], row["scope"], row["label"]) for row in listed] == [
        (own, "household", "tablet")
    ]
    assert "digest" not in listed[0]
    assert spkid("token", "revoke", own)[0] == 0
    assert spkid("token", "list", "--json")[1].strip() == "[]"
    assert spkid("token", "revoke", own)[0] == 2
    assert spkid("token", "revoke", "../store")[0] == 2
    assert spkid("token", "add")[0] == 2
    assert spkid("token", "add", "--all", "--auditor")[0] == 2
