"""Pages as PDF files, printed by an installed Chromium, Chrome or Edge.

What it prints is tagged (headings, tables, what pictures show), so that a screen reader can read
it, and looks as the page does in a browser.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from spkid.errors import SpkidError
from spkid.files import made_folder, whole_file, write_texts

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "msedge"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
QUIET = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a page needs nothing from outside
)
LONGEST_S = 180.0


def find_browser() -> str | None:
    """Path of an installed browser that prints, ``$SPKID_CHROMIUM`` first; None without one."""
    named = os.environ.get("SPKID_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def need_browser() -> str:
    """The browser that prints.

    Raises
    ------
    SpkidError
        If there is none.
    """
    found = find_browser()
    if found is None:
        raise SpkidError(
            "no browser to print a PDF with",
            expected="Chromium, Chrome or Edge on the path, or its path in SPKID_CHROMIUM",
            do="install one (apt install chromium), or open the page and print it",
        )
    return found


def printed(page: Path, *, limit_s: float = LONGEST_S) -> bytes:
    """The HTML file ``page`` as a tagged PDF.

    Raises
    ------
    SpkidError
        If no browser is there, or it does not print within ``limit_s`` seconds.
    """
    browser = need_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        written = Path(folder) / "page.pdf"
        command = [browser, *QUIET, f"--user-data-dir={folder}/profile", "--no-pdf-header-footer"]
        command += ["--generate-pdf-document-outline", f"--print-to-pdf={written}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium has none for root
        try:
            said = subprocess.run(
                [*command, page.resolve().as_uri()],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            ).stderr.strip()
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        if not written.exists():
            last = (said.splitlines() or ["it said nothing"])[-1]
            raise SpkidError(
                f"{browser} printed no PDF: {last}",
                expected="a Chromium that prints with --print-to-pdf",
                do="set SPKID_CHROMIUM to another one, or open the page and print it",
            )
        return written.read_bytes()


def write_page(files: Mapping[str, str], folder: str | Path, *, pdf: bool) -> Path:
    """Write ``files`` by name, the page first, and with ``pdf`` the page as PDF; the page's path.

    Raises
    ------
    SpkidError
        If ``folder`` cannot be written to; or as :func:`printed`, before anything is written
        where there is no browser.
    """
    if pdf:
        need_browser()
    page = write_texts(made_folder(folder), files)[0]
    if pdf:
        content = printed(page)
        with whole_file(page.with_suffix(".pdf")) as file:
            file.write(content)
    return page
