"""Trial lists: which clips are held against which, and whether one person speaks in both."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spkid.data.labels import USUAL, label_columns, label_of
from spkid.data.names import plain_categories
from spkid.data.printed import open_printed
from spkid.data.score_columns import headed
from spkid.errors import BadTable

WHAT = "lines 'label enroll test' or 'enroll test target|nontarget'"


def read_trials(path: str | Path) -> pd.DataFrame:
    """A trial list as columns ``enroll``, ``test`` (str) and ``label`` (bool, True = same).

    Accepts ``label enroll test`` (VoxCeleb) and ``enroll test label`` (Kaldi), with labels in
    any of the usual words (:data:`spkid.data.labels.LABELS`), a header or none.

    Raises
    ------
    BadTable
        If the file is neither.
    """
    file = open_printed(path, expected=WHAT)
    table = file.read(header=None, dtype=str).apply(plain_categories).astype(object)
    if table.shape[1] != 3:
        raise BadTable(f"{path}: {table.shape[1]} columns", expected=WHAT, do="correct the file")
    short = (table == "").any(axis=1)
    if short.any():
        line = file.line_of(int(short.to_numpy().argmax()))
        raise BadTable(f"{path}: a word missing in line {line}", expected=WHAT, do="correct it")
    columns, first_row = _columns(path, table)
    table = table.iloc[first_row:].rename(columns=columns)
    known = {word: label_of(word) for word in table["label"].unique()}
    if strange := next((word for word, label in known.items() if label is None), None):
        raise BadTable(
            f"{path}: {strange!r} as a label", expected=f"such as {USUAL}", do="correct the file"
        )
    table["label"] = table["label"].map(known).astype(bool)
    return table[["enroll", "test", "label"]].reset_index(drop=True)


def _columns(path: str | Path, table: pd.DataFrame) -> tuple[dict[int, str], int]:
    """What each column is, and the first row under a header."""
    header = {role: headed(list(table.iloc[0]), role) for role in ("enroll", "test", "label")}
    if all(len(places) == 1 for places in header.values()):
        return {places[0]: role for role, places in header.items()}, 1
    labels = [place for place in label_columns(table) if place != 1]
    if len(labels) != 1:
        lacks = "two columns that may be the labels" if labels else "no column of labels"
        raise BadTable(f"{path}: {lacks}", expected=WHAT, do="correct the file")
    enroll, test = [place for place in range(3) if place != labels[0]]
    return {labels[0]: "label", enroll: "enroll", test: "test"}, 0
