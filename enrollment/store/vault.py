"""Kept clips: opt-in, and sealed with a key that the user holds; without it they are noise."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import StoreError

KEY_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """Seals and opens clips with AES-256-GCM; each is bound to the id of its exemplar.

    Attributes
    ----------
    key_id : str
        Names the key without giving it away.
    """

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"spkid kept audio" + key).hexdigest()[:16]

    @classmethod
    def load(cls, path: str | Path, *, create: bool = False) -> Vault:
        """The vault of the key file at ``path``; with ``create``, make one where there is none.

        Raises
        ------
        StoreError
            If it cannot be read or is not a key.
        """
        file = Path(path)
        try:
            if create and not file.exists():
                descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "w") as new:
                    new.write(os.urandom(KEY_BYTES).hex() + "\n")
            key = bytes.fromhex(file.read_text().strip())
            if len(key) != KEY_BYTES:
                raise ValueError("another length")
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{file}: not a readable key",
                expected=f"a file with {2 * KEY_BYTES} hexadecimal digits",
                do="give the key that was made when audio was first kept",
                code="bad_key",
            ) from error
        return cls(key)

    def seal(self, recording: bytes, *, exemplar_id: int) -> bytes:
        """``recording`` encrypted, for this exemplar only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, recording, _bound_to(exemplar_id))

    def open(self, sealed: bytes, *, exemplar_id: int) -> bytes:
        """What :meth:`seal` was given.

        Raises
        ------
        StoreError
            If it was sealed with another key, for another exemplar, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound_to(exemplar_id))
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                f"kept audio of clip {exemplar_id} that this key does not open",
                expected="the key it was sealed with, and unchanged data",
                do="give the right key file",
                code="bad_key",
            ) from error


def _bound_to(exemplar_id: int) -> bytes:
    return b"spkid exemplar %d" % exemplar_id


def to_flac(waveform: Waveform) -> bytes:
    """16 kHz samples as a FLAC file of 16 bits; beyond full scale they are cut off."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def from_flac(recording: bytes) -> Waveform:
    """Samples ``[samples]`` of what :func:`to_flac` gave."""
    import soundfile

    samples: Waveform = soundfile.read(io.BytesIO(recording), dtype="float32")[0]
    return samples
