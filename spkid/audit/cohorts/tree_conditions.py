"""The conditions of a cohort tree: what leads to a region, in words and as a set of speakers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Condition:
    """One side of a split: numbers ``<=`` or ``>`` a limit, or one of some categories.

    ``or_unknown``: speakers whose value is unknown, or in a category that is too rare to be
    judged, go to this side.
    """

    column: str
    limit: float | None
    below: bool
    values: tuple[str, ...]
    or_unknown: bool

    def __str__(self) -> str:
        if self.limit is not None:
            words = f"{self.column} {'at most' if self.below else 'above'} {self.limit:g}"
        else:
            words = f"{self.column} is {' or '.join(self.values)}"
        rest = " or unknown" if self.limit is not None else " or other"
        return words + rest if self.or_unknown else words

    def holds(self, table: pd.DataFrame) -> Mask:
        """For each row of ``table`` whether the condition holds."""
        values = table[self.column]
        unknown = (values == "").to_numpy()
        if self.limit is None:
            inside = values.isin(self.values).to_numpy()
        else:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
            inside = numbers <= self.limit if self.below else numbers > self.limit
        return np.where(unknown, self.or_unknown, inside)


def tightest(steps: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The steps down to a leaf without those that a later one on the same column covers."""
    last = {(step.column, step.limit is None or step.below): step for step in steps}
    keep_unknown = {
        step.column: all(other.or_unknown for other in steps if other.column == step.column)
        for step in steps
    }
    return tuple(
        dataclasses.replace(step, or_unknown=keep_unknown[step.column]) for step in last.values()
    )


def with_categories(table: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """``table`` with values that are not among the ``categories`` of their column as unknown."""
    known = {
        column: table[column].where(table[column].isin(values), "")
        for column, values in categories.items()
    }
    return table.assign(**known)


def region(table: pd.DataFrame, conditions: tuple[Condition, ...]) -> Mask:
    """Rows of ``table`` in which all ``conditions`` hold."""
    inside = np.ones(len(table), dtype=bool)
    for condition in conditions:
        inside &= condition.holds(table)
    return inside
