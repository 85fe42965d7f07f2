"""Score files of any system: which column is what is found out, said, and checked to the last line.

The columns may stand in any of the orders of :data:`spkid.data.score_columns.LAYOUTS`, or a header
names them. Without a column of labels, a trial list brings them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.data.labels import USUAL, label_of
from spkid.data.names import plain_categories
from spkid.data.printed import Printed, open_printed
from spkid.data.score_columns import Columns, find_columns
from spkid.errors import BadTable
from spkid.files import whole_file

WHAT = "lines 'enroll test score label' or 'label enroll test score', or a CSV with these names"


@dataclass(frozen=True)
class ScoreFile:
    """``table``: ``enroll``, ``test`` (categories), ``score`` (float64), ``label`` (bool).

    ``notes`` say how the file was read and what of it was not used.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def read_score_file(
    path: str | Path,
    *,
    trials: pd.DataFrame | None = None,
    columns: Mapping[str, str | int] | None = None,
) -> ScoreFile:
    """Scores with labels, from the file itself or from ``trials``.

    Parameters
    ----------
    path : str or Path
    trials : DataFrame, optional
        ``enroll``, ``test``, ``label``, as :func:`spkid.data.trial_lists.read_trials` gives;
        only for a file that has no labels of its own.
    columns : mapping, optional
        Which column is what, where that cannot be told: as
        :func:`spkid.data.score_columns.find_columns` takes it.

    Raises
    ------
    BadTable
        If no order of columns fits or more than one, a score is not a finite number, there are
        labels twice or not at all, or a score has no trial in ``trials``.
    """
    file = open_printed(path, expected=WHAT)
    sample = file.sample()
    found = find_columns(file, sample, columns)
    roles = list(found.places)
    try:
        table = _read(file, found, dtype=_types(sample, found))
        table = table.assign(
            **{name: plain_categories(table[name]) for name in roles if name != "score"}
        )
        sound = bool(np.isfinite(table["score"]).all())
    except BadTable:
        sound = False
    if not sound or any("" in table[name].cat.categories for name in roles if name != "score"):
        raise _flaw(file, found)
    note = f"{file.path.name} was read as '{' '.join(found.names)}' ({found.how})"
    if file.n_comments:
        note += f", without {file.n_comments} lines that begin with '#'"
    if "label" not in roles:
        return _joined(path, table, trials, note)
    if trials is not None:
        raise BadTable(
            f"{path}: labels in the file and a trial list beside it",
            expected="labels from one place",
            do="leave the trial list out",
        )
    labels = {word: label_of(word) for word in table["label"].cat.categories}
    if wrong := [word for word, label in labels.items() if label is None]:
        raise BadTable(
            f"{path}: {wrong[0]!r} in the column of labels",
            expected=f"such as {USUAL}",
            do="correct the file",
        )
    table["label"] = table["label"].map(labels).astype(bool)
    return ScoreFile(_in_order(table), (_counted(table, note),))


def _read(file: Printed, columns: Columns, **options: Any) -> pd.DataFrame:
    """The columns that have a role, by that name."""
    more = {"usecols": list(columns.places)} if len(columns.places) < columns.n_columns else {}
    header = 0 if columns.has_header else None
    return file.read(names=columns.names, header=header, **more, **options)


def _types(sample: pd.DataFrame, columns: Columns) -> dict[str, str]:
    """Categories at once where pandas keeps them as words: it reads 0012 as 12 if all look so."""
    types = {}
    for name, place in columns.places.items():
        values = sample[place].iloc[int(columns.has_header) :]
        word = pd.to_numeric(values, errors="coerce").isna() & ~values.str.lower().isin(
            ["true", "false"]
        )
        types[name] = "float64" if name == "score" else "category" if word.any() else "str"
    return types


def _flaw(file: Printed, columns: Columns) -> BadTable:
    """What is wrong with the first line that is wrong, found by reading all of it as words."""
    table = _read(file, columns, dtype=str)
    scores = table["score"].str.replace(file.decimal, ".", regex=False)
    finite = np.isfinite(pd.to_numeric(scores, errors="coerce"))
    wrong = np.flatnonzero(~finite | (table == "").any(axis=1))
    if not len(wrong):  # odd blanks that part the words of one line in two ways
        return BadTable(
            f"{file.path}: lines that cannot be parted into columns",
            expected=WHAT,
            do="put single blanks or commas between the columns",
        )
    row = int(wrong[0])
    line = file.line_of(row + columns.has_header)
    if (table.loc[row] == "").any():
        return BadTable(f"{file.path}: a word missing in line {line}", expected=WHAT, do="mend it")
    return BadTable(
        f"{file.path}: {table['score'][row]!r} as the score in line {line}",
        expected="a finite number",
        do="correct the file, or name the columns with columns=",
    )


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    return table[["enroll", "test", "score", "label"]]


def _counted(table: pd.DataFrame, note: str) -> str:
    n_target = int(table["label"].sum())
    return f"{note}: {n_target} same-speaker and {len(table) - n_target} different-speaker trials."


def _joined(
    path: str | Path, table: pd.DataFrame, trials: pd.DataFrame | None, note: str
) -> ScoreFile:
    """``table`` with the labels of the same pairs in ``trials``."""
    if trials is None:
        raise BadTable(
            f"{path}: no column of labels",
            expected="labels in the file, or a trial list beside it",
            do="give the list with trials=",
        )
    names = [
        pd.concat([table[side].cat.categories.to_series(), trials[side].drop_duplicates()])
        for side in ("enroll", "test")
    ]
    places = [pd.Index(each.unique()) for each in names]

    def keys(of: pd.DataFrame) -> NDArray[np.int64]:
        enroll, test = (
            index.get_indexer(of[side].astype("category").cat.categories)[
                of[side].astype("category").cat.codes
            ]
            for side, index in zip(("enroll", "test"), places, strict=True)
        )
        return np.asarray(enroll.astype(np.int64) * len(places[1]) + test)

    listed = pd.Series(trials["label"].to_numpy(bool), index=keys(trials))
    listed = listed[~listed.index.duplicated()]
    found = listed.index.get_indexer(keys(table))
    if (found < 0).any():
        first = table[found < 0].iloc[0]
        raise BadTable(
            f"{path}: {int((found < 0).sum())} scores whose trial the list lacks, first "
            f"{first['enroll']} against {first['test']}",
            expected="a trial list with every pair of the score file, the same way round",
            do="give the list that the scores were made from",
        )
    table["label"] = listed.to_numpy()[found]
    notes = [_counted(table, f"{note}, labels from the trial list")]
    n_unscored = len(listed) - len(np.unique(found))
    if n_unscored:
        notes.append(f"{n_unscored} trials of the list have no score and are left out.")
    return ScoreFile(_in_order(table), tuple(notes))


def read_scores(
    path: str | Path, *, columns: Mapping[str, str | int] | None = None
) -> pd.DataFrame:
    """A score file as ``enroll``, ``test`` (categories), ``score`` (float64), ``label`` (bool).

    ``columns`` says which column is what where that cannot be told: ``{"score": "llr"}``.

    Raises
    ------
    BadTable
        As :func:`read_score_file`, which also says how the file was read.
    """
    return read_score_file(path, columns=columns).table


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write ``enroll test score target|nontarget`` lines.

    Raises
    ------
    SpkidError
        If the file cannot be written.
    BadTable
        If a name has a blank, which parts the columns.
    """
    label = np.where(table["label"], "target", "nontarget")
    lines = table[["enroll", "test", "score"]].assign(label=label)
    try:
        with whole_file(path) as file:
            lines.to_csv(
                file,
                sep=" ",
                header=False,
                index=False,
                float_format="%.6f",
                quoting=csv.QUOTE_NONE,
            )
    except csv.Error as error:
        raise BadTable(
            f"{path}: a name with a blank in it",
            expected="names without blanks, which part the columns",
            do="rename the clips in the trial list",
        ) from error
