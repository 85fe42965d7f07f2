"""Embed the clips of a manifest into one file, in parts, so that a stopped run goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spkid.encoder.encoder import SpeakerEncoder, Vector
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import SpkidError

PART_CLIPS = 256  # clips between two saves


@dataclass(frozen=True)
class EmbeddingRun:
    """What a run did; ``skipped`` are the paths that could not be embedded."""

    n_embedded: int
    n_resumed: int
    skipped: tuple[str, ...]


def embed_manifest(
    paths: list[str],
    root: Path,
    out: Path,
    encoder: SpeakerEncoder,
    *,
    advance: Callable[[int], object] = lambda n: None,
    report: Callable[[str], object] = lambda line: None,
) -> EmbeddingRun:
    """Embed ``root / path`` for each path and save all to ``out``.

    Vectors that ``out`` holds already are kept. A clip that cannot be embedded is reported
    in one line and skipped.

    Raises
    ------
    SpkidError
        If ``out`` holds vectors of another model, or cannot be written.
    """
    vectors: dict[str, Vector] = {}
    if out.exists():
        before = EmbeddingTable.load(out)
        if before.model != encoder.fingerprint:
            raise SpkidError(
                f"{out}: vectors of model {before.model or '(unknown)'}",
                expected=f"vectors of the model in use, {encoder.fingerprint}",
                do="choose another --out",
            )
        vectors = {path: before.vectors[row] for path, row in before.row_of.items()}
    todo = [path for path in paths if path not in vectors]
    n_resumed = len(paths) - len(todo)
    advance(n_resumed)
    skipped: list[str] = []

    def embed(path: str) -> Vector | SpkidError:
        try:
            return encoder.embed_file(root / path)
        except SpkidError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(todo), PART_CLIPS):
            part = todo[start : start + PART_CLIPS]
            for path, result in zip(part, pool.map(embed, part), strict=True):
                if isinstance(result, SpkidError):
                    skipped.append(path)
                    report(f"skipped: {result}")
                else:
                    vectors[path] = result
                advance(1)
            save_embeddings(out, vectors, model=encoder.fingerprint, dim=encoder.dim)
    return EmbeddingRun(len(todo) - len(skipped), n_resumed, tuple(skipped))
