"""What the page shows of cohorts: all of them, those found by voice, and the tree's regions."""

from __future__ import annotations

from typing import Any

from spkid.audit.cohorts.findings import Findings
from spkid.audit.report.plots import cohorts_plot, map_plot
from spkid.audit.report.words import contrast_words
from spkid.audit.statistics.contrast import Contrast
from spkid.pages import Cell, Plot, Row, percent, signed, span

MOST_COHORTS = 12  # in the table and plot
CONTRAST_HEADER = ("mean error", "mean error of all others", "difference, points")
KINDS = {"region": "tree", "discovered": "voices"}


def contrast_cells(read: Contrast) -> tuple[Cell | str, ...]:
    """A set of speakers against all others: both mean errors and their difference."""
    difference = Cell(
        signed(read.difference), span(read.low, read.high, signed), worse=read.low > 0
    )
    return (percent(read.error), percent(read.error_others), difference)


def cohorts_content(findings: Findings) -> dict[str, Any] | None:
    """The searched cohorts that were measured against the other speakers; None where none was."""
    shown = findings.searched[:MOST_COHORTS]
    if not shown:
        return None
    return {
        "header": ["cohort", "from", "speakers", "share", *CONTRAST_HEADER],
        "rows": [
            Row(
                each.name,
                (
                    KINDS[each.kind],
                    f"{len(each.speakers):,}",
                    percent(each.share),
                    *contrast_cells(each.read),
                ),
            )
            for each in shown
        ],
        "has_more": sum(each.kind != "group" for each in findings.cohorts) > len(shown),
        "plot": Plot(
            cohorts_plot(shown),
            "Mean error of each cohort less that of all others: right of the line is worse.",
        ),
    }


def discovery_content(findings: Findings) -> dict[str, Any] | None:
    """The cohorts that were found without labels; None where none were searched for."""
    found = findings.discovery
    if found is None:
        return None
    rows = []
    for row in found.table.to_dict("records"):
        typical = found.typical[found.typical["cohort"] == row["cohort"]]
        rows.append(
            Row(
                f"{row['cohort']}, worst" if row["worst"] else str(row["cohort"]),
                (
                    f"{row['n_searched']:,}",
                    f"{row['n_read']:,}",
                    percent(row["error_searched"]),
                    percent(row["error_read"]),
                    Cell(findings.described[row["cohort"]] or "nothing certain", long=True),
                    Cell(", ".join(typical["path"]), long=True),
                ),
                worst=bool(row["worst"]),
            )
        )
    over = findings.over_represented
    return {
        "header": [
            *("cohort", "speakers searched", "speakers measured", "mean error, searched"),
            *("mean error, measured", "over-represented", "typical clips"),
        ],
        "rows": rows,
        "read": contrast_words(found.read),
        "naive": contrast_words(found.naive),
        "map": Plot(map_plot(found), "The speakers' voices. Squares: the worst cohort."),
        "over": [
            Row(
                f"{row['column']} {row['value']}",
                (
                    percent(row["share_inside"]),
                    percent(row["share_others"]),
                    Cell(f"{row['ratio']:.2f}", span(row["low"], row["high"], "{:.2f}".format)),
                ),
            )
            for row in over[over["low"] > 1].to_dict("records")
        ],
        "stability": [
            f"{int(row['n_cohorts'])}: {row['mean']:.2f}"
            for row in found.stability.to_dict("records")
        ],
    }


def tree_content(findings: Findings) -> dict[str, Any] | None:
    """The leaves of the tree as rules; None where it has no more than one."""
    tree = findings.tree
    if tree is None or len(tree.leaves) < 2:
        return None
    return {
        "columns": ", ".join(tree.columns),
        "n_grown": tree.n_grown,
        "n_read": tree.n_read,
        "header": [
            *("rule", "speakers grown on", "speakers measured", "mean error, grown on"),
            *("mean error, measured", *CONTRAST_HEADER[1:]),
        ],
        "rows": [
            Row(
                leaf.rule,
                (
                    f"{leaf.n_grown:,}",
                    f"{leaf.read.n_speakers:,}",
                    percent(leaf.error_grown),
                    *contrast_cells(leaf.read),
                ),
            )
            for leaf in tree.leaves
        ],
    }
