"""Trial lists: which clips are held against which, and whether one person speaks in both."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from spkid.errors import BadTable
from spkid.files import why_unreadable

LABELS = {"1": True, "target": True, "0": False, "nontarget": False}


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
        raise BadTable(
            f"{path}: cannot be read ({why_unreadable(error)})",
            expected=what,
            do="check the path and the file",
        ) from error
    if table.shape[1] != n_columns:
        raise BadTable(f"{path}: {table.shape[1]} columns", expected=what, do="correct the file")
    short = (table == "").any(axis=1)
    if short.any():
        line = int(np.flatnonzero(short)[0]) + 1
        raise BadTable(f"{path}: a word missing in line {line}", expected=what, do="correct it")
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
    BadTable
        If the file is neither.
    """
    what = "lines 'label enroll test' or 'enroll test target|nontarget'"
    table = _read_columns(path, 3, what)
    column = _label_column(table, (0, 2))
    if column is None:
        raise BadTable(f"{path}: no column of labels", expected=what, do="correct the file")
    enroll, test = [other for other in range(3) if other != column]
    return pd.DataFrame(
        {"enroll": table[enroll], "test": table[test], "label": table[column].map(LABELS)}
    )
