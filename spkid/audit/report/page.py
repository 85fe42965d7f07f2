"""The audit as one HTML page that needs nothing from outside."""

from __future__ import annotations

import math
from typing import Any

from spkid.audit.cohorts.findings import Findings
from spkid.audit.report.cohort_sections import (
    cohorts_content,
    discovery_content,
    tree_content,
)
from spkid.audit.report.plots import det_plot, distribution_plot, group_scores, rates_plot
from spkid.audit.report.words import (
    MEAN_ERROR,
    SIDE_TITLES,
    cohort_sentence,
    left_out_lines,
    limits,
    method,
    verdict,
)
from spkid.audit.result import Audit, GroupAudit
from spkid.audit.statistics.figures import Figure
from spkid.audit.statistics.measures import MEASURES
from spkid.pages import percent, render

RATE_TITLES = {
    "false_non_match_rate": "own rejected (FNMR)",
    "false_match_rate": "strangers accepted (FMR)",
    "false_negative_identification_rate": "members missed (FNIR)",
    "false_positive_identification_rate": "guests let in (FPIR)",
    "misidentification_rate": "taken for another",
}
TRIAL_KINDS = {
    "verification": ("own trials", "stranger trials", "trials"),
    "household": ("members' clips", "guests' clips", "clips"),
}


def audit_page(findings: Findings) -> str:
    """The page of ``findings``."""
    audit = findings.audit
    return render(
        "audit.html",
        title=findings.title,
        lead=lead(audit),
        verdict=verdict(findings),
        left_out=left_out_lines(audit),
        checks=[each.words for each in findings.checks],
        worst=None if findings.worst is None else cohort_sentence(findings.worst, audit),
        sections=[section_content(audit, section) for section in audit.groupings],
        cohorts=cohorts_content(findings),
        discovery=discovery_content(findings),
        tree=tree_content(findings),
        method=method(findings),
        limits=limits(findings),
        mean_error=MEAN_ERROR,
    )


def lead(audit: Audit) -> str:
    """What was audited, in one line."""
    overall = audit.overall.set_index("figure")["value"]
    if audit.threshold is None:
        rates = ", ".join(
            f"{RATE_TITLES[rate.name]} {percent(overall[rate.name])}" for rate in audit.figures
        )
        return f"{len(audit.trials):,} clips heard at home. Over all of them: {rates}."
    return (
        f"{len(audit.trials):,} trials. Over all of them "
        f"{percent(overall['false_non_match_rate'])} of own clips are rejected and "
        f"{percent(overall['false_match_rate'])} of strangers' clips accepted at the shared "
        f"threshold {audit.threshold.value:.3f}; the equal error rate is "
        f"{percent(overall['equal_error_rate'])}."
    )


def shown_rates(audit: Audit) -> list[Figure]:
    """The rates, rejections first: they are what a member feels."""
    rates = [figure for figure in audit.figures if figure.is_rate]
    first = [figure for figure in rates if figure.name == "false_non_match_rate"]
    return first + [figure for figure in rates if figure not in first]


def number(value: float) -> str:
    """A number as a cell, or a dash where it is not known."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def _cells(
    row: dict[str, Any], figures: list[Figure], worse: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Value and interval of each figure in a group's row."""
    cells = []
    for figure in figures:
        value, low, high = (float(row[figure.name + end]) for end in ("", "_low", "_high"))
        if figure.is_rate:
            limit_words = f"{100 * low:.1f} to {100 * high:.1f}"
        else:
            limit_words = f"{low:.3f} to {high:.3f}"
        cells.append(
            {
                "figure": figure.name,
                "value": percent(value) if figure.is_rate else number(value),
                "range": "" if math.isnan(low) else limit_words,
                "worse": (row["group"], figure.name) in worse,
            }
        )
    return cells


def section_content(audit: Audit, section: GroupAudit) -> dict[str, Any]:
    """Tables and plots of one grouping."""
    rates = shown_rates(audit)
    others = [figure for figure in audit.figures if not figure.is_rate]
    certain = section.differences[section.differences["certain"].astype(bool)]
    worse = {
        (row.group, row.figure)
        for row in certain.itertuples()
        if row.difference > 0 and row.figure in audit.rates
    }
    groups = [*section.groups.to_dict("records"), *section.pooled.to_dict("records")]
    scores = {} if audit.threshold is None else group_scores(audit, section)
    plots = []
    if any(row["judged"] for row in groups):
        titles = [(rate.name, rate.words) for rate in rates]
        plots.append((rates_plot(section, titles), "Rates with 95 % intervals."))
    if scores:
        det = det_plot(scores, audit.shared_threshold)
        if det is not None:
            plots.append((det, "Trade-off of errors; the dot is the shared threshold."))
        distribution = distribution_plot(scores, audit.shared_threshold)
        plots.append((distribution, "Scores, each kind by its own share."))
    kinds = TRIAL_KINDS[audit.kind]
    counted = "Clips by the group of who spoke"
    if audit.threshold is not None:
        counted = f"Rates of {SIDE_TITLES[section.side]}, at the shared threshold"
    left_out = f"{section.n_unknown:,} {kinds[2]} without a known {section.name}"
    if section.side == "both":
        left_out += f" and {section.n_across:,} across groups"
    return {
        "name": section.name,
        "kinds": kinds[:2],
        "header": [RATE_TITLES.get(rate.name, rate.words) for rate in rates],
        "rows": [{**row, "cells": _cells(row, rates, worse)} for row in groups],
        "other_header": [figure.words for figure in others],
        "other_rows": [
            {"group": row["group"], "cells": _cells(row, others, set())}
            for row in groups
            if row["judged"]
        ],
        "measures": measures_content(audit, section),
        "note": (
            f"{counted}. Not counted: {left_out}. Marked: certainly worse than the other groups."
        ),
        "plots": [{"svg": svg, "caption": caption} for svg, caption in plots],
    }


def measures_content(audit: Audit, section: GroupAudit) -> list[dict[str, str]]:
    """How far the groups are apart: the measures of rates, and of both rates together."""
    words = {figure.name: figure.words for figure in audit.figures}
    of_measure = {measure.name: measure.words for measure in MEASURES}
    rows = []
    for row in section.measures.to_dict("records"):
        if row["figure"] and row["figure"] not in audit.rates:
            continue
        share = row["measure"] in ("gap", "standard_deviation")
        shown = percent if share else number
        known = not math.isnan(row["low"])
        rows.append(
            {
                "measure": row["measure"],
                "figure": row["figure"],
                "words": of_measure[row["measure"]]
                + (f", {words[row['figure']]}" if row["figure"] else ""),
                "value": shown(row["value"]),
                "range": f"{shown(row['low'])} to {shown(row['high'])}" if known else "",
                "worst": row["worst"],
                "best": row["best"],
            }
        )
    return rows
