"""Files of words in columns as programs print them: encodings, separators, comments, tensors."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from spkid.errors import BadTable
from spkid.files import open_regular, why_unreadable

N_SAMPLE = 1000  # lines from which separator and columns are found out
HEAD = 1 << 18  # bytes that surely hold them
CHUNK = 1 << 22
BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
ODD = (b"#", b"(", b"[")  # without these bytes there is no comment and no tensor
COMMENT = re.compile(rb"(?m)^[ \t]*#.*$")
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
# tensor([0.3], device='cuda:0'), np.float32(0.3): one number and what it was kept in
_WRAPPED = re.compile(
    rb"\b(?:torch\.|np\.|numpy\.)?(?:tensor|Tensor|array|float\d*)\(\s*\[*\s*("
    + _NUMBER
    + rb")\s*\]*\s*(?:,\s*\w+=(?:<[^<>]*>|[^(),;\s])+)*\s*\)"
)
_BRACKETED = re.compile(rb"(?<![\w\[\](])\[+\s*([-+]?\d*\.\d*(?:[eE][-+]?\d+)?)\s*\]+(?![\w\[\]])")
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d+")
_POINT_DECIMAL = re.compile(r"[-+]?\d+\.\d+")


@dataclass(frozen=True)
class Printed:
    """A file, how it is written, and its lines without comments where there were any.

    ``content`` is None where the file can be read as it is; ``expected`` says in errors what
    should stand there.
    """

    path: Path
    expected: str
    encoding: str
    separator: str
    decimal: str
    n_comments: int
    content: bytes | None

    def read(self, **options: Any) -> pd.DataFrame:
        """As :func:`pandas.read_csv`, every cell as it is written.

        Raises
        ------
        BadTable
            If it cannot be read.
        """
        try:
            with self._opened() as file:
                return pd.read_csv(
                    file,
                    sep=self.separator,
                    decimal=self.decimal,
                    encoding=self.encoding,
                    keep_default_na=False,
                    na_filter=False,
                    quoting=csv.QUOTE_MINIMAL if self.separator in ",;" else csv.QUOTE_NONE,
                    skipinitialspace=True,
                    **options,
                )
        except (OSError, ValueError) as error:
            raise _unreadable(self.path, self.expected, error) from error

    def sample(self) -> pd.DataFrame:
        """The first :data:`N_SAMPLE` lines as words."""
        return self.read(header=None, dtype=str, nrows=N_SAMPLE)

    def line_of(self, row: int) -> int:
        """The number of the line on which row ``row`` (from 0, a header counted) stands."""
        with io.TextIOWrapper(self._opened(), encoding="latin-1") as file:  # any ends of lines
            filled = [number for number, line in enumerate(file, 1) if line.strip()]
        return filled[min(row, len(filled) - 1)] if filled else 1

    def _opened(self) -> BinaryIO:
        return open_regular(self.path) if self.content is None else io.BytesIO(self.content)


def open_printed(path: str | Path, *, expected: str) -> Printed:
    """Find out how ``path`` is written.

    UTF-8, or UTF-16 with a byte order mark; columns between tabs, semicolons, commas or blanks;
    lines that begin with ``#`` are left out; ``tensor([0.3])`` is the number in it.

    Raises
    ------
    BadTable
        If it cannot be read.
    """
    path = Path(path)
    try:
        content, encoding = _content(path)
        n_comments = 0
        if content is not None:
            content, n_comments = COMMENT.subn(b"", content)
            content = _BRACKETED.sub(rb"\1", _WRAPPED.sub(rb"\1", content))
            head = content[:HEAD]
        else:
            with open_regular(path) as file:
                head = file.read(HEAD)
        lines = [line for line in head.decode(encoding, "replace").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise _unreadable(path, expected, error) from error
    lines = lines[:N_SAMPLE]
    separator = _separator(lines)
    decimal = _decimal(lines, separator)
    return Printed(path, expected, encoding, separator, decimal, n_comments, content)


def _unreadable(path: Path, expected: str, error: Exception) -> BadTable:
    return BadTable(
        f"{path}: cannot be read ({why_unreadable(error)})",
        expected=expected,
        do="check the path and the file",
    )


def _content(path: Path) -> tuple[bytes | None, str]:
    """What is in ``path`` as UTF-8, None where it can be read as it is; and its encoding then."""
    with open_regular(path) as file:
        start = file.read(3)
        encoding = next((BOMS[mark] for mark in BOMS if start.startswith(mark)), "utf-8")
        file.seek(0)
        if encoding == "utf-16":
            return file.read().decode("utf-16").encode(), "utf-8"
        while chunk := file.read(CHUNK):
            if any(mark in chunk for mark in ODD):
                file.seek(0)
                return file.read().removeprefix(b"\xef\xbb\xbf"), "utf-8"
    return None, encoding


def _separator(lines: Sequence[str]) -> str:
    """The one that cuts nearly all lines into as many columns, three or more; else blanks."""
    for separator in "\t;,":
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=separator))
        n_columns, n_lines = counts.most_common(1)[0] if counts else (0, 0)
        if n_columns >= 3 and n_lines >= 0.9 * len(lines):
            return separator
    return r"\s+"


def _decimal(lines: Sequence[str], separator: str) -> str:
    """A comma where numbers are written so and not with a point, between semicolons or tabs."""
    if separator not in ";\t":
        return "."
    cells = {cell.strip() for line in lines for cell in line.split(separator)}
    with_comma = any(map(_COMMA_DECIMAL.fullmatch, cells))
    return "," if with_comma and not any(map(_POINT_DECIMAL.fullmatch, cells)) else "."
