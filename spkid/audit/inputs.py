"""What an audit is given, as a file or as a table: read, checked and in one form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from spkid.data.manifest import column_names, read_manifest
from spkid.data.score_files import read_score_file
from spkid.data.trial_lists import read_trials
from spkid.errors import BadTable

Table: TypeAlias = str | Path | pd.DataFrame


def name_of(source: Table) -> str:
    """A file's name; empty for a table in memory."""
    return "" if isinstance(source, pd.DataFrame) else Path(source).name


def groupings(by: str | Sequence[str]) -> list[str]:
    """``by`` as a list; one grouping may stand alone."""
    return [by] if isinstance(by, str) else list(by)


def described(source: Table, required: tuple[str, ...] = ("speaker",)) -> pd.DataFrame:
    """Metadata as text, an unknown value as the empty string.

    Raises
    ------
    BadTable
        If a required column is missing, or as :func:`spkid.data.manifest.read_manifest`.
    """
    if not isinstance(source, pd.DataFrame):
        return read_manifest(source, required=required)
    need_columns(source, required, "metadata")
    return source.astype(object).where(source.notna(), "").astype(str)


def scored(source: Table, trials: Table | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Scores with their labels, and how a file was read.

    Raises
    ------
    BadTable
        If a table lacks a column or a label is neither true nor false; or as
        :func:`spkid.data.score_files.read_score_file`.
    """
    if not isinstance(source, pd.DataFrame):
        listed = trials
        if trials is not None and not isinstance(trials, pd.DataFrame):
            listed = read_trials(trials)
        read = read_score_file(source, trials=listed)
        return read.table, read.notes
    if trials is not None:
        raise BadTable(
            "a table of scores and a trial list beside it",
            expected="the labels in the table",
            do="leave out trials=",
        )
    need_columns(source, ("enroll", "test", "score", "label"), "a table of scores")
    if not source["label"].isin([True, False]).all():
        raise BadTable(
            "labels that are neither true nor false",
            expected="True (or 1) where both sides are the same speaker, else False (or 0)",
            do="correct the column 'label'",
        )
    return source.astype({"label": bool, "score": float}), ()


def need_columns(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse ``table`` where it lacks one of ``columns``."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise BadTable(
            f"{what} without {column_names(missing)}",
            expected=f"{column_names(columns)}; there are {', '.join(table.columns) or 'none'}",
            do="correct the name or the table",
        )


def need_same_names(scores: pd.DataFrame, people: pd.DataFrame) -> None:
    """Refuse speakers such as 0048 that the metadata has as 48: they would be left out."""
    known = set(people["speaker"])
    for name in {*scores["enroll"].astype(str), *scores["test"].astype(str)} - known:
        if name.lstrip("0") in known - {""}:
            raise BadTable(
                f"speaker {name!r} of the scores stands in the metadata as {name.lstrip('0')!r}",
                expected="the same names in both",
                do="read the metadata's names as text: pandas.read_csv(file, dtype=str)",
            )
