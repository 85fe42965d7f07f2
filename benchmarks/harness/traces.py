"""Bytes of vectors in files, wherever they lie in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spkid.encoder.base import Vector

WORD = np.dtype("<u8")


def files_below(folder: Path) -> list[Path]:
    """Every file in ``folder`` and its folders; none where there is no such folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def traces(vectors: Iterable[Vector], files: Iterable[Path]) -> dict[Path, int]:
    """How many places of each file hold the begin, the middle or the end of one of ``vectors``.

    Eight bytes of each are looked for, at every offset. Files that hold none are left out.
    """
    needles = np.array(
        [
            word
            for vector in vectors
            for kept in [vector.astype("<f4").tobytes()]
            for word in np.frombuffer(kept, WORD)[[0, len(kept) // 16, -1]]
        ],
        dtype=WORD,
    )
    found: dict[Path, int] = {}
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a process at work has removed it
            continue
        n_found = sum(_count(content[start:], needles) for start in range(WORD.itemsize))
        if n_found:
            found[path] = n_found
    return found


def _count(content: bytes, needles: NDArray[np.uint64]) -> int:
    words = np.frombuffer(content[: len(content) // WORD.itemsize * WORD.itemsize], WORD)
    return int(np.isin(words, needles).sum())
