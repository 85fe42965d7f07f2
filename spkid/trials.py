"""Trial lists and score files as pandas tables, and vectors in npz files."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.calibration import Calibration
from spkid.errors import SpkidError
from spkid.files import written_beside
from spkid.score_files import LABELS, read_score_file


def _read_columns(path: str | Path, n_columns: int, what: str) -> pd.DataFrame:
    """A file of ``n_columns`` words a line."""
    try:
        table = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpkidError(
            f"{path}: cannot be read ({reason})", expected=what, do="check the path and the file"
        ) from error
    if table.shape[1] != n_columns:
        raise SpkidError(f"{path}: {table.shape[1]} columns", expected=what, do="correct the file")
    short = (table == "").any(axis=1)
    if short.any():
        line = int(np.flatnonzero(short)[0]) + 1
        raise SpkidError(f"{path}: a word missing in line {line}", expected=what, do="correct it")
    return table


def _label_column(table: pd.DataFrame, candidates: tuple[int, ...]) -> int | None:
    """The first candidate with words for labels, else the first with ones and zeros."""
    for labels in (("target", "nontarget"), tuple(LABELS)):
        for column in candidates:
            if table[column].isin(labels).all():
                return column
    return None


def read_trials(path: str | Path) -> pd.DataFrame:
    """A trial list as columns ``enroll``, ``test`` (str) and ``label`` (bool, True = same).

    Accepts ``label enroll test`` with 1 or 0 (VoxCeleb) and ``enroll test target|nontarget``
    (Kaldi).

    Raises
    ------
    SpkidError
        If the file is neither.
    """
    what = "lines 'label enroll test' or 'enroll test target|nontarget'"
    table = _read_columns(path, 3, what)
    column = _label_column(table, (0, 2))
    if column is None:
        raise SpkidError(f"{path}: no column of labels", expected=what, do="correct the file")
    enroll, test = [other for other in range(3) if other != column]
    return pd.DataFrame(
        {"enroll": table[enroll], "test": table[test], "label": table[column].map(LABELS)}
    )


def read_scores(path: str | Path) -> pd.DataFrame:
    """A score file as ``enroll``, ``test`` (categories), ``score`` (float64), ``label`` (bool).

    Raises
    ------
    SpkidError
        As :func:`score_files.read_score_file`, which also says how the file was read.
    """
    return read_score_file(path).table


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write ``enroll test score target|nontarget`` lines, beside and renamed.

    Raises
    ------
    SpkidError
        If the file cannot be written.
    """
    label = np.where(table["label"], "target", "nontarget")
    lines = table[["enroll", "test", "score"]].assign(label=label)
    try:
        with written_beside(path) as beside:
            lines.to_csv(
                beside,
                sep=" ",
                header=False,
                index=False,
                float_format="%.6f",
                quoting=csv.QUOTE_NONE,
            )
    except OSError as error:
        raise SpkidError(
            f"{path}: {error.strerror or error}",
            expected="a file to write to",
            do="choose another --out",
        ) from error


@dataclass(frozen=True)
class EmbeddingTable:
    """Unit vectors by path; ``model`` is the fingerprint of what made them, empty if unknown."""

    row_of: dict[str, int]
    vectors: NDArray[np.float32]  # [clips, dim]
    model: str

    @classmethod
    def load(cls, path: str | Path) -> EmbeddingTable:
        """Read an ``.npz`` with ``paths`` and ``embeddings``, as ``spkid embed`` writes it.

        Raises
        ------
        SpkidError
            If it is no such file or a vector is zero or not finite.
        """
        try:
            # numpy would leave its own handle open where the file is cut short
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                paths, vectors = file["paths"].tolist(), file["embeddings"]
                model = str(file["model"]) if "model" in file else ""
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
            if len(paths) != len(vectors) or not (np.isfinite(lengths) & (lengths > 0)).all():
                raise ValueError("vectors that are zero, not finite or without a path")
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise SpkidError(
                f"{path}: not a usable table of embeddings",
                expected="an .npz with 'paths' and finite 'embeddings'",
                do="make it with 'spkid embed'",
            ) from error
        unit = (vectors / lengths[:, None]).astype(np.float32)
        return cls({name: row for row, name in enumerate(paths)}, unit, model)

    def rows(self, paths: pd.Series) -> NDArray[np.intp]:
        """Row numbers for ``paths``.

        Raises
        ------
        SpkidError
            If a path has no vector.
        """
        rows = paths.map(self.row_of)
        if rows.isna().any():
            missing = paths[rows.isna()]
            raise SpkidError(
                f"no vector for {missing.iloc[0]} ({missing.nunique()} such clips)",
                expected="a vector for each clip of the list",
                do="run 'spkid embed' on a manifest that names them all",
            )
        return rows.to_numpy(dtype=np.intp)


def score_trials(trials: pd.DataFrame, embeddings: EmbeddingTable) -> NDArray[np.float64]:
    """Cosine of each trial's two vectors, float64 ``[trials]``."""
    enroll = embeddings.vectors[embeddings.rows(trials["enroll"])]
    test = embeddings.vectors[embeddings.rows(trials["test"])]
    return np.einsum("ij,ij->i", enroll, test, dtype=np.float64)


def calibrated_trials(
    trials: pd.DataFrame, embeddings: EmbeddingTable, calibration: Calibration
) -> NDArray[np.float64]:
    """Log-likelihood ratio of each trial's two clips, of unknown length; float64 ``[trials]``."""
    by_clip = calibration.crowding(embeddings.vectors)
    sides = [by_clip[embeddings.rows(trials[side])] for side in ("enroll", "test")]
    cosines = score_trials(trials, embeddings)
    return calibration.log_likelihood_ratio(cosines, 1, crowding=np.mean(sides, axis=0))
