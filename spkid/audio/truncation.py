"""Was a file cut short? libsndfile mends a wrong length silently, so the container is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import soundfile

TAIL_BYTES = 70_000  # an Ogg page has at most 65,307
UNKNOWN_LENGTH = 0x7FFF_0000  # this or more is written by programs that stream


def is_cut_short(path: str | Path, file: soundfile.SoundFile, n_read: int) -> bool:
    """Whether ``file``, read to its end in ``n_read`` samples, lacks a part."""
    if file.format in {"WAV", "WAVEX"}:
        return _wav_is_cut(file.extra_info)
    if file.format == "OGG":
        return _ogg_is_cut(path)
    if file.format == "MP3" and not _mp3_knows_its_length(path):
        return False  # the length is libsndfile's guess
    return bool(n_read < file.frames)


def _wav_is_cut(log: str) -> bool:
    """libsndfile's log says ``data : 160000 (should be 59956)`` where the data end early."""
    found = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if found is None:
        return False
    stated, there = int(found[1]), int(found[2])
    return there < stated < UNKNOWN_LENGTH


def _ogg_is_cut(path: str | Path) -> bool:
    """The last page of an Ogg stream carries a flag (RFC 3533, section 6) and must be whole."""
    with Path(path).open("rb") as raw:
        size = raw.seek(0, 2)
        raw.seek(max(0, size - TAIL_BYTES))
        tail = raw.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27 or not page[5] & 4:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _mp3_knows_its_length(path: str | Path) -> bool:
    """Whether a Xing, Info or VBRI tag stands in the first frame, behind an ID3 tag."""
    with Path(path).open("rb") as raw:
        head = raw.read(10)
        size = 0
        if head[:3] == b"ID3" and len(head) == 10:
            size = sum(
                (byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
            )
            size += 10
        raw.seek(size)
        first = raw.read(4096)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))
