"""What a stopped study goes on from: parts that are kept under ``runs/``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from benchmarks.harness.record import commit
from spkid.config import canonical_json, fingerprint
from spkid.encoder.batch import embed_manifest
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.vectors import EmbeddingTable
from spkid.files import to_json, whole_file, write_text

RUNS = Path("runs")
Arrays = Mapping[str, NDArray[Any]]


def kept_arrays(path: Path, make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
    """The arrays in ``path`` (``.npz``), made and written there first where they are not."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = make()
        with whole_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def kept_figures(name: str, settings: Any, measure: Callable[[], Any]) -> Any:
    """What ``measure`` gives, kept for the same ``settings`` and commit."""
    key = fingerprint(canonical_json({"settings": settings, "commit": commit()}))
    path = RUNS / "parts" / f"{name}-{key}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, to_json(measure()))
    return json.loads(path.read_text(encoding="utf-8"))


def bundled_embeddings(
    speech: Path, paths: list[str], *, model: str = "accurate", name: str = "accuracy"
) -> EmbeddingTable:
    """Vectors of a bundled model, from ``runs/NAME_MODEL.npz`` where they are there already."""
    encoder, out = SpeakerEncoder.load(model), RUNS / f"{name}_{model}.npz"
    out.parent.mkdir(exist_ok=True)
    if out.exists() and EmbeddingTable.load(out).model != encoder.fingerprint:
        out.unlink()
    with Progress() as progress:
        task = progress.add_task("embedding", total=len(paths))
        advance = partial(progress.advance, task)
        embed_manifest(paths, speech, out, encoder, advance=advance, report=print)
    return EmbeddingTable.load(out)
