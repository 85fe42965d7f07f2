"""Kept clips: opt-in, and sealed with a key that the user holds; without it they are noise."""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import StoreError
from spkid.files import keep_private, open_regular, why_unreadable, written_new

KEY_BYTES = 32
KEY_FILE_BYTES = 1000  # far more than any key takes; what is longer is something else
NONCE_BYTES = 12
SEAL = b"spkid clip 2\n"  # how each sealed clip begins; those of schema 2 and before do not


@dataclass(frozen=True)
class KeptClip:
    """Which clip it is: what a sealed one is bound to.

    ``store_id`` is that of the store, ``member_id`` and ``digest`` are those of its exemplar.
    """

    store_id: str
    member_id: int
    digest: str
    exemplar_id: int


class Vault:
    """Seals and opens clips with AES-256-GCM; each is bound to its store, member and content.

    Clips that schema 2 sealed are bound to the number of their exemplar alone. They stay
    readable, and are sealed anew when a profile moves to another model.

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
                with suppress(FileExistsError), written_new(file) as new:  # others may be as far
                    new.write_text(os.urandom(KEY_BYTES).hex() + "\n")
            return cls(_read_key(file))
        except OSError as error:
            raise _bad_key(file, why_unreadable(error)) from error

    def seal(self, recording: bytes, clip: KeptClip) -> bytes:
        """``recording`` encrypted, as this clip only."""
        nonce = os.urandom(NONCE_BYTES)
        return SEAL + nonce + self._cipher.encrypt(nonce, recording, _bound_to(clip))

    def open(self, sealed: bytes, clip: KeptClip) -> bytes:
        """What :meth:`seal` was given.

        Raises
        ------
        StoreError
            If it was sealed with another key, as another clip, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        bound_to = b"spkid exemplar %d" % clip.exemplar_id
        if sealed.startswith(SEAL):
            sealed, bound_to = sealed.removeprefix(SEAL), _bound_to(clip)
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, bound_to)
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                f"kept audio of clip {clip.exemplar_id} that this key does not open",
                expected="the key it was sealed with, and the clip that was kept there",
                do="give the right key file",
                code="bad_key",
            ) from error


def _bound_to(clip: KeptClip) -> bytes:
    return SEAL + json.dumps([clip.store_id, clip.member_id, clip.digest]).encode()


def _read_key(file: Path) -> bytes:
    with open_regular(file, at_most=KEY_FILE_BYTES) as opened:
        keep_private(file)
        text = opened.read().decode("ascii", errors="replace").strip()
    if not text:
        do = "put the key back, or delete the file if no clip was kept with it yet"
        raise _bad_key(file, "an empty file", do=do)
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise _bad_key(file, "not a key")
    return key


def _bad_key(
    file: Path, what: str, *, do: str = "give the key that was made when audio was first kept"
) -> StoreError:
    expected = f"a file with {2 * KEY_BYTES} hexadecimal digits"
    return StoreError(f"{file}: {what}", expected=expected, do=do, code="bad_key")


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
