"""A peer's vectors as somebody with our training clips would use them.

    python -m benchmarks.model.peer_projections --vectors FILE.npz --data DIR

Writes two more tables beside the file of vectors (see `embed_clips.py`): with `_centred` in their
name without the mean of our training clips, with `_projected` also through a linear
discriminant projection that our training speakers give. Neither held-out speakers nor test
speakers nor the corpora of `--leave-out` have a part in it. Seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Data, File, run_command
from benchmarks.model.teacher import Floats, discriminant_projection, shapes_the_teacher, unit
from spkid.data.manifest import read_manifest
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.training.config import DataConfig

LEFT_OUT = "emodb,fsdd,alphanumeric"
SHRINKAGE = 3.0  # of the within-speaker covariance, in multiples of its mean
CLIPS_A_SPEAKER = 8
Project = Callable[[Floats], Floats]


def all_clips(data: Path) -> pd.DataFrame:
    """The rows of both manifests, and the ``place`` of each clip."""
    tables = []
    for folder in (data / "speech", data / "extra"):
        if (folder / "manifest.csv").exists():
            table = read_manifest(folder / "manifest.csv")
            tables.append(table.assign(place=[folder / path for path in table["path"]]))
    return pd.concat(tables, ignore_index=True).fillna("")


def training_data(data: Path, leave_out: str = LEFT_OUT) -> DataConfig:
    """All speech and noise of the data folder, without the corpora to be left out."""
    return DataConfig(
        speech=str(data / "speech"),
        more=(str(data / "extra"),),
        noise=str(data / "noise"),
        leave_out=tuple(leave_out.split(",")),
    )


def shaping_rows(clips: pd.DataFrame, left_out: list[str]) -> pd.DataFrame:
    """Up to eight clips of each speaker who is trained on."""
    known = clips["speaker"] != ""
    own = clips[shapes_the_teacher(clips) & known & ~clips["corpus"].isin(left_out)]
    return own.groupby("speaker").head(CLIPS_A_SPEAKER)


def projections(data: Path, table: EmbeddingTable, leave_out: str = LEFT_OUT) -> dict[str, Project]:
    """``centred`` and ``projected``: from vectors ``[..., dim]`` as in ``table`` to unit ones."""
    rows = shaping_rows(all_clips(data), leave_out.split(","))
    own = table.vectors[table.rows(rows["path"])].astype(np.float64)
    # every corpus weighs the same in the mean
    by_corpus = [own[(rows["corpus"] == name).to_numpy()] for name in rows["corpus"].unique()]
    mean = np.mean([part.mean(axis=0) for part in by_corpus], axis=0)
    speakers = rows["speaker"].to_numpy()
    axes = discriminant_projection(unit(own - mean), speakers, shrinkage=SHRINKAGE)
    return {
        "centred": lambda vectors: unit(vectors - mean),
        "projected": lambda vectors: unit(unit(vectors - mean) @ axes),
    }


def main(data: Data, vectors: File, leave_out: str = LEFT_OUT) -> None:
    """Write both tables."""
    table = EmbeddingTable.load(vectors)
    for name, project in projections(data, table, leave_out).items():
        place = vectors.with_stem(f"{vectors.stem}_{name}")
        found = project(table.vectors)
        named = dict(zip(table.row_of, found, strict=True))
        save_embeddings(place, named, model=f"{table.model} {name}", dim=found.shape[1])
        print(place)


if __name__ == "__main__":
    run_command(main, words=__doc__)
