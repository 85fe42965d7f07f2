"""The clips of a recipe, decoded into memory: for training, held out, noise, and a teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress

from spkid.data.sources import audio_files, read_source
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadConfig, BadTable, ModelMismatch, NotFound
from spkid.training.config import DataConfig
from spkid.training.data.corpus import Corpus, is_held_out
from spkid.training.data.speeds import SPEEDS


@dataclass(frozen=True)
class Corpora:
    """``held_out`` and ``noise`` may be without clips."""

    training: Corpus
    held_out: Corpus
    noise: Corpus


def load_corpora(config: DataConfig, progress: Progress) -> Corpora:
    """Training clips (unlabelled ones too), held-out clips and noise.

    Rows of the splits ``train`` and ``unlabelled`` are read. One speaker in ten, by name, is
    held out, where that gives two speakers with two clips; else nobody is.

    Raises
    ------
    BadConfig, BadTable, BadAudio, NotFound
        If there are no training clips, a clip cannot be read, or the noise folder has none.
    """
    if not config.speech:
        raise BadConfig(
            "no speech to train on",
            expected="a folder or a CSV file of clips",
            do="set speech= to it",
        )
    table = pd.concat([_clips_of(place, progress) for place in (config.speech, *config.more)])
    left_out = table["corpus"].isin(config.leave_out)
    aside = table["speaker"].map(is_held_out).astype(bool) | left_out
    aside &= table["speaker"] != ""
    n_clips = table["speaker"].map(table["speaker"].value_counts())
    if table["speaker"][aside & (n_clips >= 2)].nunique() < 2:
        aside &= False
    training = _load(
        _grouped(table[~aside & ~left_out], config.balance), "training clips", progress
    )
    if not len(training):
        raise BadTable(
            f"{config.speech}: no clips of the split train",
            expected="rows for training",
            do="check the column split",
        )
    held_out = _load(table[aside & (n_clips >= 2)], "held-out clips", progress)
    noise = _load(_noise_table(config.noise), "noise", progress)
    return Corpora(training, held_out, noise)


def _clips_of(place: str, progress: Progress) -> pd.DataFrame:
    """The rows that training may use, and their ``root``; says which files are left out."""
    source = read_source(place)
    if source.left_out:
        progress.console.print(source.left_out, markup=False, highlight=False)
    rows = source.clips["split"].isin(["train", "unlabelled"])
    return source.clips[rows].assign(root=source.root)


def _grouped(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """``table`` with the ``group`` that the values of ``columns`` make together."""
    for column in columns:
        if column not in table.columns:
            raise BadConfig(
                f"data.balance: no column {column!r}",
                expected=f"one of {', '.join(sorted(set(table.columns) - {'root', 'span'}))}",
                do="correct the configuration or the table of clips",
            )
    return table.assign(group=[" ".join(row) for row in table[list(columns)].fillna("").to_numpy()])


def _noise_table(folder: str) -> pd.DataFrame:
    paths = audio_files(Path(folder)) if folder else []
    if folder and not paths:
        raise NotFound(
            f"{folder}: no audio files to use as noise",
            expected="a folder with audio files",
            do="correct the folder or leave it out",
        )
    table = pd.DataFrame({"path": paths})
    return table.assign(speaker="", corpus="noise", span=None, root=Path(folder))


def _load(table: pd.DataFrame, name: str, progress: Progress) -> Corpus:
    task = progress.add_task(f"reading {name}", total=len(table))
    parts = [
        Corpus.load(
            root,
            list(own["path"]),
            list(own["speaker"]),
            corpora=list(own["corpus"]),
            groups=list(own["group"]) if "group" in own else None,
            spans=list(own["span"]),
            advance=lambda: progress.advance(task),
        )
        for root, own in table.groupby("root", sort=False)
    ]
    return Corpus.joined(parts)


def load_teacher(path: Path | None, corpus: Corpus, dim: int) -> NDArray[np.float32]:
    """Teacher vectors ``[clips, len(SPEEDS), dim]`` in the corpus's order; zeros where none.

    ``path`` is a file as ``spkid embed`` writes it (``paths``, ``embeddings``), of the clips as
    they are; or a folder of such files, ``speed-1.npz``, ``speed-0.9.npz`` and so on, of the
    clips played at a speed.

    Raises
    ------
    BadTable, NotFound, ModelMismatch
        If a file is unusable, the folder has none, or the vectors have another dimension than
        the encoder's.
    """
    vectors = np.zeros((len(corpus), len(SPEEDS), dim), dtype=np.float32)
    if path is None:
        return vectors
    files = {0: path}
    if path.is_dir():
        places = {number: path / f"speed-{speed:g}.npz" for number, speed in enumerate(SPEEDS)}
        files = {number: place for number, place in places.items() if place.exists()}
        if not files:
            raise NotFound(
                f"{path}: a folder without a teacher's vectors",
                expected="speed-1.npz and the like",
                do="give a file, or a folder made by benchmarks.model.teacher",
            )
    for number, file in files.items():
        known = EmbeddingTable.load(file)
        if known.vectors.shape[1] != dim:
            raise ModelMismatch(
                f"{file}: teacher vectors of {known.vectors.shape[1]} dimensions",
                expected=f"{dim}, as many as the encoder has",
                do="use another teacher or embedding_dim",
            )
        rows = [known.row_of.get(clip_path, -1) for clip_path in corpus.paths]
        found = np.array(rows) >= 0
        vectors[found, number] = known.vectors[rows][found]
    return vectors
