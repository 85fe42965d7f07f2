"""What a person who chooses between two systems wants to know, as four answers."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from spkid.audit.comparison import Comparison
from spkid.audit.report.conclusion import HOW_MUCH, HOW_SURE, WHAT_NEXT, WHO, Answer
from spkid.audit.report.frequencies import CLIPS, one_against_another
from spkid.audit.study import is_grave
from spkid.pages import signed

MOST_TOLD = 3  # changes in clips; the tables have the others


def comparison_conclusion(comparison: Comparison) -> list[Answer]:
    """Who loses by the second system, by how much, how sure that is, and what to do."""
    table = comparison.table
    rates = table[table["figure"].isin(list(CLIPS)) & table["difference"].notna()]
    order = rates["difference"].abs().sort_values(ascending=False, kind="stable").index
    certain = rates.loc[order][rates.loc[order, "certain"].astype(bool)]
    worse, better = certain[certain["difference"] > 0], certain[certain["difference"] < 0]
    told = worse if len(worse) else better if len(better) else rates.loc[order].head(1)
    answers = [
        _who(comparison, worse, better),
        " ".join(_in_clips(comparison, told.head(MOST_TOLD))) or "Not known.",
        _how_sure(comparison, told, rates, is_certain=not certain.empty),
        _what_next(comparison, worse, better),
    ]
    if any(is_grave(check) for _, check in comparison.checks):
        answers[2] += " But the study itself has a weakness; see 'Checks of the study' first."
    questions = (WHO, HOW_MUCH, HOW_SURE, WHAT_NEXT)
    return [Answer(*pair) for pair in zip(questions, answers, strict=True)]


def _whom(rows: pd.DataFrame) -> str:
    """Groups by name, each once; everybody together where the change is over all trials."""
    return ", ".join(dict.fromkeys(_name(row) for row in rows.to_dict("records")))


def _name(row: dict[str, str]) -> str:
    if not row["group"]:
        return "everybody together"
    return f"{row['group']!r} (by {row['grouping']})"


def _who(comparison: Comparison, worse: pd.DataFrame, better: pd.DataFrame) -> str:
    second = comparison.names[1]
    gain = f" Better off for certain: {_whom(better)}." if len(better) else ""
    if worse.empty:
        return f"By taking {second}, nobody for certain.{gain}"
    return f"By taking {second}: {_whom(worse)}.{gain}"


def _in_clips(comparison: Comparison, rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.to_dict("records"):
        yield one_against_another(
            row["figure"], (row["first"], row["second"]), comparison.names, whose=_name(row)
        )


def _how_sure(
    comparison: Comparison, told: pd.DataFrame, rates: pd.DataFrame, *, is_certain: bool
) -> str:
    n_asked = int(comparison.table["p"].notna().sum())
    if rates.empty:
        return "Not at all: no rate is known of both systems."
    if is_certain:
        row = told.iloc[0]
        return (
            "Sure. The first of these changes most likely lies between "
            f"{signed(row['low'])} and {signed(row['high'])} points (95 % interval). Both systems "
            f"were tried on the same speakers, and this allows for the {n_asked} changes that were "
            "looked at."
        )
    most = rates["high"].max()
    return (
        f"Not sure that there is none: {n_asked} changes were looked at, and chance alone may do "
        f"this. A group may be worse off by up to {100 * most:.1f} points."
    )


def _what_next(comparison: Comparison, worse: pd.DataFrame, better: pd.DataFrame) -> str:
    first, second = comparison.names
    if len(worse) and len(better):
        return (
            f"Decide whether what some gain is worth what others lose. If it is not, keep {first} "
            f"and mend {second} for those who lose: 'spkid mitigate' tries ways to help."
        )
    if len(worse):
        return f"Keep {first}."
    if len(better):
        return (
            f"Take {second}. That nobody loses for certain does not make it equally good for "
            f"everyone: audit {second} by itself."
        )
    return (
        f"These data give no reason to change from {first}, and none against it. Decide which "
        "change would matter; if a group may lose that much unseen, compare on more speakers."
    )
