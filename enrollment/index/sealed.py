"""Streams that are encrypted and prove themselves: whole and unchanged, or refused.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015), as the file
format age uses it, with AES-256-GCM: each stream has a key of its own, derived from the given key
and a random salt, and each chunk a nonce that counts it and says whether it is the last. So no
chunk can be changed, moved, left out or cut off, and one chunk at a time is held in memory.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_BYTES = 16
TAG_BYTES = 16
CHUNK_BYTES = 1 << 20


def _cipher(key: bytes, salt: bytes, purpose: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt=salt, info=purpose).derive(key))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


class SealedWriter:
    """Encrypts what is written to it into ``file``; :meth:`finish` ends the stream.

    ``purpose`` must be the same when it is read; streams of different purposes open under no
    common key.
    """

    def __init__(self, file: BinaryIO, key: bytes, *, purpose: bytes) -> None:
        salt = os.urandom(SALT_BYTES)
        file.write(salt)
        self._file = file
        self._cipher = _cipher(key, salt, purpose)
        self._waiting = bytearray()
        self._n_chunks = 0

    def write(self, content: bytes) -> None:
        """Take ``content`` in; whole chunks go to the file, but for the latest."""
        self._waiting += content
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk. Without it nobody takes the stream for whole."""
        self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._n_chunks, is_last=is_last)
        self._file.write(self._cipher.encrypt(nonce, chunk, None))
        self._n_chunks += 1


class SealedReader(io.RawIOBase):
    """The content of a stream that :class:`SealedWriter` wrote, from where ``file`` stands.

    Reading raises ``ValueError`` where the key is another or a chunk is not as it was written,
    and at the end where the last chunk is missing. Nothing comes out that was not authentic.
    """

    def __init__(self, file: BinaryIO, key: bytes, *, purpose: bytes) -> None:
        self._file = file
        self._cipher = _cipher(key, file.read(SALT_BYTES), purpose)
        self._n_chunks = 0
        self._sealed: bytes | None = self._next_sealed()
        self._open = memoryview(b"")

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """As of any raw stream; 0 at the end."""
        while not self._open and self._sealed is not None:
            self._open = memoryview(self._opened(self._sealed))
        into = memoryview(buffer).cast("B")
        n_bytes = min(len(into), len(self._open))
        into[:n_bytes] = self._open[:n_bytes]
        self._open = self._open[n_bytes:]
        return n_bytes

    def _next_sealed(self) -> bytes:
        return self._file.read(CHUNK_BYTES + TAG_BYTES)

    def _opened(self, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        following = self._next_sealed()
        nonce = _nonce(self._n_chunks, is_last=not following)
        self._sealed = following or None
        self._n_chunks += 1
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except InvalidTag as error:
            raise ValueError("not as it was written, or sealed with another key") from error
