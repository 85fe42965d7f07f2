"""Manifests: CSV tables with one row a clip and at least the column ``path``."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from spkid.data.cells import read_back
from spkid.errors import BadTable
from spkid.files import open_regular, why_unreadable

if TYPE_CHECKING:
    import pandas as pd

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LONGEST_HEADER = 1 << 16  # bytes
MOST_NAMED = 30  # columns in an error


def column_names(columns: Sequence[str]) -> str:
    """``the column path``, or ``the columns path, speaker``."""
    return f"the column{'s' if len(columns) > 1 else ''} {', '.join(columns)}"


def read_manifest(path: str | Path, *, required: tuple[str, ...] = ("path",)) -> pd.DataFrame:
    """All columns as strings, an unknown value as the empty string.

    Commas, semicolons or tabs between the columns; UTF-8, or UTF-16 with its mark.

    Raises
    ------
    BadTable
        If the file cannot be read as CSV, lacks a required column or has no rows.
    """
    import pandas as pd

    try:
        with open_regular(path) as file, warnings.catch_warnings():
            # pandas only warns of rows that are longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            encoding, separator = _how_written(file)
            table = pd.read_csv(
                file,
                sep=separator,
                encoding=encoding,
                dtype=str,
                keep_default_na=False,
                index_col=False,
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise BadTable(
            f"{path}: cannot be read as CSV ({why_unreadable(error)})",
            expected=f"a readable CSV file with {column_names(required)}",
            do="check the path and the file",
        ) from error
    table = read_back(table)
    missing = [column for column in required if column not in table.columns]
    if missing or table.empty:
        lack = f"no column {', '.join(missing)}" if missing else "no rows"
        raise BadTable(
            f"{path}: {lack}",
            expected=f"a CSV with {column_names(required)}, and at least one row; "
            f"{columns_there(table.columns)}",
            do="correct the file",
        )
    return table


def columns_there(columns: Iterable[object]) -> str:
    """``there are speaker, age``, for an error: the first of them where there are very many."""
    named = [str(column) for column in columns]
    more = len(named) - MOST_NAMED
    return f"there are {', '.join(named[:MOST_NAMED]) or 'none'}" + (
        f" and {more} more" if more > 0 else ""
    )


def _how_written(file: BinaryIO) -> tuple[str, str]:
    """Encoding and separator: spreadsheets also write UTF-16, and semicolons or tabs."""
    start = file.readline(LONGEST_HEADER)
    file.seek(0)
    encoding = "utf-16" if start.startswith(UTF_16) else "utf-8"
    return encoding, max(",;\t", key=start.decode(encoding, "replace").count)
