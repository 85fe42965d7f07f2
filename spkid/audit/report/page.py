"""The audit as one HTML page that needs nothing from outside."""

from __future__ import annotations

from typing import Any

from spkid import __version__
from spkid.audit.cohorts.findings import Findings
from spkid.audit.origin import Origin
from spkid.audit.report.cohort_sections import (
    cohorts_content,
    discovery_content,
    tree_content,
)
from spkid.audit.report.conclusion import conclusion
from spkid.audit.report.frequencies import frequencies
from spkid.audit.report.glossary import terms_of
from spkid.audit.report.plots import (
    MOST_GROUPS,
    MOST_ROWS,
    det_plot,
    distribution_plot,
    group_scores,
    rate_plot,
)
from spkid.audit.report.words import (
    MEAN_ERROR,
    SIDE_TITLES,
    left_out_lines,
    limits,
    method,
    verdict,
)
from spkid.audit.result import Audit, GroupAudit
from spkid.audit.statistics.figures import Figure
from spkid.audit.statistics.measures import MEASURES
from spkid.pages import Cell, Plot, Row, number, percent, render, span

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
        terms=terms_of(audit),
        title=findings.title,
        facts=facts(findings.origin),
        lead=lead(audit),
        answers=conclusion(findings),
        verdict=verdict(findings),
        left_out=left_out_lines(audit),
        checks=[each.words for each in findings.checks],
        sections=[section_content(audit, section) for section in audit.groupings],
        small_header=small_header(audit),
        cohorts=cohorts_content(findings),
        discovery=discovery_content(findings),
        tree=tree_content(findings),
        method=method(findings),
        limits=limits(findings),
        mean_error=MEAN_ERROR,
    )


def facts(origin: Origin | None) -> list[tuple[str, str]]:
    """The head of a page: when and how it was made, or with what alone where that is not known."""
    return [("with", f"spkid {__version__}")] if origin is None else origin.facts()


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
        f"threshold {number(audit.threshold.value)}; the equal error rate (EER) is "
        f"{percent(overall['equal_error_rate'])}."
    )


def shown_rates(audit: Audit) -> list[Figure]:
    """The rates, rejections first: they are what a member feels."""
    rates = [figure for figure in audit.figures if figure.is_rate]
    first = [figure for figure in rates if figure.name == "false_non_match_rate"]
    return first + [figure for figure in rates if figure not in first]


def _rows(
    audit: Audit, section: GroupAudit, figures: list[Figure], worse: set[tuple[str, str]]
) -> list[Row]:
    """The groups, and the small ones together: counts where all are shown, then ``figures``."""
    rows = []
    for row in (*section.groups.to_dict("records"), *section.pooled.to_dict("records")):
        cells: list[Cell | str] = []
        for figure in figures:
            value, low, high = (float(row[figure.name + end]) for end in ("", "_low", "_high"))
            cells.append(
                Cell(
                    percent(value) if figure.is_rate else number(value),
                    span(low, high, in_percent if figure.is_rate else number),
                    worse=(row["group"], figure.name) in worse,
                    data={
                        "grouping": section.name,
                        "group": row["group"],
                        "figure": figure.name,
                    },
                )
            )
        counts = [f"{row[name]:,}" for name in ("n_speakers", "n_target", "n_impostor")]
        if figures == shown_rates(audit):
            rows.append(Row(row["group"], (*counts, *cells)))
        elif row["judged"]:
            rows.append(Row(row["group"], tuple(cells)))
    return rows


def in_percent(rate: float) -> str:
    """A rate in percent without the sign, as one end of an interval."""
    return f"{100 * rate:.1f}"


def section_content(audit: Audit, section: GroupAudit) -> dict[str, Any]:
    """Sentences, tables and plots of one grouping."""
    rates = shown_rates(audit)
    others = [figure for figure in audit.figures if not figure.is_rate]
    certain = section.differences[section.differences["certain"].astype(bool)]
    worse = {
        (row.group, row.figure)
        for row in certain.itertuples()
        if row.difference > 0 and row.figure in audit.rates
    }
    kinds = TRIAL_KINDS[audit.kind]
    counted = "Clips by the group of who spoke"
    if audit.threshold is not None:
        counted = f"Rates of {SIDE_TITLES[section.side]}, at the shared threshold"
    left_out = f"{section.n_unknown:,} {kinds[2]} without a known {section.name}"
    if section.side == "both":
        left_out += f" and {section.n_across:,} across groups"
    return {
        "name": section.name,
        "frequencies": [each.words for each in frequencies(audit, section)],
        "header": ["group", "speakers", *kinds[:2], *(rate_title(rate) for rate in rates)],
        "rows": _rows(audit, section, rates, worse),
        "other_header": ["group", *(figure.words for figure in others)],
        "other_rows": _rows(audit, section, others, set()) if others else [],
        "mistaken": mistaken_rows(section),
        "small": small_rows(section),
        "measures": measures_content(audit, section),
        "note": (
            f"{counted}, with 95 % interval. Not counted: {left_out}. In red: certainly worse than "
            "the other groups."
        ),
        "plots": section_plots(audit, section),
    }


def rate_title(rate: Figure) -> str:
    """A rate as the head of a column."""
    return RATE_TITLES.get(rate.name, rate.words)


def section_plots(audit: Audit, section: GroupAudit) -> list[Plot]:
    """The plots that have something to show."""
    shown = [(rate_plot(section, rate.name), rate) for rate in shown_rates(audit)]
    judged = len(section.judged)
    which = " Only the highest are drawn." if judged > MOST_ROWS else ""
    plots = [
        Plot(svg, f"By {section.name}: {rate_title(rate)} with 95 % interval.{which}")
        for svg, rate in shown
        if svg is not None
    ]
    scores = {} if audit.threshold is None else group_scores(audit, section)
    if not scores:
        return plots
    which = " Only the groups with most trials are drawn." if judged > MOST_GROUPS else ""
    det = det_plot(scores, audit.shared_threshold)
    if det is not None:
        words = (
            "How the errors trade: lower and further left is better; the dot is the shared "
            "threshold. What lies beyond the axes stands on the edge."
        )
        plots.append(Plot(det, f"By {section.name}: {words}{which}"))
    words = "Scores of own clips and of strangers' clips; less overlap is better."
    distribution = distribution_plot(scores, audit.shared_threshold)
    return [*plots, Plot(distribution, f"By {section.name}: {words}{which}")]


def small_header(audit: Audit) -> list[str]:
    """Of the tables of small groups: both rates, rejections first, with their guesses."""
    titles = [rate_title(rate) for rate in shown_rates(audit)[:2]]
    return [
        *("group", "speakers"),
        *(title + end for title in titles for end in ("", ", partial pooling")),
    ]


def small_rows(section: GroupAudit) -> list[Row]:
    """Groups too small to be judged: both rates as they were seen, and by partial pooling."""
    rows = []
    for group, table in section.small.groupby("group", sort=False):
        by_figure = table.set_index("figure")
        cells: list[Cell | str] = []
        for figure in by_figure.index[::-1]:  # rejections first, as everywhere
            row = by_figure.loc[figure]
            guess = Cell(percent(row["estimate"]), span(row["low"], row["high"], in_percent))
            cells += [f"{percent(row['raw'])} of {row['n_trials']:,}", guess]
        rows.append(Row(str(group), (f"{int(table['n_speakers'].iloc[0]):,}", *cells)))
    return rows


def mistaken_rows(section: GroupAudit) -> list[Row]:
    """Of a household's log, who is taken for whom, the most frequent first."""
    return [
        Row(
            f"{row['group'] or 'not known'}, {'members' if row['is_member'] else 'guests'}",
            (
                row["taken_for"] or "not known",
                f"{row['n']:,}",
                f"{row['n_clips']:,}",
                percent(row["share"]),
            ),
        )
        for row in section.mistaken.to_dict("records")
    ]


def measures_content(audit: Audit, section: GroupAudit) -> list[Row]:
    """How far the groups are apart: the measures of rates, and of both rates together."""
    words = {figure.name: figure.words for figure in audit.figures}
    of_measure = {measure.name: measure.words for measure in MEASURES}
    rows = []
    for row in section.measures.to_dict("records"):
        if row["figure"] and row["figure"] not in audit.rates:
            continue
        shown = percent if row["measure"] in ("gap", "standard_deviation") else number
        value = Cell(
            shown(row["value"]),
            data={
                "grouping": section.name,
                "measure": row["measure"],
                "figure": row["figure"],
            },
        )
        name = of_measure[row["measure"]]
        name += f", {words[row['figure']]}" if row["figure"] else ""
        cells = (value, span(row["low"], row["high"], shown), row["worst"], row["best"])
        rows.append(Row(name, cells))
    return rows
