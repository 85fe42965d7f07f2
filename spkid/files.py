"""Files that are either whole or not there: written beside and renamed."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
def written_new(path: Path) -> Iterator[Path]:
    """A file for this user alone to write to, which becomes ``path`` at the end.

    It never takes the place of another file. If anything fails, nothing is left of it.

    Raises
    ------
    FileExistsError
        If there is a file at ``path`` by then.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        _flush(beside)
        try:
            os.link(beside, path)  # unlike renaming, it replaces nothing
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as that of most memory sticks
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            os.rename(beside, path)
        _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """What was written to the file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_private(path: Path) -> None:
    """Take from others whatever they may do with the file at ``path``, if there is one.

    One that belongs to another user is left as it is: that user decides who may read it.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        if mode & 0o077:
            path.chmod(mode & 0o700)


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
