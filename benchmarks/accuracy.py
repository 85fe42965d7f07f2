r"""A bundled model, or any table of embeddings, on every protocol list.

    python -m benchmarks.accuracy --data DIR
    python -m benchmarks.accuracy --data DIR --name small --model small
    python -m benchmarks.accuracy --data DIR --name resemblyzer --embeddings FILE.npz
    python -m benchmarks.accuracy --data DIR --name NAME --embeddings FILE.npz \
        --projection projected --calibrate-with FILE.safetensors

Writes `benchmarks/results/accuracy_NAME.json`. A bundled model's vectors are kept in
`runs/accuracy_MODEL.npz`, so that a stopped run goes on. About four minutes on two cores. Another
system's scores are raw cosines of its vectors, which `model/embed_clips.py` makes; with
`--projection`, `centred` or `projected` (`model/peer_projections.py`). With `--calibrate-with`,
its checkpoint, it gets a calibration of its own, fitted on the same cuts of the same clips as that
of the bundled models, landmarks and all; a quarter of an hour more, once. These lists have no
telephones, and it knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.kept import RUNS, bundled_embeddings, kept_arrays
from benchmarks.harness.protocols import Protocols, protocol_figures
from benchmarks.model.bundle_model import Embed, cuts_embedded, fitted_calibration
from benchmarks.model.embed_clips import CheckpointEncoder
from benchmarks.model.peer_projections import Project, projections
from benchmarks.pages.accuracy_tables import detection_costs, homes
from spkid.config import canonical_json, fingerprint
from spkid.encoder.base import Encoder
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.calibration import bundled_or_raw


def kept_cuts(encoder: Encoder, data: Path) -> Embed:
    """:func:`cuts_embedded`, kept in ``runs/`` for the same clips."""
    embed = cuts_embedded(encoder, data)

    def embed_once(paths: Sequence[str], speech_s: Sequence[float]) -> NDArray[np.floating]:
        asked = {"model": encoder.fingerprint, "paths": list(paths), "speech_s": list(speech_s)}
        place = RUNS / f"cuts-{fingerprint(canonical_json(asked))}.npz"
        return kept_arrays(place, lambda: {"vectors": embed(paths, speech_s)})["vectors"]

    return embed_once


def projected(embed: Embed, project: Project) -> Embed:
    """``embed``, and its vectors projected."""
    return lambda paths, speech_s: project(embed(paths, speech_s))


def measure(
    data: Data,
    name: str = "accurate",
    model: str = "accurate",
    embeddings: Path | None = None,
    projection: str = "",
    calibrate_with: Path | None = None,
) -> Figures:
    """Every figure of every list; ``embeddings`` are another system's vectors."""
    if (projection or calibrate_with) and not embeddings:
        raise SpkidError(
            "--projection or --calibrate-with without --embeddings",
            expected="vectors of another system: the bundled model has its calibration",
            do="give --embeddings or leave these out",
        )
    protocols = Protocols.read(data / "speech")
    if not embeddings:
        table = bundled_embeddings(data / "speech", protocols.paths(), model=model)
        figures = protocol_figures(protocols, table, bundled_or_raw(table.model))
        return {**figures, "model": table.model}
    table = EmbeddingTable.load(embeddings)
    # a calibration is of a model that has a name
    table = replace(table, model=f"{table.model or name} {projection}".strip())
    project: Project = projections(data, table)[projection] if projection else np.asarray
    calibration = bundled_or_raw(table.model)
    if calibrate_with:
        cuts = kept_cuts(CheckpointEncoder(calibrate_with), data)
        calibration = fitted_calibration(data, projected(cuts, project), model=table.model)
    own = replace(table, vectors=project(table.vectors).astype(np.float32))
    return {**protocol_figures(protocols, own, calibration), "model": table.model}


TABLES = (detection_costs, homes)
BENCHMARK = Benchmark("accuracy", measure, TABLES, file="accuracy_{name}")

if __name__ == "__main__":
    BENCHMARK.main()
