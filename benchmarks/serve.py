"""How many answers a second the service gives, beside the most that its cores could.

    python -m benchmarks.serve [--seconds 60]

A home of three, clips of three seconds (WAV), `spkid serve` on loopback with a worker for each
core, and 1, 8 and 32 clients, each of which always waits for one answer. The *floor* is one answer
in this process, decoding included: its time, before and after each load, and `min(clients, cores)`
over it is the most that could be answered if HTTP cost nothing and nothing else ran. Where other
programs take the cores, only `share_of_cpu` says something of the service: the processor time of an
answer without it over that of an answer by it.

At the end eight clients go on while two people get new names, one after the other, and worker
processes are killed (`kill -9`) and come back: what was acknowledged must be in the store.
"""

from __future__ import annotations

import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

import spkid
from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.load import load, request_of
from benchmarks.pages.system_tables import serve
from enrollment import Household, Store
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio

DEMO = Path(spkid.__file__).parent / "demo"
N_CLIENTS = (1, 8, 32)
N_FLOOR = 8
KILL_EVERY_S = 5.0
IDENTIFY = "/api/v1/households/home/identify"


def three_seconds(path: Path) -> bytes:
    """The clip's first three seconds, as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, load_audio(path)[: 3 * SAMPLE_RATE_HZ], SAMPLE_RATE_HZ, format="WAV")
    return file.getvalue()


def enrolled(place: Path) -> bytes:
    """Make the home; a clip of one of its members."""
    people = json.loads((DEMO / "cast.json").read_text())[:3]
    with Store.open(place) as store:
        home = Household(store, "home")
        for person in people:
            clips = [DEMO / "clips" / f"{name}.opus" for name in person["enroll"]]
            home.enroll(person["name"], clips, consent=True)
    return three_seconds(DEMO / "clips" / f"{people[0]['heard'][0]}.opus")


@dataclass(frozen=True)
class Floor:
    """One answer without a service: milliseconds by the clock, and of a core."""

    clock_ms: float
    cpu_ms: float


def floor_of(home: Household, clip: bytes) -> Floor:
    """What one answer takes here, decoding included."""
    taken, started = [], time.process_time()
    for _ in range(N_FLOOR):
        begun = time.perf_counter()
        home.identify(clip)
        taken.append(1000 * (time.perf_counter() - begun))
    return Floor(statistics.median(taken), 1000 * (time.process_time() - started) / N_FLOOR)


@contextmanager
def served(place: Path, workers: int) -> Iterator[tuple[str, int]]:
    """The address of a service that is warm, and its process."""
    command = [sys.executable, "-m", "spkid", "serve", "--store", str(place), "--port", "0"]
    with subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1].rstrip("/")
            call(url, "GET", "/api/v1/health")
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(60)


def call(url: str, method: str, path: str, body: bytes = b"") -> Any:
    """What the service answers, as an error where it is one."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, body or None, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def workers_of(pid: int) -> list[int]:
    """The worker processes, without the helper that Python's multiprocessing keeps."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def cpu_ms(pids: list[int]) -> float:
    """Milliseconds that these processes have had of the cores."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def renamed(url: str, name: str, until: float, acknowledged: dict[str, str]) -> Callable[[], None]:
    """Give one person name after name; the last that was acknowledged is noted."""

    def work() -> None:
        current, number = name, 0
        while time.monotonic() < until:
            number += 1
            wanted = f"{name} {number}"
            body = json.dumps({"name": wanted}).encode()
            path = f"/api/v1/households/home/members/{current.replace(' ', '%20')}"
            try:
                current = call(url, "PATCH", path, body)["member"]
            except urllib.error.HTTPError:
                raise
            except OSError:  # the connection ended: it was done, or not
                names = [who["member"] for who in call_patiently(url)["members"]]
                current = wanted if wanted in names else current
            acknowledged[name] = current

    return work


def call_patiently(url: str) -> Any:
    """The home, asked until somebody answers."""
    while True:
        try:
            return call(url, "GET", "/api/v1/households/home")
        except OSError:
            time.sleep(0.05)


def killed(url: str, pid: int, request: bytes, place: Path, seconds: float) -> Figures:
    """Load and renaming while workers are killed; then the store beside what was acknowledged."""
    until = time.monotonic() + seconds
    acknowledged: dict[str, str] = {}
    names = [who["member"] for who in call_patiently(url)["members"]][:2]
    n_killed = 0

    def kill() -> None:
        nonlocal n_killed
        while time.monotonic() < until - KILL_EVERY_S:
            time.sleep(KILL_EVERY_S)
            own = workers_of(pid)
            if len(own) > 1:
                os.kill(own[n_killed % len(own)], signal.SIGKILL)
                n_killed += 1

    with ThreadPoolExecutor() as threads:
        others = [threads.submit(renamed(url, name, until, acknowledged)) for name in names]
        others.append(threads.submit(kill))
        answers = load(url, request, n_clients=8, seconds=seconds)
        for other in others:
            other.result()
    call_patiently(url)
    with Store.open(place, create=False) as store:
        there = {member.name for member in store.members("home")}
    return {
        **answers.figures(),
        "n_killed": n_killed,
        "n_renamings": sum(int(name.split()[-1]) for name in acknowledged.values()),
        "n_lost": sum(name not in there for name in acknowledged.values()),
    }


def measure(seconds: float = 60.0) -> Figures:
    """Answers a second, milliseconds, and shares of the floor."""
    n_cores = len(os.sched_getaffinity(0))
    figures: Figures = {"n_cores": n_cores, "seconds": seconds, "loads": {}}
    figures["load_average_before"] = round(os.getloadavg()[0], 1)  # of other programs
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store.sqlite3"
        clip = enrolled(place)
        with Store.open(place) as store, served(place, n_cores) as (url, pid):
            home, request = Household(store, "home"), request_of(url, "POST", IDENTIFY, clip)
            load(url, request, n_clients=2 * n_cores, seconds=3.0)  # each worker's first answers
            for n_clients in N_CLIENTS:
                before, pids = floor_of(home, clip), workers_of(pid)
                used_ms = cpu_ms(pids)
                found = load(url, request, n_clients=n_clients, seconds=seconds).figures()
                used_ms = (cpu_ms(pids) - used_ms) / found["n_answers"]
                after = floor_of(home, clip)
                clock_ms = (before.clock_ms + after.clock_ms) / 2
                own_ms = (before.cpu_ms + after.cpu_ms) / 2
                most = 1000 * min(n_clients, n_cores) / clock_ms
                figures["loads"][str(n_clients)] = {
                    **found,
                    "floor_ms": round(clock_ms, 1),
                    "most_a_second": round(most, 2),
                    "share_of_most": round(found["answers_a_second"] / most, 3),
                    "floor_cpu_ms": round(own_ms, 1),
                    "cpu_ms": round(used_ms, 1),
                    "share_of_cpu": round(own_ms / used_ms, 3),
                }
            figures["killed"] = killed(url, pid, request, place, max(seconds, 3 * KILL_EVERY_S))
    return figures


BENCHMARK = Benchmark("serve", measure, (serve,))

if __name__ == "__main__":
    BENCHMARK.main()
