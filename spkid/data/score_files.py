"""Score files of any system: which column is what is found out, said, and checked to the last line.

The columns may stand in any of the orders of :data:`LAYOUTS`, separated by spaces or tabs; a CSV
file with a header names them. Without a column of labels, a trial list brings them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.data.trial_lists import LABELS
from spkid.errors import BadTable
from spkid.files import why_unreadable, written_beside

LAYOUTS = {
    ("enroll", "test", "score", "label"): "as Kaldi and WeSpeaker",
    ("label", "enroll", "test", "score"): "as VoxCeleb",
    ("enroll", "test", "label", "score"): "as speechbrain",
    ("score", "enroll", "test", "label"): "score first",
    ("enroll", "test", "score"): "no labels",
    ("score", "enroll", "test"): "no labels, score first",
}
N_SAMPLE = 1000  # lines from which the order is found out
WHAT = "lines 'enroll test score label' or 'label enroll test score', or a CSV with these names"


@dataclass(frozen=True)
class ScoreFile:
    """``table``: ``enroll``, ``test`` (categories), ``score`` (float64), ``label`` (bool).

    ``notes`` say how the file was read and what of it was not used.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def read_score_file(path: str | Path, *, trials: pd.DataFrame | None = None) -> ScoreFile:
    """Scores with labels, from the file itself or from ``trials``.

    Parameters
    ----------
    path : str or Path
    trials : DataFrame, optional
        ``enroll``, ``test``, ``label``, as :func:`spkid.data.trial_lists.read_trials` gives;
        only for a file that has no labels of its own.

    Raises
    ------
    BadTable
        If no order of columns fits, a score is not a finite number, there are labels twice or
        not at all, or a score has no trial in ``trials``.
    """
    sample = _read(path, dtype=str, nrows=N_SAMPLE)
    layout, has_header = _layout(path, sample)
    try:
        table = _read(
            path, names=layout, skiprows=int(has_header), dtype=_types(sample, layout, has_header)
        )
        table = table.astype({name: "category" for name in layout if name != "score"})
        sound = bool(np.isfinite(table["score"]).all())
    except BadTable:
        sound = False
    if not sound or any("" in table[name].cat.categories for name in layout if name != "score"):
        raise _flaw(path, layout, has_header)
    how = "by its header" if has_header else LAYOUTS[layout]
    note = f"{Path(path).name} was read as '{' '.join(layout)}' ({how})"
    if "label" not in layout:
        return _joined(path, table, trials, note)
    if trials is not None:
        raise BadTable(
            f"{path}: labels in the file and a trial list beside it",
            expected="labels from one place",
            do="leave the trial list out",
        )
    wrong = table["label"].cat.categories.difference(list(LABELS))
    if len(wrong):
        raise BadTable(
            f"{path}: {wrong[0]!r} in the column of labels",
            expected="1 and 0, or target and nontarget",
            do="correct the file",
        )
    table["label"] = table["label"].map(LABELS).astype(bool)
    return ScoreFile(_in_order(table), (_counted(table, note),))


def _read(path: str | Path, **options: object) -> pd.DataFrame:
    """The file as a table, by commas where its first line has one."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            separator = "," if "," in file.readline() else r"\s+"
        quoting = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
        return pd.read_csv(
            path,
            sep=separator,
            header=None,
            keep_default_na=False,
            na_filter=False,
            quoting=quoting,
            skipinitialspace=True,
            **options,
        )
    except (OSError, ValueError) as error:
        raise BadTable(
            f"{path}: cannot be read ({why_unreadable(error)})",
            expected=WHAT,
            do="check the path and the file",
        ) from error


def _layout(path: str | Path, sample: pd.DataFrame) -> tuple[tuple[str, ...], bool]:
    """The order of the columns, and whether the first line names them."""
    first = tuple(str(word).strip().lower() for word in sample.iloc[0])
    if {"enroll", "test", "score"} <= set(first):
        return first, True
    if sample.shape[1] not in (3, 4):
        raise BadTable(f"{path}: {sample.shape[1]} columns", expected=WHAT, do="correct the file")
    # a broken score is a broken score, not a name
    numeric = sample.apply(pd.to_numeric, errors="coerce").notna().mean() >= 0.5
    for words in (("target", "nontarget"), tuple(LABELS)):
        for layout in LAYOUTS:
            if len(layout) != sample.shape[1]:
                continue
            label = layout.index("label") if "label" in layout else None
            if not numeric[layout.index("score")]:
                continue
            if label is None or sample[label].isin(words).all():
                return layout, False
    lacks = "no column of labels" if sample.shape[1] == 4 else "no column of scores"
    raise BadTable(f"{path}: {lacks}", expected=WHAT, do="correct the file")


def _types(sample: pd.DataFrame, layout: tuple[str, ...], has_header: bool) -> dict[str, str]:
    """Categories at once where pandas keeps them as words: it reads 0012 as 12 if all look so."""
    types = {}
    for place, name in enumerate(layout):
        values = sample[place].iloc[int(has_header) :]
        word = pd.to_numeric(values, errors="coerce").isna() & ~values.str.lower().isin(
            ["true", "false"]
        )
        types[name] = "float64" if name == "score" else "category" if word.any() else "str"
    return types


def _flaw(path: str | Path, layout: tuple[str, ...], has_header: bool) -> BadTable:
    """What is wrong with the first line that is wrong, found by reading all of it as words."""
    table = _read(path, names=layout, skiprows=int(has_header), dtype=str)
    finite = np.isfinite(pd.to_numeric(table["score"], errors="coerce"))
    line = int(np.flatnonzero(~finite | (table == "").any(axis=1))[0])
    number = line + 1 + has_header
    if (table.loc[line] == "").any():
        return BadTable(f"{path}: a word missing in line {number}", expected=WHAT, do="correct it")
    return BadTable(
        f"{path}: {table['score'][line]!r} as the score in line {number}",
        expected="a finite number",
        do="correct the file",
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


def read_scores(path: str | Path) -> pd.DataFrame:
    """A score file as ``enroll``, ``test`` (categories), ``score`` (float64), ``label`` (bool).

    Raises
    ------
    BadTable
        As :func:`read_score_file`, which also says how the file was read.
    """
    return read_score_file(path).table


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write ``enroll test score target|nontarget`` lines, beside and renamed.

    Raises
    ------
    BadTable
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
        raise BadTable(
            f"{path}: {error.strerror or error}",
            expected="a file to write to",
            do="choose another place for it",
        ) from error
