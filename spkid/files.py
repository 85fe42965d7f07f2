"""Files that are either whole or not there: written beside and renamed."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spkid.errors import SpkidError


def why_unreadable(error: Exception) -> str:
    """What kept a file from being read, on one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end.

    If anything fails, what was written is removed and ``path`` is as before.
    """
    beside = path.with_name(path.name + ".part")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def folder_for(path: str | Path) -> Iterator[Path]:
    """``path`` as a folder to write to, made where it does not exist.

    Raises
    ------
    SpkidError
        If the folder, or a file that is written inside the ``with``, cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        raise SpkidError(
            f"{folder}: {error.strerror or error}",
            expected="a folder to write to",
            do="choose another folder",
        ) from error


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """JSON has no NaN: unknown figures become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(value: Any) -> str:
    """Dataclasses and figures as JSON text; NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
