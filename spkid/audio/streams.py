"""Ogg pages and MP3 frames: files without a length of their own, followed piece by piece."""

from __future__ import annotations

from typing import BinaryIO

TAIL_BYTES = 8_192  # holds five of the longest MP3 frames
# kbit/s of layer III, by MPEG 1 or 2 (ISO 11172-3 and 13818-3, table of bit rates)
KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = (44_100, 48_000, 32_000)


def ogg_is_cut(raw: BinaryIO, size: int) -> bool:
    """Pages count up in each stream, and the last of each is marked (RFC 3533, section 6)."""
    last_page: dict[bytes, int] = {}
    place, is_ended = 0, True
    while place < size:
        raw.seek(place)
        page = raw.read(27 + 255)
        if page[:4] != b"OggS" or len(page) < 27:
            return not is_ended  # behind the end may stand a tag
        stream, number = page[14:18], int.from_bytes(page[18:22], "little")
        is_first = bool(page[5] & 2)
        if not is_first and number != last_page.get(stream, -1) + 1:
            return True
        last_page[stream], is_ended = number, bool(page[5] & 4)
        n_segments = page[26]
        place += 27 + n_segments + sum(page[27 : 27 + n_segments])
    return not is_ended or place > size


def mp3_is_cut(raw: BinaryIO, size: int) -> bool:
    """Whether the last frame is not whole; a cut between two frames only a tag can tell.

    Frames have no end mark: the first place in the tail from which three headers of one kind
    follow each other begins a chain, and the file is cut where that runs over its end.
    """
    raw.seek(max(0, size - TAIL_BYTES))
    tail = raw.read()
    for start in range(len(tail)):
        place, n_frames, kind = start, 0, tail[start + 1 : start + 2]
        while tail[place + 1 : place + 2] == kind:
            n_bytes = _frame_bytes(tail[place : place + 4])
            if n_bytes == 0:
                break
            place, n_frames = place + n_bytes, n_frames + 1
        if n_frames >= 3:
            return place > len(tail)
    return False


def _frame_bytes(head: bytes) -> int:
    """How long the layer III frame that begins with ``head`` is; 0 where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    rate_hz = RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    samples_per_bit = 144 if version == 3 else 72
    return samples_per_bit * 1_000 * KBITS[version == 3][bits] // rate_hz + (head[2] >> 1 & 1)


def mp3_knows_its_length(raw: BinaryIO) -> bool:
    """Whether a Xing, Info or VBRI tag stands in the first frame, behind an ID3 tag."""
    raw.seek(id3_bytes(raw))
    first = raw.read(4_096)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def id3_bytes(raw: BinaryIO) -> int:
    """How many bytes an ID3 tag takes at the beginning; seven bits of each byte count."""
    raw.seek(0)
    head = raw.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return size + 10
