"""What people write of speakers, made plain: unknown is empty, and one group has one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from spkid.data.names import plain_name

# in any case; what R, pandas, Excel and people write where they do not know
UNKNOWN = {
    *("", "nan", "na", "n/a", "#n/a", "n.a.", "<na>", "nat", "none", "null", "nil", "unknown"),
    *("unk", "undefined", "missing", "not available", "not known", "-", "--", "–", "?", "??"),
}
NAMES = ("path", "clip", "speaker", "household", "truth", "answer")  # their case counts


def is_unknown(value: str) -> bool:
    """Whether ``value`` says that nothing is known."""
    return value.strip().casefold() in UNKNOWN


def plain_descriptions(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """``table`` with plain values, and what was taken for one value or for unknown.

    Parameters
    ----------
    table : DataFrame of str
        A row a clip or a speaker.

    Returns
    -------
    DataFrame of str
        Values that mean unknown are empty; those that differ in case, in blanks around them or
        in how accents are composed are written as the most frequent of them. Names of clips and
        speakers keep their case.
    dict of list of str
        Sentences by column, only where something was changed that a reader must know of.
    """
    plain, said = {}, {}
    for column in table.columns:
        values = table[column].astype(str)
        if column in NAMES:
            known = {value: plain_name(value) for value in values.unique()}
        else:
            known, said[column] = _one_spelling(column, values.value_counts().to_dict())
        plain[column] = values.map(known)
    return pd.DataFrame(plain, index=table.index), {
        column: lines for column, lines in said.items() if lines
    }


def _one_spelling(column: str, counts: Mapping[str, int]) -> tuple[dict[str, str], list[str]]:
    """What each value is written as, and sentences on those that were not as they are."""
    spellings: dict[str, Counter[str]] = {}
    for value, n in counts.items():
        key = "" if is_unknown(plain_name(value)) else plain_name(value).casefold()
        spellings.setdefault(key, Counter())[value] += n
    known: dict[str, str] = {}
    lines = []
    for key, values in sorted(spellings.items()):
        most = min(values, key=lambda value: (-values[value], value))
        known |= dict.fromkeys(values, plain_name(most) if key else "")
        written = sorted(value for value in values if value.strip())
        if len(values) > 1 and key:
            spelled = ", ".join(map(repr, sorted(values)))
            lines.append(f"{column}: {spelled} are one group, {plain_name(most)!r}.")
        elif not key and written:
            lines.append(f"{column}: {', '.join(map(repr, written))} counts as unknown.")
    return known, lines
