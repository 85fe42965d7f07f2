"""Self-contained HTML pages: no script, no request, plots as inline SVG."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spkid.audit import MIN_SPEAKERS, RATES, Audit, ColumnAudit, sentence

SHOWN = (RATES[1], RATES[0], RATES[2])  # rejections first: what a member feels
COLOURS = ("#2f6690", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#5d6678")


def percent(value: float) -> str:
    """A rate in words of a page: ``4.2 %``, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def render(template: str, path: Path, **content: Any) -> None:
    """Fill ``template`` (all text escaped) and write ``path``, beside and renamed."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    beside = path.with_name(path.name + ".part")
    beside.write_text(environment.get_template(template).render(**content), encoding="utf-8")
    os.replace(beside, path)


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure in the pages' look, without the global state of pyplot."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": "spkid", "font.size": 9, "svg.fonttype": "none"})
    matplotlib.rcParams["text.parse_math"] = False  # a group may be called $5-$9
    return Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Any) -> Any:
    """The figure as inline SVG that the template does not escape."""
    from markupsafe import Markup

    buffer = io.StringIO()
    with warnings.catch_warnings():
        # text stays text in the page: the reader's fonts draw it, not matplotlib's
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def rates_figure(audit: ColumnAudit) -> Any:
    """Three panels of rates by group with their intervals."""
    judged = audit.table.dropna(subset=[RATES[1]])
    figure = new_figure(8.5, 1.1 + 0.32 * len(judged))
    panels = figure.subplots(1, 3, sharey=True)
    titles = ("own rejected (FNMR), %", "strangers accepted (FMR), %", "EER, own threshold, %")
    position = np.arange(len(judged))
    for axes, rate, title in zip(panels, SHOWN, titles, strict=True):
        value = 100 * judged[rate].to_numpy()
        low = value - 100 * judged[f"{rate}_low"].to_numpy()
        high = 100 * judged[f"{rate}_high"].to_numpy() - value
        spread = np.nan_to_num(np.maximum([low, high], 0))
        axes.errorbar(value, position, xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
        axes.set_title(title, fontsize=9)
        axes.set_xlim(left=0)
        axes.grid(axis="x", alpha=0.3)
        _tidy(axes)
    panels[0].set_yticks(position, judged["group"])
    panels[0].set_ylim(len(judged) - 0.5, -0.5)
    return to_svg(figure)


def distribution_figure(audit: Audit, column: str, groups: Sequence[str]) -> Any:
    """Score densities of own and strangers' trials by group, with the shared threshold."""
    shown = list(groups)[: len(COLOURS)]
    figure = new_figure(8.5, 0.6 + 0.75 * len(shown))
    panels = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    trials = audit.trials
    edges = np.linspace(trials["score"].min(), trials["score"].max(), 60)
    for axes, group in zip(panels, shown, strict=True):
        part = trials[(trials[f"enroll:{column}"] == group) & (trials[f"test:{column}"] == group)]
        for label, colour, name in ((False, COLOURS[1], "strangers"), (True, COLOURS[0], "own")):
            scores = part["score"][part["label"] == label]
            if len(scores):
                axes.hist(scores, edges, density=True, color=colour, alpha=0.55, label=name)
        axes.axvline(audit.threshold, color="#1d2433", linewidth=1)
        axes.set_yticks([])
        axes.set_ylabel(group, rotation=0, ha="right", va="center")
        _tidy(axes)
    panels[0].legend(frameon=False, loc="upper right")
    panels[-1].set_xlabel("score (the line is the shared threshold)")
    return to_svg(figure)


def verdict(audit: Audit) -> list[str]:
    """The audit in a few plain sentences, the certain gaps at the shared threshold first."""
    found = [
        (gap, section.column)
        for section in audit.columns
        for gap in section.gaps
        if gap.rate != "equal_error_rate"
    ]
    found.sort(key=lambda item: (not item[0].certain, -item[0].difference))
    lines = [sentence(gap, column) for gap, column in found[:3]]
    if not lines:
        lines = [f"No column has two groups of {MIN_SPEAKERS} speakers: no verdict."]
    return lines


def audit_record(audit: Audit) -> dict[str, Any]:
    """The audit's figures as plain values, for JSON."""
    return {
        "threshold": audit.threshold,
        "target_false_match_rate": audit.target_false_match_rate,
        "overall": audit.overall.to_dict(),
        "n_trials": len(audit.trials),
        "n_unmatched": audit.n_unmatched,
        "n_resamples": audit.n_resamples,
        "seed": audit.seed,
        "verdict": verdict(audit),
        "columns": [
            {
                "column": section.column,
                "n_unknown": section.n_unknown,
                "n_across": section.n_across,
                "groups": section.table.to_dict("records"),
                "gaps": [{**vars(gap), "certain": gap.certain} for gap in section.gaps],
            }
            for section in audit.columns
        ],
    }


def write_audit_page(audit: Audit, path: Path, *, title: str) -> None:
    """One HTML page with the tables, plots and method of ``audit``."""
    sections = []
    for section in audit.columns:
        worst = {gap.worst for gap in section.gaps if gap.rate == RATES[1] and gap.difference > 0}
        rows = [
            {
                "group": row["group"],
                "n_speakers": row["n_speakers"],
                "n_target": row["n_target"],
                "n_impostor": row["n_impostor"],
                "worst": row["group"] in worst,
                "cells": [_cell(row, rate) for rate in SHOWN],
            }
            for row in section.table.to_dict("records")
        ]
        judged = list(section.table.dropna(subset=[RATES[1]])["group"])
        figures = []
        if judged:
            figures = [
                {"svg": rates_figure(section), "caption": "Rates with 95 % intervals."},
                {
                    "svg": distribution_figure(audit, section.column, judged),
                    "caption": "Scores by group, at most six groups.",
                },
            ]
        note = (
            f"{section.n_across} trials across groups and {section.n_unknown} trials without a "
            f"known {section.column} are left out of the rows."
        )
        sections.append({"column": section.column, "rows": rows, "note": note, "figures": figures})
    overall = audit.overall
    lead = (
        f"{len(audit.trials)} trials. Overall: {percent(overall[RATES[1]])} of own clips rejected "
        f"and {percent(overall[RATES[0]])} of strangers' clips accepted at the shared threshold "
        f"{audit.threshold:.3f}; equal error rate {percent(overall[RATES[2]])}."
    )
    method = [
        "One shared threshold is used for everybody, as one device would: the one that accepts "
        f"{percent(audit.target_false_match_rate)} of all strangers' trials. The equal error "
        "rate is taken at each group's own threshold and hides a shift of the group's scores.",
        "A trial counts for a group when both its sides belong to it. Intervals come from "
        f"{audit.n_resamples} resamplings of speakers (seed {audit.seed}) at the fixed shared "
        "threshold. The interval of a gap is that of the worst group minus the best as found; "
        "with many groups, some gap looks large by chance.",
        f"A group of fewer than {MIN_SPEAKERS} speakers gets its counts and no rates. "
        f"{audit.n_unmatched} trials were not described by the metadata.",
    ]
    render(
        "audit.html",
        path,
        title=title,
        lead=lead,
        verdict=verdict(audit),
        sections=sections,
        method=method,
    )


def _cell(row: dict, rate: str) -> dict[str, str]:
    low, high = row[f"{rate}_low"], row[f"{rate}_high"]
    limits = "" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
    return {"value": percent(row[rate]), "range": limits}
