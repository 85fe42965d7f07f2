"""Is a sound file all there? Its own header is asked: libsndfile mends lengths without a word.

A container that states no length cannot be found out: raw streams, headers that a program left
at "unknown", and the formats not named here.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO, Literal

from spkid.audio.streams import mp3_is_cut, ogg_is_cut

UNKNOWN_LENGTH = 0x7FFF_0000  # this or more is written by programs that stream
LAST_PLACE = 2**63 - 1  # that a file has
MAX_CHUNKS = 10_000  # before the sound begins
HEAD_BYTES = 2_048
SOUND_CHUNKS = (b"data", b"SSND", b"BODY")
NIST_LENGTHS = (b"sample_count", b"sample_n_bytes", b"channel_count")

Order = Literal["little", "big"]
Span = tuple[int, int]  # where the sound begins, and how many bytes the header promises


def is_cut_short(raw: BinaryIO) -> bool:
    """Whether the file that ``raw`` reads ends before its container says."""
    size = raw.seek(0, io.SEEK_END)
    head = _at(raw, 0, HEAD_BYTES)
    if head.startswith(b"OggS"):
        return ogg_is_cut(raw, size)
    if head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        return mp3_is_cut(raw, size)
    if head.startswith(b"Creative Voice File"):
        return _voc_is_cut(raw, size)
    span = _sound_span(raw, head, size)
    # one byte too many is a mistake of the program that wrote the header
    return span is not None and span[1] - max(size - span[0], 0) > 1


def unfinished_wav(raw: BinaryIO) -> int | None:
    """Where the length of the sound stands in a WAV whose program never filled it in."""
    size = raw.seek(0, io.SEEK_END)
    if _at(raw, 0, 4) != b"RIFF":
        return None
    begin, length = _chunk_span(raw, size, "little") or (size, 0)
    return begin - 4 if length == 0 and begin < size else None


def _sound_span(raw: BinaryIO, head: bytes, size: int) -> Span | None:
    """Where the sound lies by the header; None where that says nothing of its length."""
    span: Span | None = None
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        span = _chunk_span(raw, size, "little")
    elif head[:4] in (b"RIFX", b"FORM"):
        span = _chunk_span(raw, size, "big")
    elif head[:4] == b"riff":
        span = _w64_span(raw, size)
    elif head[:4] in (b".snd", b"dns."):
        order: Order = "big" if head[:1] == b"." else "little"
        span = int.from_bytes(head[4:8], order), int.from_bytes(head[8:12], order)
    elif head.startswith(b"NIST_1A"):
        found = [re.search(name + rb" -i (\d+)", head) for name in NIST_LENGTHS]
        n_samples, n_bytes, n_channels = (int(match[1]) if match else 0 for match in found)
        span = 1024, n_samples * n_bytes * n_channels
    is_stated = span is not None and (span[1] < UNKNOWN_LENGTH or size >= UNKNOWN_LENGTH)
    return span if is_stated else None


def _chunk_span(raw: BinaryIO, size: int, order: Order) -> Span | None:
    """The sound's chunk in RIFF and IFF files; RF64 states its length in a chunk before."""
    place, long_length = 12, 0
    for _ in range(MAX_CHUNKS):
        chunk = _at(raw, place, 24)
        if len(chunk) < 8:
            return None
        length = int.from_bytes(chunk[4:8], order)
        if chunk[:4] == b"ds64":
            long_length = int.from_bytes(chunk[16:24], order)
        if chunk[:4] in SOUND_CHUNKS:
            return place + 8, long_length or length
        place += 8 + length + length % 2
    return size, size  # nobody writes so many: as if the sound were missing


def _w64_span(raw: BinaryIO, size: int) -> Span | None:
    """Chunks of Sony Wave64: a GUID, then 8 bytes of length that count themselves and the GUID."""
    place = 40
    for _ in range(MAX_CHUNKS):
        chunk = _at(raw, place, 24)
        length = int.from_bytes(chunk[16:24], "little")
        if len(chunk) < 24 or length < 24:
            return None
        if chunk[:4] == b"data":
            return place + 24, length - 24
        place += length + -length % 8
    return size, size


def _voc_is_cut(raw: BinaryIO, size: int) -> bool:
    """Blocks of a type and three bytes of length; type 0 ends the file."""
    place = int.from_bytes(_at(raw, 20, 2), "little")
    while place < size:
        block = _at(raw, place, 4)
        if block[0] == 0:
            return False
        place += 4 + int.from_bytes(block[1:], "little")
    return place > size


def _at(raw: BinaryIO, place: int, n_bytes: int) -> bytes:
    """What stands at ``place``; nothing where a length in the file leads beyond any file."""
    if place > LAST_PLACE:
        return b""
    raw.seek(place)
    return raw.read(n_bytes)
