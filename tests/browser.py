"""A real browser for the tests: opens a file and says what it logged, asked for and shows.

Chromium is driven over a pipe (its DevTools protocol, one JSON object a NUL byte), so that
nothing but the browser itself is needed.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)


@dataclass
class Seen:
    """What happened while a page was open; ``answers`` are the values of the scripts."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answers: list = field(default_factory=list)


class Browser:
    """One headless Chromium; use as a context manager."""

    def __init__(self, executable: str, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # the browser reads its file descriptor 3 and writes 4
        redirect = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        flags = (*FLAGS, f"--user-data-dir={profile}", "about:blank")
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", executable, *flags],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._reader = os.fdopen(self._in, "rb")
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self._seen = Seen()
        self._loaded = False

    def __enter__(self) -> Browser:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reader.close()
        os.close(self._out)

    def _message(self) -> dict:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self._rest += part
        first, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(first)
        self._note(message)
        return message

    def _note(self, message: dict) -> None:
        kind, said = message.get("method"), message.get("params", {})
        if kind == "Network.requestWillBeSent":
            self._seen.requests.append(said["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self._seen.errors.append(said["exceptionDetails"]["text"])
        elif kind == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self._seen.errors.append(str(said["args"]))
        elif kind == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self._seen.errors.append(said["entry"]["text"])
        elif kind == "Page.loadEventFired":
            self._loaded = True

    def _call(self, method: str, **parameters: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, path: Path, *scripts: str, width: int = 1200, limit_s: float = 60.0) -> Seen:
        """Load ``path`` at a window of ``width`` and evaluate ``scripts`` on it."""
        self._seen, self._loaded = Seen(), False
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._call("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + limit_s
        while not self._loaded and time.monotonic() < end:
            self._message()
        for script in scripts:
            value = self._call("Runtime.evaluate", expression=script, returnByValue=True)
            self._seen.answers.append(value["result"].get("value"))
        return self._seen

    def picture(self, width: int, height: int) -> bytes:
        """The top of the open page, as the bytes of a PNG file."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        return base64.b64decode(shot["data"])
