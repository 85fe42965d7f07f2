"""A bundled model, or any table of embeddings, on every protocol list.

    python -m benchmarks.accuracy --data DIR
    python -m benchmarks.accuracy --data DIR --name accurate --model accurate
    python -m benchmarks.accuracy --data DIR --name resemblyzer --embeddings FILE.npz
    python -m benchmarks.accuracy --data DIR --name NAME --embeddings FILE.npz --calibrate

Writes `benchmarks/results/accuracy_NAME.json`. A bundled model's vectors are kept in
`runs/accuracy_MODEL.npz`, so that a stopped run goes on. About four minutes on two cores. Another
system's scores are raw cosines; with `--calibrate`, it gets a calibration of its own, landmarks and
all, from whole clips of the held-out training speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.harness.protocols import Protocols, protocol_figures
from benchmarks.model.bundle_model import fitted_calibration, training_clips
from benchmarks.pages.accuracy_tables import detection_costs, homes
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.calibration import bundled_or_raw

SEED = 1  # of a calibration that is fitted here


def measure(
    data: Data,
    name: str = "accurate",
    model: str = "accurate",
    embeddings: Path | None = None,
    calibrate: bool = False,
) -> Figures:
    """Every figure of every list; ``embeddings`` are another system's vectors."""
    if calibrate and not embeddings:
        raise SpkidError(
            "--calibrate without --embeddings",
            expected="vectors of another system: the bundled model has its calibration",
            do="give --embeddings or leave out --calibrate",
        )
    speech = data / "speech"
    protocols = Protocols.read(speech)
    if embeddings:
        table = EmbeddingTable.load(embeddings)
    else:
        table = bundled_embeddings(speech, protocols.paths(), model=model)
    # a calibration is of a model that has a name
    named = replace(table, model=table.model or name)
    calibration = bundled_or_raw(named.model)
    if calibrate:

        def embed(paths: Sequence[str], speech_s: Sequence[float]) -> NDArray[np.floating]:
            return table.vectors[[table.row_of[path] for path in paths]]

        clips = training_clips(speech)
        calibration = fitted_calibration(clips, embed, model=named.model, seed=SEED)
    return {**protocol_figures(protocols, named, calibration), "model": table.model}


TABLES = (detection_costs, homes)
BENCHMARK = Benchmark("accuracy", measure, TABLES, file="accuracy_{name}")

if __name__ == "__main__":
    BENCHMARK.main()
