"""What the command line prints of an audit or a comparison, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spkid.audit.cohorts.findings import Findings
from spkid.audit.comparison import Comparison
from spkid.audit.report.comparison_page import comparison_rows
from spkid.audit.report.page import shown_rates
from spkid.audit.report.words import MEAN_ERROR, SIDE_TITLES
from spkid.pages import number, percent, signed, span

MOST_COHORTS = 5


@dataclass(frozen=True)
class TextTable:
    """A table for a terminal."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def audit_tables(findings: Findings) -> Iterator[TextTable]:
    """Rates by group for each grouping, then the worst of the cohorts that were searched for."""
    audit = findings.audit
    rates = shown_rates(audit)
    for section in audit.groupings:
        if audit.threshold is None:
            title, kinds = f"By {section.name}", ("members", "guests")
        else:
            title = f"By {section.name}, {SIDE_TITLES[section.side]}"
            title += f", shared threshold {number(audit.threshold.value)}"
            kinds = ("own", "strangers")
        rows = tuple(
            (
                row["group"],
                *(str(row[count]) for count in ("n_speakers", "n_target", "n_impostor")),
                *(percent(row[rate.name], decimals=2) for rate in rates),
            )
            for row in (*section.groups.to_dict("records"), *section.pooled.to_dict("records"))
        )
        yield TextTable(title, ("group", "speakers", *kinds, *(rate.words for rate in rates)), rows)
    cohorts: list[tuple[str, ...]] = []
    for each in findings.searched[:MOST_COHORTS]:
        read = each.read
        errors = (percent(rate, decimals=2) for rate in (read.error, read.error_others))
        difference = signed(read.difference), span(read.low, read.high, signed)
        cohorts.append((each.name, str(len(each.speakers)), *errors, *difference))
    if cohorts:
        yield TextTable(
            f"Worst cohorts against all other speakers; mean error: {MEAN_ERROR}",
            ("cohort", "speakers", "mean error", "others", "points", "95 % interval"),
            tuple(cohorts),
        )


def comparison_table(comparison: Comparison) -> TextTable:
    """A row a figure, overall and by group, with its change."""
    first, second = comparison.names
    columns = ("figure", "first", "second", "change", "range", "certain")
    return TextTable(
        f"{first} and {second}, paired by speaker",
        ("group", "figure", first, second, "change", "95 % interval", "certain"),
        tuple(
            (
                f"{row['grouping']} {row['group']}".strip() or "overall",
                *(row[column] for column in columns),
            )
            for row in comparison_rows(comparison)
        ),
    )
