"""Names and values that look alike are one: composed accents, no blanks around."""

from __future__ import annotations

import unicodedata

import pandas as pd


def plain_name(name: object) -> str:
    """``name`` with its accents composed (Unicode NFC) and without blanks around it."""
    return unicodedata.normalize("NFC", str(name)).strip()


def plain_categories(names: pd.Series) -> pd.Series:
    """Categories of names, those that look alike as one."""
    column = names.astype("category")
    plain = {name: plain_name(name) for name in column.cat.categories}
    if all(name == own for name, own in plain.items()):
        return column
    return column.map(plain).astype("category")
