"""What people and programs give to be heard: files by name, pipes, open files, bytes, samples."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.errors import BadAudio
from spkid.files import why_unreadable

STANDARD_INPUT = "-"
LARGEST_STREAM_BYTES = 2**28  # a pipe or an open file is held in memory
READ_BYTES = 2**20
HIGHEST_FLOAT = 100.0  # full scale is 1: floats beyond this are integers that nobody scaled
INTEGER_BYTES = (2, 4)

Samples = tuple[ArrayLike, float]
"""Samples ``[n]`` or ``[n, channels]`` and their rate in Hz."""
Source = str | Path | bytes | BinaryIO | NDArray[Any] | Sequence[float] | Samples


@dataclass(frozen=True)
class SoundFile:
    """A file to decode, open at any place; ``name`` is for messages.

    ``is_lasting`` where the source can be opened anew, later.
    """

    name: str
    raw: BinaryIO = field(repr=False)
    is_lasting: bool


@dataclass(frozen=True)
class SoundArray:
    """Samples as they came, float32 ``[n, channels]`` with full scale at 1."""

    name: str
    samples: NDArray[np.float32] = field(repr=False)
    rate_hz: float
    is_lasting: bool = False


Sound = SoundFile | SoundArray


def unreadable(name: str, reason: str) -> BadAudio:
    """The error for a file that cannot be heard."""
    return BadAudio(
        f"{name}: {reason}",
        expected="a readable audio file (wav, flac, mp3, ogg or opus)",
        do="check the path or convert the file",
        code="unreadable",
    )


def is_one_sound(given: object) -> bool:
    """Whether ``given`` is surely one source and no list of them."""
    one = (str, Path, bytes, bytearray, memoryview)
    return isinstance(given, one) or hasattr(given, "read") or hasattr(given, "__array__")


@contextmanager
def opened(source: Source) -> Iterator[Sound]:
    """``source`` ready to be decoded, more than once where the caller wants to.

    Parameters
    ----------
    source : path, bytes, open binary file, array, or samples and their rate
        ``"-"`` is standard input. What cannot be read twice is held in memory, up to 256 MiB.
        Files that can seek are read from their beginning. A bare array is mono, of floats and
        16 kHz; all other samples come with their rate, ``(samples, rate_hz)``.

    Raises
    ------
    BadAudio
        If it is missing, forbidden, empty, too large, or no such thing.
    """
    if isinstance(source, str | Path):
        with _opened_path(source) as sound:
            yield sound
    elif isinstance(source, bytes | bytearray | memoryview):
        yield _whole("bytes", io.BytesIO(source))
    elif hasattr(source, "read"):
        yield _open_file(source)
    else:
        yield _samples(source)


@contextmanager
def _opened_path(path: str | Path) -> Iterator[SoundFile]:
    name = str(path)
    if name == STANDARD_INPUT:
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None or sys.stdin.isatty():
            raise unreadable("standard input", "nothing is piped in")
        yield _whole("standard input", _held(stream, "standard input"))
        return
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise unreadable(name, "no such file") from error
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise unreadable(name, "neither a file nor a pipe")
    if not os.access(path, os.R_OK):
        raise unreadable(name, "no permission to read it")
    try:
        with Path(path).open("rb", buffering=0) as raw:
            if stat.S_ISFIFO(mode):
                yield _whole(name, _held(raw, "the pipe"))
            else:
                yield _whole(name, raw, is_lasting=True)
    except OSError as error:
        raise unreadable(name, "not audio, or damaged") from error


def _open_file(file: Any) -> SoundFile:
    name = getattr(file, "name", None)  # an int where the file was opened by its number
    shown = name if isinstance(name, str) else "an open file"
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        held = _held(file, "the file")
    except (OSError, ValueError) as error:  # closed, opened to write only, or its other end is gone
        raise unreadable(shown, why_unreadable(error)) from error
    return _whole(shown, held)


def _whole(name: str, raw: BinaryIO, *, is_lasting: bool = False) -> SoundFile:
    if raw.seek(0, io.SEEK_END) == 0:
        raise unreadable(name, "an empty file")
    return SoundFile(name, raw, is_lasting)


def _held(stream: Any, what: str) -> BinaryIO:
    """All that ``stream`` gives, in memory."""
    held = io.BytesIO()
    while piece := stream.read(READ_BYTES):
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise _bad_sound("a file opened as text", "open it with mode 'rb'")
        held.write(piece)
        if held.tell() > LARGEST_STREAM_BYTES:
            raise BadAudio(
                f"{what}: more than {LARGEST_STREAM_BYTES // 2**20} MiB",
                expected="less, for it is held in memory",
                do="write it to a file and give its path",
                code="too_long",
            )
    return held


def _samples(source: object) -> SoundArray:
    if isinstance(source, tuple):
        if len(source) != 2 or not isinstance(source[1], Real):
            raise _bad_sound(f"a tuple of {len(source)}", "give (samples, rate_hz)")
        samples, rate_hz = _numbers(source[0]), float(source[1])
    else:
        samples, rate_hz = _numbers(source), 16_000.0
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise BadAudio(
                f"samples of type {samples.dtype} and shape {samples.shape} without their rate",
                expected="(samples, rate_hz), or mono floats at 16 kHz as load_audio gives them",
                do="say at which rate they were recorded",
                code="no_rate",
            )
    if samples.ndim not in (1, 2):
        raise BadAudio(
            f"an array of shape {samples.shape}",
            expected="[samples] or [samples, channels]",
            do="give one recording at a time",
            code="bad_shape",
        )
    scaled = samples.astype(np.float32)
    if samples.dtype.kind == "i":
        scaled = (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    elif not np.isfinite(scaled).all():
        raise BadAudio(
            "samples that are NaN or infinite",
            expected="finite samples",
            do="check how the waveform was made",
            code="not_finite",
        )
    elif scaled.size and (highest := float(np.abs(scaled).max())) > HIGHEST_FLOAT:
        raise _bad_sound(
            f"float samples up to {highest:,.0f}",
            "give the integers themselves, or divide by their full scale",
        )
    return SoundArray("waveform", scaled if scaled.ndim == 2 else scaled[:, None], rate_hz)


def _numbers(given: object) -> NDArray[Any]:
    """``given`` as an array of a type whose full scale is known."""
    try:
        samples = np.asarray(given)
    # a list of lists of different lengths, for one, or a tensor that keeps its gradient
    except (TypeError, ValueError, RuntimeError) as error:
        raise _bad_sound(f"a {type(given).__name__}", "give an array of numbers") from error
    kind, n_bytes = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f" or (kind == "i" and n_bytes in INTEGER_BYTES):
        return samples
    what = f"a {type(given).__name__}"
    if kind in "iu":
        what += f" of {samples.dtype} numbers, whose full scale is not known"
    raise _bad_sound(what, "give an array of int16, int32 or floats")


def _bad_sound(got: str, do: str) -> BadAudio:
    return BadAudio(
        got,
        expected="a path, an open binary file, bytes of a file, or samples with full scale at 1",
        do=do,
        code="bad_sound",
    )
