"""A comparison as a page, JSON and CSV."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from spkid import __version__
from spkid.audit.comparison import Comparison, words_of
from spkid.audit.report.comparison_conclusion import comparison_conclusion
from spkid.audit.report.glossary import COMPARISON, chosen_terms
from spkid.audit.report.page import facts
from spkid.audit.report.words import NOTHING_LEFT_OUT
from spkid.audit.study import Check
from spkid.data.cells import to_csv
from spkid.data.left_out import LeftOut
from spkid.files import to_json
from spkid.pages import Cell, Row, number, percent, render, signed, span

FIGURE_WORDS = {
    "false_match_rate": "strangers accepted (FMR)",
    "false_non_match_rate": "own rejected (FNMR)",
    "gap_false_match_rate": "gap between groups, FMR",
    "gap_false_non_match_rate": "gap between groups, FNMR",
    "garbe": "GARBE",
}


def shown(figure: str, value: float) -> str:
    """A figure as a cell: GARBE as a number, rates in percent."""
    return number(value) if figure == "garbe" else percent(value)


def shown_change(figure: str, value: float) -> str:
    """Signed, in points for rates."""
    if figure != "garbe":
        return signed(value)
    return f"{value:+z.3f}" if math.isfinite(value) else "–"


def change_span(row: Any) -> str:
    """The interval of a change; a dash where it is not known."""
    return span(row.low, row.high, lambda end: shown_change(row.figure, end)) or "–"


def change_words(row: Any) -> str:
    """``7.2 % to 5.1 % (change -2.1, 95 % interval -3.0 to -1.2)``."""
    first, second = shown(row.figure, row.first), shown(row.figure, row.second)
    change = shown_change(row.figure, row.difference)
    return f"{first} to {second} (change {change}, 95 % interval {change_span(row)})"


def comparison_verdict(comparison: Comparison) -> list[str]:
    """Three sentences: overall, between the groups, and who gains or loses for certain."""
    table = comparison.table
    first, second = comparison.names
    overall = {row.figure: row for row in table[table["grouping"] == ""].itertuples()}
    lines = [
        f"From {first} to {second}, the share of own clips rejected goes from "
        f"{change_words(overall['false_non_match_rate'])}, and that of strangers' clips accepted "
        f"from {change_words(overall['false_match_rate'])}."
    ]
    garbes = table[(table["figure"] == "garbe") & table["difference"].notna()]
    if len(garbes):
        row = next(garbes.loc[[garbes["difference"].abs().idxmax()]].itertuples())
        sure = "This is certain." if row.certain else "This is not certain."
        lines.append(
            f"Between the groups by {row.grouping}, GARBE goes from {change_words(row)}. {sure}"
        )
    else:
        lines.append("No grouping has two groups large enough to compare.")
    groups = table[(table["group"] != "") & table["certain"].astype(bool)]
    parts = []
    for word, part in (
        ("better", groups[groups["difference"] < 0]),
        ("worse", groups[groups["difference"] > 0]),
    ):
        said = []
        for row in part.itertuples():
            change = shown_change(row.figure, row.difference)
            said.append(f"{row.group} ({FIGURE_WORDS[row.figure]} {change})")
        parts.append(f"Certainly {word}: {', '.join(said) or 'none'}.")
    lines.append(" ".join(parts))
    return lines


def said_of_systems(said: Iterable[tuple[str, LeftOut | Check | str]]) -> list[str]:
    """Sentences, each with the system that it is of, if it is not of both."""
    lines = [(name, words_of(each)) for name, each in said]
    return [
        words if not name or words.startswith(name) else f"{name}: {words}" for name, words in lines
    ]


def comparison_left_out(comparison: Comparison) -> list[str]:
    """Who and what is not counted, or that nothing is."""
    return said_of_systems(comparison.left_out) or [NOTHING_LEFT_OUT]


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values, for JSON."""
    return {
        "spkid": __version__,
        "first": comparison.names[0],
        "second": comparison.names[1],
        "origin": None if comparison.origin is None else dataclasses.asdict(comparison.origin),
        "conclusion": [dataclasses.asdict(each) for each in comparison_conclusion(comparison)],
        "verdict": comparison_verdict(comparison),
        "thresholds": list(comparison.thresholds),
        "n_speakers": comparison.n_speakers,
        "n_resamples": comparison.n_resamples,
        "seed": comparison.seed,
        "left_out": [
            {"system": name, **dataclasses.asdict(each)} for name, each in comparison.left_out
        ],
        "checks": [
            {"system": name, **dataclasses.asdict(each)} for name, each in comparison.checks
        ],
        "glossary": chosen_terms(COMPARISON),
        "notes": said_of_systems(comparison.notes),
        "rows": comparison.table.to_dict("records"),
    }


def comparison_figures(comparison: Comparison) -> dict[str, dict[str, float]]:
    """For each grouping the changes that a condition may name, as ``garbe`` of the second."""
    table = comparison.table[(comparison.table["group"] == "")]
    figures: dict[str, dict[str, float]] = {}
    for row in table.itertuples():
        own = figures.setdefault(row.grouping or "overall", {})
        own[row.figure] = row.second
        own[f"change_{row.figure}"] = row.difference
    return figures


def comparison_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Every row of the table in words, for people."""
    rows = []
    for row in comparison.table.itertuples():
        rows.append(
            {
                "grouping": row.grouping,
                "group": row.group,
                "figure": FIGURE_WORDS[row.figure],
                "first": shown(row.figure, row.first),
                "second": shown(row.figure, row.second),
                "change": shown_change(row.figure, row.difference),
                "range": change_span(row),
                "certain": "yes" if row.certain else "no",
            }
        )
    return rows


def comparison_files(comparison: Comparison) -> dict[str, str]:
    """``compare.html``, ``compare.json`` and ``compare.csv``, by name."""
    first, second = comparison.names
    sections: dict[str, list[Row]] = {}
    for row in comparison_rows(comparison):
        name = f"By {row['grouping']}" if row["grouping"] else "Overall"
        what = f"{row['group']}: {row['figure']}" if row["group"] else row["figure"]
        cells = (row["first"], row["second"], Cell(row["change"], row["range"]), row["certain"])
        sections.setdefault(name, []).append(Row(what, cells))
    page = render(
        "compare.html",
        title=f"{first} and {second}",
        lead=f"{comparison.n_speakers} speakers, paired. A change below zero is better.",
        terms=chosen_terms(COMPARISON),
        facts=facts(comparison.origin),
        header=["figure", first, second, "change", "certain"],
        answers=comparison_conclusion(comparison),
        verdict=comparison_verdict(comparison),
        left_out=comparison_left_out(comparison),
        checks=said_of_systems(comparison.checks),
        sections=sections,
        method=[
            f"Each system has its own shared threshold: {number(comparison.thresholds[0])} "
            f"and {number(comparison.thresholds[1])}. A group's rates are those of its own trials. "
            f"Both systems are resampled with the same {comparison.n_resamples} draws of "
            f"speakers (seed {comparison.seed}). Intervals are 95 %; p-values are corrected for "
            "the number of changes tested (Holm). Changes of rates are in points.",
            *said_of_systems(comparison.notes),
        ],
    )
    return {
        "compare.html": page,
        "compare.json": to_json(comparison_record(comparison)) + "\n",
        "compare.csv": to_csv(comparison.table),
    }
