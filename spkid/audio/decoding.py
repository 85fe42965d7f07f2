"""A sound file opened: its rate, its channels and its samples, block by block."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spkid.audio.containers import is_cut_short, unfinished_wav
from spkid.audio.streams import mp3_knows_its_length

if TYPE_CHECKING:
    import soundfile

BLOCK_S = 30.0
MAX_BLOCK_VALUES = 2**23  # of 4 bytes each
UNKNOWN = b"\xff\xff\xff\xff"
UNKNOWN_FRAMES = 2**62  # libsndfile says 2**63 - 1 of a FLAC that was streamed


class CannotDecode(Exception):
    """No sound, or damaged; the text says what is wrong."""


@dataclass(frozen=True)
class Decoded:
    """``blocks`` are float32 ``[samples, channels]``, each to be used before the next is asked for.

    ``promised`` is how many samples there are at least, by what the container says: a file
    that says nothing of it has one.
    """

    rate_hz: float
    n_channels: int
    blocks: Iterator[NDArray[np.float32]]
    promised: float


@contextmanager
def libsndfile(raw: BinaryIO) -> Iterator[Decoded]:
    """What ``raw`` reads, decoded.

    Raises
    ------
    CannotDecode
        If it is not audio, damaged, or ends before its container says.
    """
    import soundfile

    if is_cut_short(raw):
        raise CannotDecode("truncated audio")
    try:
        is_guessed = not mp3_knows_its_length(raw)
        with _opened(raw) as file:
            # of an MP3 libsndfile may guess the length; an Ogg was followed page by page
            promises = file.format != "OGG" and not (file.format == "MP3" and is_guessed)
            promises &= file.frames < UNKNOWN_FRAMES
            promised = max(file.frames, 1) if promises else 1
            yield Decoded(file.samplerate, file.channels, _blocks(file), promised)
    except (soundfile.LibsndfileError, RuntimeError, OSError, TypeError) as error:
        raise CannotDecode("not audio, or damaged") from error


def _opened(raw: BinaryIO) -> soundfile.SoundFile:
    import soundfile

    place = unfinished_wav(raw)
    if place is not None:
        return soundfile.SoundFile(_LengthUnknown(raw, place))
    if isinstance(raw, io.FileIO):
        os.lseek(raw.fileno(), 0, os.SEEK_SET)
        return soundfile.SoundFile(raw.fileno(), closefd=False)
    raw.seek(0)
    return soundfile.SoundFile(raw)


def _blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    # read once from front to back: after each block, soundfile would seek to where it is already,
    # which a streamed FLAC refuses at its end
    file.seekable = lambda: False
    n_block = int(min(BLOCK_S * file.samplerate, MAX_BLOCK_VALUES / file.channels))
    block = np.empty((max(n_block, 1), file.channels), dtype=np.float32)
    while len(samples := file.read(out=block)):
        yield samples


class _LengthUnknown(io.RawIOBase):
    """A WAV whose header says that it holds nothing, read as one of unknown length."""

    def __init__(self, raw: BinaryIO, place: int) -> None:
        self._raw, self._place = raw, place
        raw.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        begin = self._raw.tell()
        piece = bytearray(self._raw.read(len(buffer)))
        for place, value in enumerate(UNKNOWN, start=self._place - begin):
            if 0 <= place < len(piece):
                piece[place] = value
        buffer[: len(piece)] = piece
        return len(piece)
