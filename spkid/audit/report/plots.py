"""Plots of an audit as inline SVG, as wide as a phone, names and legends beside the data."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spkid.audit.cohorts.discovery import Discovery
from spkid.audit.cohorts.findings import Cohort
from spkid.audit.grouping import members_of, parse_grouping
from spkid.audit.result import Audit, GroupAudit
from spkid.encoder.vectors import Floats
from spkid.pages import COLOURS, INK, new_figure, to_svg
from spkid.scoring.metrics import ErrorCurve

WIDTH = 3.7  # inches: as wide as a phone shows without making it smaller
MOST_GROUPS = 6  # in one plot of curves; more cannot be told apart
MOST_ROWS = 24  # in one plot of dots; more are higher than a page
RATE_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
EDGES = 0.001, 0.5  # of the trade-off plot: what lies beyond stands on its edge
N_CURVE_POINTS = 200
LEAST_TRIALS = 30  # of each kind for a curve
LONGEST_NAME = 20  # letters beside a plot


def rate_plot(section: GroupAudit, rate: str) -> Any:
    """A dot a group with its interval; the highest where they are many. None without a value."""
    known = section.judged[section.judged[rate].notna()]
    if known.empty:
        return None
    known = known.loc[known[rate].nlargest(MOST_ROWS).index.sort_values()]
    value, low, high = (
        100 * known[rate + end].to_numpy(np.float64) for end in ("", "_low", "_high")
    )
    return _dots(list(known["group"]), value, low, high, label="%", left=0.0)


def cohorts_plot(cohorts: Sequence[Cohort]) -> Any:
    """Each cohort's error less that of the others, with its interval."""
    value, low, high = (
        np.array([100 * getattr(each.read, name) for each in cohorts])
        for name in ("difference", "low", "high")
    )
    label = "mean error less that of all others, points"
    return _dots([each.name for each in cohorts], value, low, high, label=label)


def _dots(
    names: Sequence[str],
    value: Floats,
    low: Floats,
    high: Floats,
    *,
    label: str,
    left: float | None = None,
) -> Any:
    """A row a name: a dot and its interval, where there is one; and a line at zero."""
    position = np.arange(len(names))[::-1]
    with new_figure(WIDTH, 0.6 + 0.25 * len(names)) as figure:
        axes = figure.subplots()
        spread = np.nan_to_num(np.maximum([value - low, high - value], 0))
        axes.errorbar(value, position, xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
        if left is None:
            axes.axvline(0, color=INK, linewidth=1)
        else:
            axes.set_xlim(left, max(1.0, 1.04 * float((value + spread[1]).max())))
        axes.set_yticks(position, [short(name) for name in names])
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)
        return to_svg(figure)


def group_scores(audit: Audit, section: GroupAudit) -> dict[str, tuple[Floats, Floats]]:
    """Target and impostor scores of the largest judged groups, in the order of the table."""
    judged = section.groups[section.groups["judged"].astype(bool)]
    largest = judged.nlargest(MOST_GROUPS, "n_target")["group"]
    members = members_of(audit.trials, parse_grouping(section.name), section.side)
    label, score = audit.trials["label"].to_numpy(bool), audit.trials["score"].to_numpy()
    found = {}
    for group in judged["group"][judged["group"].isin(largest)]:
        own = (members == group).to_numpy()
        found[group] = (score[own & label], score[own & ~label])
    return found


def det_plot(scores: dict[str, tuple[Floats, Floats]], threshold: float) -> Any:
    """Detection error trade-off by group; the dot is the shared threshold. None without curves."""
    from scipy.stats import norm

    def scale(rate: ArrayLike) -> Floats:
        return np.asarray(norm.ppf(np.clip(rate, *EDGES)))

    curves = {
        group: ErrorCurve(*each)
        for group, each in scores.items()
        if min(map(len, each)) >= LEAST_TRIALS
    }
    if not curves:
        return None
    with new_figure(WIDTH, 3.9) as figure:
        axes = figure.subplots()
        for (group, curve), colour in zip(curves.items(), COLOURS, strict=False):
            across, up = scale(curve.false_match), scale(curve.false_non_match)
            here = min(int(np.searchsorted(curve.thresholds, threshold)), len(across) - 1)
            kept = np.searchsorted(-across, np.linspace(-across[0], -across[-1], N_CURVE_POINTS))
            kept = np.unique([0, *np.minimum(kept, len(across) - 1), here, len(across) - 1])
            axes.plot(across[kept], up[kept], color=colour, label=short(group), clip_on=False)
            axes.plot(across[here], up[here], "o", color=colour, clip_on=False)
        ticks, names = scale(np.array(RATE_TICKS)), [f"{100 * rate:g}" for rate in RATE_TICKS]
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set_xlim(*scale(EDGES))
        axes.set_ylim(*scale(EDGES))
        axes.set_xlabel("strangers accepted (FMR), %")
        axes.set_ylabel("own rejected (FNMR), %")
        axes.grid(alpha=0.3)
        _legend_above(figure)
        return to_svg(figure)


def distribution_plot(scores: dict[str, tuple[Floats, Floats]], threshold: float) -> Any:
    """Score distributions by group with the shared threshold."""
    whole = np.concatenate([part for each in scores.values() for part in each])
    low, high = np.quantile(whole, [0.001, 0.999])
    edges = np.linspace(low, high, 50) if high > low else np.linspace(low - 0.5, high + 0.5, 50)
    with new_figure(WIDTH, 0.9 + 0.7 * len(scores)) as figure:
        panels = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (group, (target, impostor)) in zip(panels, scores.items(), strict=True):
            for part, colour, name in (
                (impostor, COLOURS[1], "strangers"),
                (target, COLOURS[0], "own"),
            ):
                shown = np.clip(part, edges[0], edges[-1])  # what lies beyond is in the last bars
                share = np.full(len(part), 1 / max(1, len(part)))
                axes.hist(shown, edges, weights=share, color=colour, alpha=0.55, label=name)
            axes.axvline(np.clip(threshold, edges[0], edges[-1]), color=INK, linewidth=1)
            axes.set_yticks([])
            axes.set_ylabel(short(group, 12), rotation=0, ha="right", va="center")
            axes.locator_params(axis="x", nbins=5)
        panels[-1].set_xlabel("score (the line is the shared threshold)")
        _legend_above(figure, *panels[0].get_legend_handles_labels())
        return to_svg(figure)


def map_plot(discovery: Discovery) -> Any:
    """Speakers on the two main directions of their vectors, the worst cohort filled."""
    with new_figure(WIDTH, 3.9) as figure:
        axes = figure.subplots()
        for place, row in enumerate(discovery.table.to_dict("records")):
            own = discovery.members[discovery.members["cohort"] == row["cohort"]]
            colour = COLOURS[1] if row["worst"] else COLOURS[(0, 2, 3, 4, 5)[place % 5]]
            axes.scatter(
                own["x"],
                own["y"],
                s=18 if row["worst"] else 10,
                marker="s" if row["worst"] else "o",
                color=colour,
                alpha=0.9 if row["worst"] else 0.6,
                linewidths=0,
                label=f"{row['cohort']}, worst" if row["worst"] else str(row["cohort"]),
            )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("each dot is a speaker; near is alike (two main directions)")
        _legend_above(figure)
        return to_svg(figure)


def _legend_above(figure: Any, *entries: Any) -> None:
    """Beside the axes, where no data are; as many columns as their names leave room for."""
    names = entries[1] if entries else figure.axes[0].get_legend_handles_labels()[1]
    n_columns = max(1, min(len(names), 44 // (5 + max(map(n_cells, names)))))
    figure.legend(*entries, loc="outside upper left", ncols=n_columns)


def n_cells(name: str) -> int:
    """How many letters' room a name takes; letters of some scripts take that of two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def short(name: str, most: int = LONGEST_NAME) -> str:
    """``name`` cut so that it leaves room for the plot."""
    if n_cells(name) <= most:
        return name
    kept = name[:most]
    while n_cells(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"
