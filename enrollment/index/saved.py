"""An index as one file: a checksum, what it is of, and faiss's own bytes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from enrollment.index.recall import Recall
from enrollment.index.vector_index import VectorIndex

FILE_NAME = "profiles.index"
FORMAT = 1
DIGEST_LENGTH = 64
CHUNK = 1 << 20


@dataclass(frozen=True)
class Generation:
    """Which state of a store an index holds.

    ``sequence`` is the last line of the log that is in it and ``mark`` what that line says, so
    that a store put back from a backup is noticed; ``last_id`` is its highest exemplar id.
    """

    model: str
    sequence: int
    mark: str
    last_id: int


def save(folder: Path, index: VectorIndex, generation: Generation) -> None:
    """Write beside and rename; only this user may read it. May raise ``OSError``."""
    import faiss

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # a name of its own: several processes may be saving
    handle, name = tempfile.mkstemp(suffix=".part", dir=folder)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = hashlib.sha256()

            def write(content: bytes) -> None:
                digest.update(content)
                file.write(content)

            file.write(b"0" * DIGEST_LENGTH + b"\n")
            header = {"format": FORMAT, "generation": asdict(generation)}
            header |= {"recall": asdict(index.recall), "n_built": index.n_built}
            write(json.dumps(header).encode() + b"\n")
            faiss.write_index(index.faiss_index, faiss.PyCallbackIOWriter(write, CHUNK))
            file.seek(0)
            file.write(digest.hexdigest().encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, folder / FILE_NAME)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    for left_over in folder.glob("*.part"):  # of a process that was killed, or is behind us
        left_over.unlink(missing_ok=True)


def load(folder: Path) -> tuple[VectorIndex, Generation] | None:
    """The saved index; None where there is none, or it is not as it was written.

    faiss trusts its input, so nothing reaches it before the checksum has been compared.
    """
    import faiss

    try:
        with (folder / FILE_NAME).open("rb") as file:
            if not _is_whole(file):
                return None
            file.seek(DIGEST_LENGTH + 1)
            header = json.loads(file.readline())
            if header.get("format") != FORMAT:
                return None
            found = faiss.read_index(faiss.PyCallbackIOReader(file.read, CHUNK))
    except (OSError, ValueError, RuntimeError):  # faiss says RuntimeError
        return None
    index = VectorIndex(found, Recall(**header["recall"]), header["n_built"])
    return index, Generation(**header["generation"])


def _is_whole(file: BinaryIO) -> bool:
    expected = file.read(DIGEST_LENGTH + 1)
    digest = hashlib.sha256()
    while content := file.read(CHUNK):
        digest.update(content)
    return expected == digest.hexdigest().encode() + b"\n"


def remove(folder: Path) -> None:
    """Take the saved index away, where there is one."""
    (folder / FILE_NAME).unlink(missing_ok=True)
