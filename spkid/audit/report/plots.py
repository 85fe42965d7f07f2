"""Plots of an audit as inline SVG, narrow enough to be read on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from spkid.audit.cohorts.discovery import Discovery
from spkid.audit.cohorts.findings import Cohort
from spkid.audit.grouping import members_of, parse_grouping
from spkid.audit.result import Audit, GroupAudit
from spkid.encoder.vectors import Floats
from spkid.pages import COLOURS, INK, new_figure, to_svg
from spkid.scoring.metrics import ErrorCurve

WIDTH = 5.2  # inches; at the width of a phone the text is still readable
MOST_GROUPS = 6  # in one plot of curves; more cannot be told apart
RATE_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
N_CURVE_POINTS = 200
LEAST_TRIALS = 30  # of each kind for a curve


def rates_plot(section: GroupAudit, figures: Sequence[tuple[str, str]]) -> Any:
    """A panel for each of ``figures`` (name and words): a dot a group with its interval."""
    judged = section.groups[section.groups["judged"].astype(bool)]
    position = np.arange(len(judged))[::-1]
    with new_figure(WIDTH, 0.8 + 0.28 * len(judged)) as figure:
        panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
        for axes, (name, words) in zip(panels, figures, strict=True):
            value = 100 * judged[name].to_numpy(np.float64)
            low = value - 100 * judged[f"{name}_low"].to_numpy(np.float64)
            high = 100 * judged[f"{name}_high"].to_numpy(np.float64) - value
            spread = np.nan_to_num(np.maximum([low, high], 0))
            axes.errorbar(value, position, xerr=spread, fmt="o", color=COLOURS[0], capsize=3)
            axes.set_title(f"{words}, %")
            axes.set_xlim(left=0)
            axes.set_ylim(-0.6, len(judged) - 0.4)
            axes.locator_params(axis="x", nbins=4)
            axes.grid(axis="x", alpha=0.3)
        panels[0].set_yticks(position, judged["group"])
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
        return np.asarray(norm.ppf(np.clip(rate, RATE_TICKS[0] / 2, 0.6)))

    curves = {
        group: ErrorCurve(*each)
        for group, each in scores.items()
        if min(map(len, each)) >= LEAST_TRIALS
    }
    if not curves:
        return None
    with new_figure(WIDTH, 4.4) as figure:
        axes = figure.subplots()
        for (group, curve), colour in zip(curves.items(), COLOURS, strict=False):
            across, up = scale(curve.false_match), scale(curve.false_non_match)
            kept = np.searchsorted(-across, np.linspace(-across[0], -across[-1], N_CURVE_POINTS))
            kept = np.unique(np.minimum(kept, len(across) - 1))
            axes.plot(across[kept], up[kept], color=colour, label=group)
            here = min(int(np.searchsorted(curve.thresholds, threshold)), len(across) - 1)
            axes.plot(across[here], up[here], "o", color=colour)
        ticks, names = scale(np.array(RATE_TICKS)), [f"{100 * rate:g}" for rate in RATE_TICKS]
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set_xlim(scale(RATE_TICKS[0]), scale(0.5))
        axes.set_ylim(scale(RATE_TICKS[0]), scale(0.5))
        axes.set_xlabel("strangers accepted (FMR), %")
        axes.set_ylabel("own rejected (FNMR), %")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
        return to_svg(figure)


def distribution_plot(scores: dict[str, tuple[Floats, Floats]], threshold: float) -> Any:
    """Score distributions by group with the shared threshold."""
    whole = np.concatenate([part for each in scores.values() for part in each])
    edges = np.linspace(np.quantile(whole, 0.001), np.quantile(whole, 0.999), 50)
    with new_figure(WIDTH, 0.8 + 0.75 * len(scores)) as figure:
        panels = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (group, (target, impostor)) in zip(panels, scores.items(), strict=True):
            for part, colour, name in (
                (impostor, COLOURS[1], "strangers"),
                (target, COLOURS[0], "own"),
            ):
                share = np.full(len(part), 1 / max(1, len(part)))
                axes.hist(part, edges, weights=share, color=colour, alpha=0.55, label=name)
            axes.axvline(threshold, color=INK, linewidth=1)
            axes.set_yticks([])
            axes.set_ylabel(group, rotation=0, ha="right", va="center")
        panels[0].legend(loc="upper right")
        panels[-1].set_xlabel("score (the line is the shared threshold)")
        return to_svg(figure)


def map_plot(discovery: Discovery) -> Any:
    """Speakers on the two main directions of their vectors, the worst cohort filled."""
    with new_figure(WIDTH, 4.0) as figure:
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
        axes.legend(title="cohort", loc="center left", bbox_to_anchor=(1, 0.5))
        return to_svg(figure)


def cohorts_plot(cohorts: Sequence[Cohort]) -> Any:
    """Each cohort's error less that of the others, with its interval."""
    rows = pd.DataFrame(
        [(each.name, each.read.difference, each.read.low, each.read.high) for each in cohorts],
        columns=["name", "value", "low", "high"],
    )
    position = np.arange(len(rows))[::-1]
    with new_figure(WIDTH, 0.8 + 0.3 * len(rows)) as figure:
        axes = figure.subplots()
        spread = 100 * np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]])
        axes.errorbar(
            100 * rows["value"], position, xerr=spread, fmt="o", color=COLOURS[0], capsize=3
        )
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(position, [_short(name) for name in rows["name"]])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel("mean error less that of all others, points")
        axes.grid(axis="x", alpha=0.3)
        return to_svg(figure)


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
