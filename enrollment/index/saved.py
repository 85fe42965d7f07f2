"""An index as one file that nobody can read without the store: what it is of, and faiss's bytes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from enrollment.index.recall import Recall
from enrollment.index.sealed import CHUNK_BYTES, SealedReader, SealedWriter
from enrollment.index.vector_index import VectorIndex
from enrollment.store.index_files import (
    FILE_NAME,
    SEALED,
    UNFINISHED,
    kind_of,
    place_in,
    unfinished_in,
)

TYPES = (str, int, str, int, float, float, int, int)  # of what stands beside faiss's bytes


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


def save(folder: Path, index: VectorIndex, generation: Generation, key: bytes) -> None:
    """Write beside and rename; only this user may read it. May raise ``OSError``.

    Where something else stands in its place, that stays and nothing is saved.
    """
    import faiss

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = place_in(folder)
    if kind_of(place) == "other":
        return
    # a name of its own: several processes may be saving
    handle, name = tempfile.mkstemp(suffix=UNFINISHED, prefix=f"{FILE_NAME}.", dir=place.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(SEALED)
            file.flush()  # if this process is killed, the next one knows the file by this
            stream = SealedWriter(file, key, purpose=SEALED)
            parts = {"generation": asdict(generation), "recall": asdict(index.recall)}
            header = {**parts, "n_built": index.n_built}
            stream.write(json.dumps(header).encode() + b"\n")
            faiss.write_index(
                index.faiss_index, faiss.PyCallbackIOWriter(stream.write, CHUNK_BYTES)
            )
            stream.finish()
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    for left_over in unfinished_in(place.parent):  # of a process that was killed, or is behind us
        with contextlib.suppress(OSError):
            if kind_of(left_over) == "sealed":
                left_over.unlink(missing_ok=True)


def load(folder: Path, key: bytes | None) -> tuple[VectorIndex, Generation] | None:
    """The saved index; None where there is none, or it is not as ``key`` sealed it.

    faiss trusts its input, so nothing reaches it that was not sealed with this key. Whether what
    it holds is of the store is for the caller to see.
    """
    import faiss

    if key is None:
        return None
    try:
        with place_in(folder).open("rb") as file:
            if file.read(len(SEALED)) != SEALED:
                return None
            stream = io.BufferedReader(SealedReader(file, key, purpose=SEALED), CHUNK_BYTES)
            header = json.loads(stream.readline())
            found = faiss.read_index(faiss.PyCallbackIOReader(stream.read, CHUNK_BYTES))
            if stream.read(1):
                return None
        generation, recall = Generation(**header["generation"]), Recall(**header["recall"])
        values = (*astuple(generation), *astuple(recall), header["n_built"])
    except (OSError, ValueError, RuntimeError, KeyError, TypeError):  # faiss says RuntimeError
        return None
    kinds = (faiss.IndexIDMap2, faiss.IndexIVFScalarQuantizer)
    if not isinstance(found, kinds) or tuple(map(type, values)) != TYPES:
        return None
    return VectorIndex(found, recall, header["n_built"]), generation
