"""Conditions on figures, such as ``garbe>0.2``: for scripts that must not ship a worse system."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from spkid.errors import SpkidError

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
PATTERN = re.compile(
    r"\s*(?P<figure>\w+)\s*(?:\[(?P<column>[^\]]+)\]\s*)?(?P<sign>[<>]=?)\s*"
    r"(?P<limit>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
)


@dataclass(frozen=True)
class FigureCondition:
    """``figure sign limit``, of one audited column or, without one, of any."""

    figure: str
    column: str | None
    sign: str
    limit: float

    def __str__(self) -> str:
        where = "" if self.column is None else f"[{self.column}]"
        return f"{self.figure}{where} {self.sign} {self.limit:g}"

    def columns_where_true(self, figures: Mapping[str, Mapping[str, float | None]]) -> list[str]:
        """Columns in which the condition is true.

        Parameters
        ----------
        figures : mapping
            Column -> name of the figure -> value; None or NaN is unknown.

        Raises
        ------
        SpkidError
            If the column or the figure does not exist, or the figure is unknown in every
            column asked for: nothing can be said then, least of all that all is well.
        """
        if self.column is not None and self.column not in figures:
            raise SpkidError(
                f"the condition {self}",
                expected=f"one of the audited columns {', '.join(figures)}",
                do="correct the condition, or add the column to by=",
            )
        asked = {
            column: values
            for column, values in figures.items()
            if self.column is None or column == self.column
        }
        names = list(dict.fromkeys(name for values in asked.values() for name in values))
        if self.figure not in names:
            raise SpkidError(
                f"the condition {self}",
                expected=f"one of the figures {', '.join(names)}",
                do="correct the condition",
            )
        known = {
            column: value
            for column, values in asked.items()
            if (value := values.get(self.figure)) is not None and not math.isnan(value)
        }
        if not known:
            raise SpkidError(
                f"the condition {self} on a figure that these data leave unknown",
                expected="a figure that is known in some column",
                do="audit with more speakers, or use another figure",
            )
        compare = OPERATORS[self.sign]
        return [column for column, value in known.items() if compare(value, self.limit)]


def read_condition(text: str) -> FigureCondition:
    """Read ``FIGURE>NUMBER`` or ``FIGURE[COLUMN]>NUMBER``; also ``>=``, ``<`` and ``<=``.

    Raises
    ------
    SpkidError
        If ``text`` is no such condition.
    """
    found = PATTERN.fullmatch(text)
    if found is None:
        raise SpkidError(
            f"the condition {text!r}",
            expected="FIGURE>NUMBER or FIGURE[COLUMN]>NUMBER, with >, >=, < or <=",
            do="write for example 'garbe>0.2' or 'garbe[gender]>0.2'",
        )
    column = found["column"]
    return FigureCondition(
        figure=found["figure"],
        column=None if column is None else column.strip(),
        sign=found["sign"],
        limit=float(found["limit"]),
    )
