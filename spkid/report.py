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

from spkid.audit import RATES
from spkid.audit_result import Audit, GroupAudit
from spkid.group_tables import MIN_SPEAKERS

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


def rates_figure(audit: GroupAudit) -> Any:
    """Three panels of rates by group with their intervals."""
    judged = audit.groups.dropna(subset=[RATES[1]])
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
        axes.axvline(audit.threshold.value, color="#1d2433", linewidth=1)
        axes.set_yticks([])
        axes.set_ylabel(group, rotation=0, ha="right", va="center")
        _tidy(axes)
    panels[0].legend(frameon=False, loc="upper right")
    panels[-1].set_xlabel("score (the line is the shared threshold)")
    return to_svg(figure)


RATE_WORDS = {
    "false_match_rate": "strangers' clips are accepted",
    "false_non_match_rate": "own clips are rejected",
}


def verdict(audit: Audit) -> list[str]:
    """The audit in a few plain sentences, the certain differences at the shared threshold first."""
    found = audit.notable()
    lines = []
    for row in found[found["figure"].isin(RATE_WORDS)].head(3).itertuples():
        others = row.value - row.difference
        doubt = "" if row.certain else ": these data do not show that the difference is real"
        lines.append(
            f"By {row.grouping}, {100 * row.value:.1f} % of {RATE_WORDS[row.figure]} for "
            f"{row.group!r} against {100 * others:.1f} % for the others "
            f"({100 * row.difference:+.1f} points, 95 % interval {100 * row.low:+.1f} to "
            f"{100 * row.high:+.1f}){doubt}."
        )
    return lines or [f"No column has two groups of {MIN_SPEAKERS} speakers: no verdict."]


def audit_record(audit: Audit) -> dict[str, Any]:
    """The audit's figures as plain values, for JSON."""
    return {
        "threshold": audit.threshold,
        "overall": audit.overall.to_dict("records"),
        "n_trials": len(audit.trials),
        "n_unmatched": audit.n_unmatched,
        "n_resamples": audit.n_resamples,
        "seed": audit.seed,
        "verdict": verdict(audit),
        "notes": audit.notes,
        "groupings": [
            {
                "name": section.name,
                "columns": section.columns,
                "side": section.side,
                "n_unknown": section.n_unknown,
                "n_across": section.n_across,
                "groups": section.groups.to_dict("records"),
                "measures": section.measures.to_dict("records"),
                "differences": section.differences.to_dict("records"),
            }
            for section in audit.groupings
        ],
    }


def write_audit_page(audit: Audit, path: Path, *, title: str) -> None:
    """One HTML page with the tables, plots and method of ``audit``."""
    sections = []
    for section in audit.groupings:
        gaps = section.measures[section.measures["measure"] == "gap"].set_index("figure")
        worst = set(gaps["worst"][(gaps.index == RATES[1]) & (gaps["value"] > 0)])
        rows = [
            {
                "group": row["group"],
                "n_speakers": row["n_speakers"],
                "n_target": row["n_target"],
                "n_impostor": row["n_impostor"],
                "worst": row["group"] in worst,
                "cells": [_cell(row, rate) for rate in SHOWN],
            }
            for row in section.groups.to_dict("records")
        ]
        judged = list(section.groups.dropna(subset=[RATES[1]])["group"])
        figures = []
        if judged:
            figures = [
                {"svg": rates_figure(section), "caption": "Rates with 95 % intervals."},
                {
                    "svg": distribution_figure(audit, section.name, judged),
                    "caption": "Scores by group, at most six groups.",
                },
            ]
        note = (
            f"{section.n_across} trials across groups and {section.n_unknown} trials without a "
            f"known {section.name} are left out of the rows."
        )
        sections.append({"column": section.name, "rows": rows, "note": note, "figures": figures})
    overall = audit.overall.set_index("figure")["value"]
    lead = (
        f"{len(audit.trials)} trials. Overall: {percent(overall[RATES[1]])} of own clips rejected "
        f"and {percent(overall[RATES[0]])} of strangers' clips accepted at the shared threshold "
        f"{audit.threshold.value:.3f}; equal error rate {percent(overall[RATES[2]])}."
    )
    method = [
        "One shared threshold is used for everybody, as one device would. The equal error rate "
        "is taken at each group's own threshold and hides a shift of the group's scores.",
        "A trial counts for a group when both its sides belong to it. Intervals hold speakers, "
        "not trials, for what might have been drawn otherwise; differences are corrected for "
        "the number of groups (Holm).",
        f"A group of fewer than {MIN_SPEAKERS} speakers gets its counts and no rates.",
        *audit.notes,
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
