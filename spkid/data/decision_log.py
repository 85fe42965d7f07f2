"""What a household's recogniser answered, beside who really spoke.

A log is a CSV file, or JSON or JSON lines as ``spkid identify --json`` writes them (``clip``,
``household``, ``status``, ``member``). It needs the truth, in columns of its own or in a second
table by ``clip``: ``speaker`` (who it really was, guests too) and ``truth`` (the member that
this is, empty for a guest).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spkid.data.descriptions import is_unknown
from spkid.data.manifest import read_manifest
from spkid.data.names import plain_name
from spkid.errors import BadTable
from spkid.files import LARGEST_TABLE, parse_json, read_text, why_unreadable

COLUMNS = ("household", "speaker", "truth", "answer")


def read_decisions(
    log: str | Path | pd.DataFrame, *, truth: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Columns ``household``, ``speaker``, ``truth`` and ``answer`` (empty: nobody named).

    Parameters
    ----------
    log : str, Path or DataFrame
        A CSV or table with the four columns, or what ``spkid identify --json`` prints, as one list
        or a line a clip.
    truth : DataFrame, optional
        ``clip``, ``speaker``, ``truth``; for a log without them.

    Raises
    ------
    BadTable
        If the file is neither, a column is missing, or a clip has no truth or two.
    """
    if isinstance(log, pd.DataFrame):
        path, table = "the log", log.copy()
    else:
        path, text = str(log), _text(log)
        table = (
            _from_json(log, text)
            if text.lstrip()[:1] in ("[", "{")
            else read_manifest(log, required=("household",))
        )
    if "answer" not in table.columns and "member" in table.columns:
        known = table["status"] == "known" if "status" in table.columns else True
        table["answer"] = table["member"].where(known, "")
    for column in {*COLUMNS, "clip"} & set(table.columns):
        words = {word: plain_name("" if pd.isna(word) else word) for word in table[column].unique()}
        table[column] = table[column].map(words)
    if truth is not None:
        table = _with_truth(path, table, truth)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise BadTable(
            f"{path}: no column {', '.join(missing)}",
            expected=f"the columns {', '.join(COLUMNS)}",
            do="give who spoke in the log, or in a table by clip",
        )
    decisions = table[list(COLUMNS)].astype(object)
    decisions = decisions.where(decisions.notna(), "").astype(str)
    for column in ("truth", "answer"):  # nobody, whatever the word for it
        decisions[column] = decisions[column].mask(decisions[column].map(is_unknown), "")
    nameless = (decisions[["household", "speaker"]] == "").any(axis=1)
    if nameless.any():
        raise BadTable(
            f"{path}: {int(nameless.sum())} clips without a household or a speaker",
            expected="both for every clip; guests need a name too, to be told apart",
            do="complete the log",
        )
    return decisions


def _text(path: str | Path) -> str:
    try:
        return read_text(path, at_most=LARGEST_TABLE)
    except (OSError, ValueError) as error:
        raise BadTable(
            f"{path}: cannot be read ({why_unreadable(error)})",
            expected="a log of decisions",
            do="check the path",
        ) from error


def _from_json(path: str | Path, text: str) -> pd.DataFrame:
    try:
        if text.lstrip().startswith("["):
            entries = parse_json(text)
        else:
            entries = [parse_json(line) for line in text.splitlines() if line.strip()]
        if not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("not a list of objects")
    except ValueError as error:
        raise BadTable(
            f"{path}: cannot be read as JSON ({error})",
            expected="a list of decisions, or one a line",
            do="keep what 'spkid identify --json' prints",
        ) from error
    return pd.DataFrame(entries).fillna("")


def _with_truth(path: str | Path, table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    for name, columns, of in (
        ("log", ("clip",), table),
        ("truth", ("clip", "speaker", "truth"), truth),
    ):
        missing = [column for column in columns if column not in of.columns]
        if missing:
            raise BadTable(
                f"{path}: the {name} lacks the column {', '.join(missing)}",
                expected=f"the columns {', '.join(columns)}",
                do="complete it",
            )
    described = truth[["clip", "speaker", "truth"]].drop_duplicates().set_index("clip")
    unsure = table["clip"][
        ~table["clip"].isin(described.index)
        | table["clip"].isin(described.index[described.index.duplicated()])
    ]
    if len(unsure):
        raise BadTable(
            f"{path}: {len(unsure)} clips without one truth, first {unsure.iloc[0]!r}",
            expected="who spoke in each clip, once",
            do="complete the table of truth",
        )
    found = described.loc[table["clip"]]
    return table.assign(speaker=found["speaker"].to_numpy(), truth=found["truth"].to_numpy())
