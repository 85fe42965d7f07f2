"""The clips of trials and of training speakers, and an encoder's vectors of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress

from spkid.data.sources import read_source
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import NotFound
from spkid.files import made_folder
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.config import DataConfig
from spkid.training.data.corpus import Corpus
from spkid.training.held_out import embed_clips

CLIPS_A_SPEAKER = 3  # by which a training speaker's voice is told


def some_clips(corpus: Corpus) -> Corpus:
    """The first clips of each known speaker."""
    place = pd.Series(corpus.speakers).groupby(corpus.speakers).cumcount()
    known = np.array(corpus.speakers) != ""
    return corpus.subset((place < CLIPS_A_SPEAKER) & known)


def trial_clips(data: DataConfig, trials: pd.DataFrame, progress: Progress) -> Corpus:
    """Every clip of ``trials``, from ``data.speech``."""
    source = read_source(data.speech)
    spans = dict(zip(source.clips["path"], source.clips["span"], strict=True))
    sides = [
        trials[[side, f"{side}_speaker"]].drop_duplicates().set_axis(["path", "speaker"], axis=1)
        for side in ("enroll", "test")
    ]
    clips = pd.concat(sides).astype(str).drop_duplicates("path").sort_values("path")
    missing = clips["path"][~clips["path"].isin(list(spans))]
    if len(missing):
        raise NotFound(
            f"no clip {missing.iloc[0]!r} in {data.speech} ({len(missing)} such)",
            expected="every clip of the score file, named by its path there",
            do="give the data that the scores were made from, or methods=calibration",
            code="missing_clips",
        )
    paths = list(clips["path"])
    task = progress.add_task("reading the trials' clips", total=len(paths))
    return Corpus.load(
        source.root,
        paths,
        list(clips["speaker"]),
        spans=[spans[path] for path in paths],
        advance=lambda: progress.advance(task),
    )


def heard_voices(corpus: Corpus, table: EmbeddingTable) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """``path`` and ``speaker`` of each clip, and its vector."""
    clips = pd.DataFrame({"path": corpus.paths, "speaker": corpus.speakers})
    return clips, table.vectors[table.rows(clips["path"])]


def embedded(checkpoint: Path, corpus: Corpus, path: Path) -> EmbeddingTable:
    """Vectors of all clips, kept in ``path`` and taken from there if they are of this encoder."""
    encoder = load_encoder(checkpoint)
    model = weights_fingerprint(encoder)
    if path.exists():
        table = EmbeddingTable.load(path)
        if table.model == model and set(corpus.paths) <= set(table.row_of):
            return table
    vectors = embed_clips(encoder, corpus, list(range(len(corpus))))
    made_folder(path.parent)
    named = dict(zip(corpus.paths, vectors, strict=True))
    save_embeddings(path, named, model=model, dim=vectors.shape[1])
    return EmbeddingTable.load(path)
