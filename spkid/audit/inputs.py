"""What an audit is given, as a file or as a table: read, checked and in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from spkid.data.descriptions import plain_descriptions
from spkid.data.labels import USUAL, label_of
from spkid.data.manifest import column_names, columns_there, read_manifest
from spkid.data.names import plain_categories
from spkid.data.score_columns import ROLES, headed
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


def described(
    source: Table, required: tuple[str, ...] = ("speaker",)
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Metadata as text, and by column what was taken for one value or for unknown.

    An unknown value is the empty string; as :func:`spkid.data.descriptions.plain_descriptions`.

    Raises
    ------
    BadTable
        If a required column is missing, or as :func:`spkid.data.manifest.read_manifest`.
    """
    if not isinstance(source, pd.DataFrame):
        return plain_descriptions(read_manifest(source, required=required))
    need_columns(source, required, "metadata")
    return plain_descriptions(source.astype(object).where(source.notna(), "").astype(str))


def scored(
    source: Table, trials: Table | None, columns: Mapping[str, str | int] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Scores with their labels, and how a file was read.

    ``columns`` says which column is what where neither its name nor the order tells.

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
        read = read_score_file(source, trials=listed, columns=columns)
        return read.table, read.notes
    if trials is not None:
        raise BadTable(
            "a table of scores and a trial list beside it",
            expected="the labels in the table",
            do="leave out trials=",
        )
    source = _named(source, columns or {})
    need_columns(source, ROLES, "a table of scores")
    words = {word: _said(word) for word in source["label"].unique()}
    if None in words.values():
        raise BadTable(
            "labels that are neither true nor false",
            expected=f"such as {USUAL}",
            do="correct the column 'label'",
        )
    labels = source["label"].map(words).astype(bool)
    names = {side: plain_categories(source[side]) for side in ("enroll", "test")}
    return source.assign(**names, label=labels, score=source["score"].astype(float)), ()


def _named(source: pd.DataFrame, columns: Mapping[str, str | int]) -> pd.DataFrame:
    """The four columns of a table in memory under their plain names."""
    need_columns(source, tuple(map(str, columns.values())), "a table of scores")
    places = dict(columns)
    for role in set(ROLES) - places.keys():
        found = headed(list(source.columns), role)
        if len(found) == 1:
            places[role] = source.columns[found[0]]
    table = source[list(dict.fromkeys(places.values()))]
    return table.rename(columns={name: role for role, name in places.items()})


def _said(word: object) -> bool | None:
    """A label in words or, as in a column of numbers, 1.0 and 0.0."""
    return bool(word) if word in (0, 1) else label_of(word)


def need_columns(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse ``table`` where it lacks one of ``columns``."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise BadTable(
            f"{what} without {column_names(missing)}",
            expected=f"{column_names(columns)}; {columns_there(table.columns)}",
            do="correct the name or the table",
        )


def need_one_description(names: pd.Series, what: str) -> None:
    """Refuse a name that stands in two rows of ``what``: they differ, as equal rows are one."""
    twice = names[names.duplicated()]
    if len(twice):
        raise BadTable(
            f"{names.name} {twice.iloc[0]!r} with two different descriptions",
            expected=f"one description for each {names.name}",
            do=f"correct {what}",
        )


def need_same_names(names: Sequence[pd.Series], people: pd.DataFrame, where: str) -> None:
    """Refuse speakers such as 0048 that the metadata has as 48: they would be left out."""
    known = set(people["speaker"])
    for name in {str(name) for column in names for name in column.unique()} - known:
        if name.lstrip("0") in known - {""}:
            raise BadTable(
                f"speaker {name!r} of {where} stands in the metadata as {name.lstrip('0')!r}",
                expected="the same names in both",
                do="read the metadata's names as text: pandas.read_csv(file, dtype=str)",
            )


def said_of(spellings: dict[str, list[str]], columns: Sequence[str]) -> list[str]:
    """What was taken for one value or for unknown, in the columns that are used."""
    return [line for column in dict.fromkeys(columns) for line in spellings.get(column, ())]
