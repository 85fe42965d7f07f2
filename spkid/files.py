"""Files: written whole or not at all, onto nothing that matters, and read up to a limit."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from spkid.errors import SpkidError
from spkid.shown import visible_json

MEGABYTE = 1_000_000
LARGEST_TABLE = 2_000 * MEGABYTE  # score files, manifests, vectors, weights
LARGEST_TEXT = 100 * MEGABYTE  # settings, calibrations, records
# how a SQLite database, its log and its index of the log begin; an index of spkid, or a key
STORE_OR_KEY = re.compile(
    rb"SQLite format 3\0|\x37\x7f\x06[\x82\x83]|\x18\xe2\x2d\0|[0-9a-fA-F]{64}(?:\s|\Z)"
)


def why_unreadable(error: Exception) -> str:
    """What kept a file from being read, on one line."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__


class _Limited(io.RawIOBase):
    """A file that is refused where more is read from it than it may hold."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._file, self._limit = io.FileIO(descriptor), limit

    def readinto(self, buffer: Any) -> int | None:
        n_read = self._file.readinto(buffer)
        if self._file.tell() > self._limit:
            raise _too_large(self._limit)
        return n_read

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


def open_regular(path: str | Path, *, at_most: int = LARGEST_TABLE) -> BinaryIO:
    """The file at ``path`` to read, of at most so many bytes, also if it grows meanwhile.

    Raises
    ------
    OSError
        If there is none, it cannot be read, is larger, or is something that may never end: a
        pipe, a device, a socket, a folder.
    """
    # a pipe that nobody writes to would keep open() waiting
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if found.st_size > at_most:
            raise _too_large(at_most)
    except BaseException:
        os.close(descriptor)
        raise
    return io.BufferedReader(_Limited(descriptor, at_most), 1 << 16)


def _too_large(limit: int) -> OSError:
    size = f"{limit // MEGABYTE} MB" if limit >= MEGABYTE else f"{limit} bytes"
    return OSError(errno.EFBIG, f"larger than {size}")


def read_text(path: str | Path, *, at_most: int = LARGEST_TEXT) -> str:
    """UTF-8 text; errors as :func:`open_regular`, and ValueError where it is none."""
    with open_regular(path, at_most=at_most) as file:
        return file.read().decode("utf-8")


def parse_json(text: str) -> Any:
    """What JSON ``text`` holds; ValueError where it is none or nested without end."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_output(path: str | Path, *others: str | Path | None) -> None:
    """Refuse to write to ``path`` where something stands that must not be replaced.

    Parameters
    ----------
    others : str, Path or None
        What the work reads: files, or folders; beside what lies in one, nothing may be written,
        but in a folder inside it, such as that of an earlier run.

    Raises
    ------
    SpkidError
        If ``path`` is one of ``others``, a store, one of its files or a key, a folder, a device
        or in a folder that is not there.
    """
    target = Path(path)
    place = target.resolve()
    for own in (Path(other).resolve() for other in others if other):
        if own == place or (own.is_dir() and own == place.parent) or _is_same(own, place):
            raise _refused(target, "is read by this very command")
    try:
        if not target.parent.is_dir():
            raise _refused(target, "no such folder to write to")
        # /dev/stdout may lead to a file, but is itself a link that all programs share
        folder = target.parent.resolve()
        is_shared = folder == Path("/dev") or Path("/proc") in folder.parents
        if is_shared or (target.exists() and not target.is_file()):
            raise _refused(target, "a folder or a device")
        if target.exists() and (_is_in_use(place) or STORE_OR_KEY.match(_start_of(target))):
            raise _refused(target, "a store, one of its files or a key")
    except OSError as error:
        raise _refused(target, why_unreadable(error)) from error


def _is_in_use(place: Path) -> bool:
    """Whether it is a SQLite file that is open: to read it here would break its locks.

    They are the process's, and go as soon as it closes the file, however it was opened.
    """
    return place.name.endswith("-shm") or place.with_name(f"{place.name}-shm").exists()


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(65)


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are names of one file."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _refused(path: Path, reason: str) -> SpkidError:
    return SpkidError(
        f"{path}: {reason}",
        expected="a file to write to",
        do="choose another place for it; nothing was changed",
        code="unwritable",
    )


@contextmanager
def whole_file(path: str | Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """A new file to write to, which stands at ``path`` at the end.

    It is made beside ``path`` under a name that nobody can foresee, and nobody's link is
    followed. If anything fails, it is removed and what stood at ``path`` is as before.

    Parameters
    ----------
    private : bool
        For the owner alone to read; else as the file before it, or as new files are.

    Raises
    ------
    SpkidError
        If it cannot be written, or as :func:`check_output`.
    """
    target = Path(path)
    check_output(target)
    before = target.stat().st_mode if target.exists() else None
    try:
        with _beside(target, 0o600 if private else 0o666) as file:
            if before is not None and not private and os.chmod in os.supports_fd:
                os.chmod(file.fileno(), stat.S_IMODE(before))
            yield file
            _flush(file)
            os.replace(file.name, target)
            _flush_folder(target.parent)
    except OSError as error:
        raise _refused(target, why_unreadable(error)) from error


@contextmanager
def written_new(path: Path) -> Iterator[Path]:
    """As :func:`whole_file`, by its path and for this user alone; it replaces no other file.

    Raises
    ------
    FileExistsError
        If there is a file at ``path`` by then; OSError as the system says.
    """
    with _beside(path, 0o600) as file:
        yield Path(file.name)
        _flush(file)
        try:
            os.link(file.name, path)  # unlike renaming, it replaces nothing
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as that of most memory sticks
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
            os.rename(file.name, path)
        _flush_folder(path.parent)


@contextmanager
def _beside(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A file that was not there before, beside ``path``; what is left under its name goes."""
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    opened = open(  # noqa: SIM115 - Path.open takes no opener
        beside, "x+b", opener=lambda name, flags: os.open(name, flags, mode)
    )
    with opened:
        try:
            yield opened
        finally:
            beside.unlink(missing_ok=True)


def _flush(file: BinaryIO) -> None:
    """What was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """The new name is on the disk; not every system lets a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
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


def write_text(path: str | Path, text: str) -> None:
    """``text`` as UTF-8, names of files in it as their bytes; errors as :func:`whole_file`."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """``texts`` by file name: all on the disk before the first is put in its place.

    Raises
    ------
    SpkidError
        As :func:`whole_file`; what stood in ``folder`` is as before.
    """
    with ExitStack() as files:
        for name, text in texts.items():
            file = files.enter_context(whole_file(folder / name))
            file.write(text.encode("utf-8", "surrogateescape"))
            _flush(file)
    return [folder / name for name in texts]


def made_folder(path: str | Path) -> Path:
    """``path`` as a folder to write to, made where it does not exist.

    Raises
    ------
    SpkidError
        If it cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpkidError(
            f"{folder}: {why_unreadable(error)}",
            expected="a folder to write to",
            do="choose another folder",
            code="unwritable",
        ) from error
    return folder


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


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """Dataclasses and figures as JSON text, on one line without ``indent``.

    NaN and infinity become null.
    """
    text = json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return visible_json(text)
