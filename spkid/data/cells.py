"""CSV whose cells no spreadsheet takes for a formula, and the same cells read back.

A cell of text that begins like a formula gets an apostrophe in front, as OWASP's "CSV Injection"
has it; one that has it already gets one more, so that each cell is read back as it was. Numbers
stay numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
QUOTED = re.compile(rf"^'(?={FORMULA.pattern})")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def protected(cell: object) -> object:
    """``cell``, with an apostrophe before text that a spreadsheet would run."""
    if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def to_csv(table: pd.DataFrame) -> str:
    """``table`` as CSV without its index."""
    words = table.map(protected).rename(columns=protected)
    return str(words.to_csv(index=False))


def read_back(table: pd.DataFrame) -> pd.DataFrame:
    """The cells and columns of a CSV, all read as text, as :func:`to_csv` was given them."""
    return table.apply(lambda column: column.str.replace(QUOTED, "", regex=True)).rename(
        columns=lambda name: QUOTED.sub("", name)
    )
