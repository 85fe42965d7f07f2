"""What the page shows of cohorts: all of them, those found by voice, and the tree's regions."""

from __future__ import annotations

import math
from typing import Any

from spkid.audit.cohorts.findings import Findings
from spkid.audit.report.plots import cohorts_plot, map_plot
from spkid.audit.report.words import contrast_words
from spkid.audit.statistics.contrast import Contrast
from spkid.pages import percent, signed

MOST_COHORTS = 12  # in the table and plot
KINDS = {"region": "tree", "discovered": "voices"}


def contrast_cells(read: Contrast, *, decimals: int = 1) -> dict[str, Any]:
    """A set of speakers against all others: both mean errors and their difference."""
    return {
        "error": percent(read.error, decimals=decimals),
        "others": percent(read.error_others, decimals=decimals),
        "difference": signed(read.difference),
        "range": "" if math.isnan(read.low) else f"{signed(read.low)} to {signed(read.high)}",
        "worse": read.low > 0,
    }


def cohorts_content(findings: Findings) -> dict[str, Any] | None:
    """The searched cohorts that were measured against the other speakers; None where none was."""
    shown = findings.searched[:MOST_COHORTS]
    if not shown:
        return None
    return {
        "rows": [
            {
                "name": each.name,
                "kind": KINDS[each.kind],
                "n_speakers": len(each.speakers),
                "share": percent(each.share),
                **contrast_cells(each.read),
            }
            for each in shown
        ],
        "n_more": sum(each.kind != "group" for each in findings.cohorts) - len(shown),
        "plot": cohorts_plot(shown),
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
            {
                "cohort": row["cohort"],
                "worse": row["worst"],
                "n_searched": row["n_searched"],
                "n_read": row["n_read"],
                "error_searched": percent(row["error_searched"]),
                "error_read": percent(row["error_read"]),
                "described": findings.described[row["cohort"]] or "nothing certain",
                "clips": list(typical["path"]),
            }
        )
    over = findings.over_represented
    return {
        "rows": rows,
        "read": contrast_words(found.read),
        "naive": contrast_words(found.naive),
        "map": map_plot(found),
        "over": [
            {
                "words": f"{row['column']} {row['value']}",
                "inside": percent(row["share_inside"]),
                "others": percent(row["share_others"]),
                "ratio": f"{row['ratio']:.2f}",
                "range": f"{row['low']:.2f} to {row['high']:.2f}",
            }
            for row in over[over["low"] > 1].to_dict("records")
        ],
        "stability": [
            f"{int(row['n_cohorts'])}: {row['mean']:.2f}"
            for row in found.stability.to_dict("records")
        ],
    }


def tree_content(findings: Findings) -> dict[str, Any] | None:
    """The leaves of the tree as rules; None where none was grown."""
    tree = findings.tree
    if tree is None:
        return None
    return {
        "columns": ", ".join(tree.columns),
        "n_grown": tree.n_grown,
        "n_read": tree.n_read,
        "rows": [
            {
                "rule": leaf.rule,
                "n_grown": leaf.n_grown,
                "n_read": leaf.read.n_speakers,
                "error_grown": percent(leaf.error_grown),
                **contrast_cells(leaf.read),
            }
            for leaf in tree.leaves
        ],
    }
