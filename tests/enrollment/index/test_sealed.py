"""Sealed streams: what was written comes out, and nothing else ever does."""

from __future__ import annotations

import io
import os

import pytest

from enrollment.index.sealed import CHUNK_BYTES, SALT_BYTES, TAG_BYTES, SealedReader, SealedWriter

KEY = os.urandom(32)
STEP = CHUNK_BYTES + TAG_BYTES


def sealed(content: bytes, *, piece: int = 700_001) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, KEY, purpose=b"test")
    for start in range(0, len(content), piece):
        writer.write(content[start : start + piece])
    writer.finish()
    return file.getvalue()


def opened(stream: bytes, *, key: bytes = KEY, purpose: bytes = b"test") -> bytes:
    return io.BufferedReader(SealedReader(io.BytesIO(stream), key, purpose=purpose)).read()


@pytest.mark.parametrize("n_bytes", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_written_comes_out(n_bytes):
    content = os.urandom(n_bytes)
    stream = sealed(content)
    assert opened(stream) == content
    assert len(stream) == SALT_BYTES + n_bytes + TAG_BYTES * max(1, -(-n_bytes // CHUNK_BYTES))
    assert stream != sealed(content)  # under another salt


CHANGES = {
    "a bit turned": lambda first, second, third: (
        first[:-1] + bytes([first[-1] ^ 1]) + second + third
    ),
    "cut between chunks": lambda first, second, third: first + second,
    "cut within a chunk": lambda first, second, third: first + second[:-5],
    "two chunks changed over": lambda first, second, third: second + first + third,
    "one chunk left out": lambda first, second, third: first + third,
    "one chunk twice": lambda first, second, third: first + second + second + third,
    "more at the end": lambda first, second, third: first + second + third + b"x",
    "nothing but the salt": lambda first, second, third: b"",
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_was_changed_is_refused(kind):
    stream = sealed(os.urandom(2 * CHUNK_BYTES + 100))
    assert len(opened(stream)) == 2 * CHUNK_BYTES + 100
    salt, chunks = stream[:SALT_BYTES], stream[SALT_BYTES:]
    parts = chunks[:STEP], chunks[STEP : 2 * STEP], chunks[2 * STEP :]
    with pytest.raises(ValueError, match="not as it was written"):
        opened(salt + CHANGES[kind](*parts))


def test_another_key_salt_or_purpose_opens_nothing():
    stream = sealed(b"voices")
    for attempt in (
        lambda: opened(stream, key=os.urandom(32)),
        lambda: opened(stream, purpose=b"other"),
        lambda: opened(os.urandom(SALT_BYTES) + stream[SALT_BYTES:]),
    ):
        with pytest.raises(ValueError, match="another key"):
            attempt()


def test_a_long_stream_is_never_in_memory():
    class Counting(io.RawIOBase):
        n_written = longest = 0

        def write(self, piece: bytes) -> int:
            self.n_written += len(piece)
            self.longest = max(self.longest, len(piece))
            return len(piece)

    file = Counting()
    writer = SealedWriter(file, KEY, purpose=b"test")
    for number in range(1, 41):
        writer.write(bytes(500_000))
        assert number * 500_000 - file.n_written <= CHUNK_BYTES
    writer.finish()
    assert file.longest == STEP
