"""What people and programs upload: cut, huge, slow, of the wrong kind; nothing of it harms."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile
from serving import served

from spkid.errors import SpkidError
from spkid.serve import run
from spkid.serve.settings import Limits
from spkid.serve.uploads import Bounds, decoded
from spkid.serve.work import Work

IDENTIFY = "api/v1/households/home/identify"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)


def silence(seconds: float, rate_hz: int = 16_000, n_channels: int = 1, kind: str = "WAV") -> bytes:
    """A file of nothing, as small as its kind lets it be."""
    samples = np.zeros((round(seconds * rate_hz), n_channels), dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind)
    return file.getvalue()


def peak_mb() -> float:
    """The most memory that this process held since it was last asked to forget."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024


def test_what_is_no_sound_is_refused_and_nothing_stops(running, cast):
    clip = cast["Ana"]["heard"][0].read_bytes()
    wav = silence(1.0)
    numbers = np.random.default_rng(0)
    uploads = {
        "text": b"hello",
        "zeros": bytes(100_000),
        "noise": numbers.bytes(100_000),
        "picture": PNG,
        "half a clip": clip[: len(clip) // 2],
        "a clip without its middle": clip[:2000] + clip[9000:],
        "a header alone": wav[:44],
        "a header that promises 4 GB": wav[:4] + b"\xff" * 4 + wav[8:40] + b"\xff" * 4 + wav[44:],
        "no channels": wav[:22] + bytes(2) + wav[24:],
        "65535 channels": wav[:22] + b"\xff\xff" + wav[24:],
        "a rate of 4 GHz": wav[:24] + b"\xff" * 4 + wav[28:],
    }
    with httpx.Client(base_url=running, timeout=60) as client:
        for name, content in uploads.items():
            answer = client.post(IDENTIFY, content=content)
            assert answer.status_code in (200, 422), (name, answer.text)
            if answer.status_code == 422:
                assert answer.json()["code"] in ("unreadable", "no_formats", "too_long"), name
            else:
                assert answer.json()["status"] != "known" or "clip" in name, name
        assert client.post(IDENTIFY, content=clip).json()["member"] == "Ana"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_a_small_file_that_holds_hours_costs_neither_memory_nor_time(running):
    bombs = [
        silence(3 * 3600, kind="FLAC"),
        silence(300, rate_hz=96_000, n_channels=8, kind="FLAC"),
    ]
    Path("/proc/self/clear_refs").write_text("5")
    before_mb = peak_mb()
    with httpx.Client(base_url=running, timeout=60) as client:
        for content in bombs:
            assert len(content) < 25_000_000
            answer = client.post(IDENTIFY, content=content)
            assert (answer.status_code, answer.json()["code"]) == (422, "too_long")
    assert peak_mb() - before_mb < 200


def test_decoding_takes_no_longer_than_it_may():
    with pytest.raises(SpkidError) as refused:
        decoded(silence(60), Bounds(longest_s=600, within_s=0.0))
    assert refused.value.code == "too_slow"
    with pytest.raises(SpkidError) as refused:
        decoded(silence(61), Bounds(longest_s=60, within_s=60))
    assert refused.value.code == "too_long"


def test_too_many_bytes_are_refused_before_they_are_read(settings):
    limits = Limits(upload_bytes=50_000)
    with served(replace(settings, port=0, limits=limits)) as url:
        answer = httpx.post(url + IDENTIFY, content=bytes(60_000), timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

        def endless():
            while True:
                yield bytes(10_000)

        try:
            answer = httpx.post(url + IDENTIFY, content=endless(), timeout=60)
            assert answer.status_code == 413
        except httpx.TransportError:
            pass  # the service had answered and hung up
        answer = httpx.patch(
            url + "api/v1/households/home", json={"name": "x" * 60_000}, timeout=60
        )
        assert answer.status_code == 413


def test_names_in_paths_and_forms_lead_nowhere(running):
    with httpx.Client(base_url=running, timeout=60) as client:
        for name in ("..%2F..%2Fetc%2Fpasswd", "%00", "%2e%2e%2f", "a" * 3000, "%F0%9F%98%80"):
            answer = client.post(f"api/v1/households/{name}/identify", content=b"x")
            assert answer.status_code in (404, 422), name
        form = {"file": ("../../etc/passwd", b"hello", "audio/wav")}
        assert client.post(IDENTIFY, files=form).json()["code"] == "unreadable"
        assert client.get("assets/..%2f..%2fsettings.py").status_code == 404
        assert client.get("assets/%2e%2e/%2e%2e/settings.py").status_code == 404
        headers = {"Content-Type": "multipart/form-data; boundary=" + "b" * 5000}
        assert client.post(IDENTIFY, content=b"--", headers=headers).status_code == 422
        headers = {"Content-Type": "multipart/form-data"}
        assert client.post(IDENTIFY, content=b"--", headers=headers).status_code == 422
        many = [("file", b"x")] * 3
        assert client.post(IDENTIFY, files=many).json()["code"] == "bad_input"


def raw(url: str) -> socket.socket:
    """A connection on which anything can be said."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=30)


def test_huge_and_broken_heads_are_refused(running):
    heads = [
        b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01" + bytes(200),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/v1/backup HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    ]
    for head in heads:
        with raw(running) as connection:
            try:
                connection.sendall(head)
                answer = connection.recv(100)
            except ConnectionError:
                continue
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4",)), head[:60]
    assert httpx.get(running + "api/v1/health", timeout=60).status_code == 200


def test_who_sends_slowly_is_let_go_and_keeps_nobody_waiting(settings, monkeypatch):
    monkeypatch.setattr(run, "HEADERS_S", 0.5)
    limits = Limits(upload_s=0.5)
    with served(replace(settings, port=0, limits=limits)) as url:
        httpx.get(url + "api/v1/health", timeout=60)
        begun = b"POST /api/v1/backup HTTP/1.1\r\nHost: localhost\r\n"
        with raw(url) as head, raw(url) as body:
            head.sendall(begun)
            body.sendall(
                b"POST /" + IDENTIFY.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 1000\r\n\r\nabc"
            )
            assert httpx.get(url + "api/v1/health", timeout=60).status_code == 200
            assert body.recv(20).startswith(b"HTTP/1.1 408")
            assert head.recv(20) == b""


def test_the_line_before_the_processor_does_not_grow():
    async def too_many() -> None:
        work, gate = Work("test", n_threads=1, n_waiting=1), threading.Event()
        first = asyncio.ensure_future(work.run(gate.wait))
        second = asyncio.ensure_future(work.run(lambda: "done"))
        await asyncio.sleep(0)
        with pytest.raises(SpkidError) as refused:
            await work.run(lambda: None)
        assert refused.value.code == "overloaded"
        gate.set()
        assert await second == "done"
        await first
        assert await work.run(lambda: "again") == "again"
        work.close()

    asyncio.run(too_many())


class Gone:
    """A request whose caller has hung up."""

    async def receive(self):
        return {"type": "http.disconnect"}


def test_what_nobody_waits_for_is_not_begun():
    begun = []

    async def hang_up() -> None:
        work, gate = Work("test", n_threads=1, n_waiting=5), threading.Event()
        first = asyncio.ensure_future(work.run(gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(SpkidError) as refused:
            await work.run(lambda: begun.append(1), Gone())
        assert refused.value.code == "hung_up"
        gate.set()
        await first
        work.close()

    asyncio.run(hang_up())
    assert begun == []


def test_what_is_begun_holds_its_place_until_it_is_done():
    async def hang_up() -> None:
        work = Work("test", n_threads=1, n_waiting=0)
        begun, gate = threading.Event(), threading.Event()

        def begin() -> str:
            begun.set()
            gate.wait()
            return "done"

        first = asyncio.ensure_future(work.run(begin, Gone()))
        await asyncio.to_thread(begun.wait)
        for _ in range(5):
            await asyncio.sleep(0)  # it is noticed that nobody is there
        n_under_way = work.n_under_way
        gate.set()
        assert n_under_way == 1
        assert await first == "done"
        work.close()

    asyncio.run(hang_up())


def test_large_uploads_share_what_may_be_held(settings):
    limits = Limits(small_bytes=1_000, held_bytes=50_000, upload_s=20)
    with served(replace(settings, port=0, limits=limits)) as url:
        httpx.get(url + "api/v1/health", timeout=60)
        with raw(url) as large:
            large.sendall(
                b"POST /" + IDENTIFY.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 90000\r\n\r\n" + bytes(45_000)
            )
            until = time.monotonic() + 20
            statuses = set()
            while time.monotonic() < until and 503 not in statuses:
                statuses.add(
                    httpx.post(url + IDENTIFY, content=bytes(20_000), timeout=60).status_code
                )
            assert 503 in statuses
            small = httpx.post(url + IDENTIFY, content=bytes(900), timeout=60)
            assert small.status_code in (404, 422)
