"""Where a result comes from: when it was made, with what, of which files and by which command."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from spkid import __version__
from spkid.files import open_regular

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Source:
    """What was read; ``sha256`` is that of the file, empty for a table in memory."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Origin:
    """``made_at`` is in UTC; ``command`` is what was typed, or called in Python."""

    made_at: str
    versions: dict[str, str]
    sources: tuple[Source, ...]
    command: str

    def facts(self) -> list[tuple[str, str]]:
        """The head of a page: names and words."""
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        read = [
            (each.role, each.name + (f" (sha256 {each.sha256[:16]}…)" if each.sha256 else ""))
            for each in self.sources
        ]
        return [("made", self.made_at), ("with", versions), *read, ("command", self.command)]


def origin_of(function: str, sources: Mapping[str, Any], options: Mapping[str, Any]) -> Origin:
    """The origin of a call of ``function``: what it reads, by role, and its further options."""
    given = {role: source for role, source in sources.items() if source is not None}
    call = [_shown(source) for source in given.values()]
    call += [
        f"{name}={_shown(value)}"
        for name, value in options.items()
        if value is not None and value != ()
    ]
    return Origin(
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        versions={
            "spkid": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        sources=tuple(_source(role, source) for role, source in given.items()),
        command=f"spkid.{function}({', '.join(call)})",
    )


def renamed(origin: Origin | None, command: str) -> Origin | None:
    """``origin`` with another command."""
    return None if origin is None else replace(origin, command=command)


def _source(role: str, source: Any) -> Source:
    if not isinstance(source, (str, Path)):
        return Source(role, "in memory", "")
    digest = hashlib.sha256()
    with open_regular(source, at_most=sys.maxsize) as file:  # it was read before, within a limit
        while part := file.read(1 << 20):
            digest.update(part)
    return Source(role, Path(source).name, digest.hexdigest())


def _shown(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return f"<{len(value):,} rows>"
    return repr(str(value) if isinstance(value, Path) else value)
