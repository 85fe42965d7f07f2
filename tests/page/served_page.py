"""The page as a person has it: a service, a browser, and a microphone that plays clips."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import soundfile
import soxr
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect

from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio

PHONE = {"width": 390, "height": 844}
MICROPHONE_HZ = 48_000
SERIOUS = ("serious", "critical")


@contextlib.contextmanager
def serving(store: Path, *options: str) -> Iterator[str]:
    """``spkid serve`` on a free port; yields the address of the page."""
    command = [sys.executable, "-m", "spkid", "serve", "--port", "0", *options]
    environment = {**os.environ, "SPKID_STORE": str(store)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(60)


class Microphone:
    """What the browser takes for its microphone: a file that it reads anew at each recording."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def play(self, clip: Path, *, at_most_s: float) -> float:
        """Have the beginning of ``clip`` heard from now on; how long it is, in seconds."""
        samples = load_audio(clip)[: int(at_most_s * SAMPLE_RATE_HZ)]
        sound = soxr.resample(samples, SAMPLE_RATE_HZ, MICROPHONE_HZ)
        soundfile.write(self.path, sound, MICROPHONE_HZ, subtype="PCM_16")
        return len(samples) / SAMPLE_RATE_HZ

    def launch(self, playwright: Playwright, executable: str) -> Browser:
        """A browser with this microphone, which lets every page use it."""
        return playwright.chromium.launch(
            executable_path=executable,
            args=[
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={self.path}%noloop",
                "--use-fake-ui-for-media-stream",
            ],
        )


class Complaints:
    """Whatever the browser logs as an error or a warning, or a page throws."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.text} {message.location}")


def expect_told(page: Page, words: str) -> None:
    """That the page says so, to a screen reader too."""
    said = page.get_by_role("status").filter(has_text=re.compile(re.escape(words)))
    expect(said.first).to_be_visible()


def faults(page: Page) -> list[str]:
    """What axe finds that keeps somebody out."""
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes']]}"
        for fault in Axe().run(page).response["violations"]
        if fault["impact"] in SERIOUS
    ]


def fits(page: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")
