"""The trade as JSON, CSV and a page: what each mitigation costs, and what it brings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from spkid import __version__
from spkid.audit.report.glossary import chosen_terms
from spkid.audit.report.page import facts
from spkid.data.cells import to_csv
from spkid.files import to_json, write_texts
from spkid.mitigation.conclusion import mitigation_conclusion
from spkid.mitigation.trade import BEFORE, FIGURES, Trade
from spkid.mitigation.words import (
    WORDS,
    Mitigation,
    mitigation_method,
    mitigation_verdict,
    shown_change,
)
from spkid.pages import (
    COLOURS,
    INK,
    Cell,
    Plot,
    Row,
    new_figure,
    percent,
    render,
    signed,
    span,
    to_svg,
)

FILES = ("mitigation.html", "mitigation.json", "mitigation.csv", "speakers.csv")
TERMS = ("mean error", "cohort", "shared threshold", "95 % interval", "certain", "points")
COLUMNS = ("error", "gap", "error_cohort", "error_others")  # of the table that people read


def mitigation_record(found: Mitigation) -> dict[str, Any]:
    """All of it as plain values, for JSON, without the names of speakers."""
    trade = found.trade
    return {
        "spkid": __version__,
        "title": found.title,
        "origin": None if found.origin is None else asdict(found.origin),
        "conclusion": [asdict(each) for each in mitigation_conclusion(found)],
        "verdict": mitigation_verdict(found),
        "caveat": found.caveat,
        "notes": list(found.notes),
        "method": mitigation_method(found),
        "cohort": {"kind": found.cohort.kind, "name": found.cohort.name},
        "chosen": trade.chosen or None,
        "false_match_rate": trade.false_match_rate,
        "thresholds": trade.thresholds,
        "n_choosing": trade.n_choosing,
        "n_choosing_cohort": trade.n_choosing_cohort,
        "n_read": trade.n_read,
        "n_read_cohort": trade.n_read_cohort,
        "n_resamples": trade.n_resamples,
        "seed": trade.seed,
        "trade": trade.table.to_dict("records"),
        "choosing": trade.choosing.to_dict("records"),
    }


def shown_rows(trade: Trade) -> list[dict[str, Any]]:
    """A row a system for the table: words, and for each of ``COLUMNS`` value, range and change."""
    rows = []
    for system in trade.systems:
        cells = []
        for figure in COLUMNS:
            row = trade.at(system, figure)
            show = signed if figure == "gap" else percent
            cells.append(
                {
                    "figure": figure,
                    "value": show(row.value),
                    "range": span(row.low, row.high, show),
                    "change": "" if system == BEFORE else shown_change(row),
                }
            )
        rows.append({"system": system, "words": WORDS[system], "cells": cells})
    return rows


def page_rows(trade: Trade) -> list[Row]:
    """The same as the page shows it."""
    rows = []
    for row in shown_rows(trade):
        cells: list[Cell | str] = []
        for each in row["cells"]:
            data = {"system": row["system"], "figure": each["figure"]}
            cells += [Cell(each["value"], each["range"], data=data), each["change"]]
        chosen = " (chosen)" if row["system"] == trade.chosen else ""
        rows.append(Row(row["words"] + chosen, tuple(cells)))
    return rows


def trade_plot(trade: Trade) -> Any:
    """Overall error against gap, a point a system with both intervals; down and left is better."""
    with new_figure(3.7, 3.9) as figure:
        axes = figure.subplots()
        for system, colour in zip(trade.systems, (INK, *COLOURS), strict=False):
            error, gap = (trade.at(system, name) for name in ("error", "gap"))
            axes.errorbar(
                100 * error.value,
                100 * gap.value,
                xerr=[[100 * (error.value - error.low)], [100 * (error.high - error.value)]],
                yerr=[[100 * (gap.value - gap.low)], [100 * (gap.high - gap.value)]],
                fmt="s" if system == BEFORE else "o",
                color=colour,
                alpha=0.85,
                capsize=2,
                elinewidth=0.8,
                label=WORDS[system],
            )
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("mean error of everybody, %")
        axes.set_ylabel("gap, points")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside upper left", ncols=2)
        return to_svg(figure)


def write_mitigation(found: Mitigation, folder: Path) -> None:
    """Write ``mitigation.html``, ``.json``, ``.csv`` and ``speakers.csv``, all or none."""
    trade = found.trade
    page = render(
        "mitigation.html",
        title=found.title,
        lead=f"{trade.n_read} held-out speakers. Changes are in points; below zero is better.",
        answers=mitigation_conclusion(found),
        verdict=mitigation_verdict(found),
        caveat=found.caveat,
        terms=chosen_terms(TERMS),
        facts=facts(found.origin),
        header=[
            "system",
            *(FIGURES[figure] + end for figure in COLUMNS for end in ("", ", change")),
        ],
        rows=page_rows(trade),
        plot=Plot(
            trade_plot(trade),
            "Mean error of everybody against the gap, with 95 % interval. Lower and further left "
            "is better; at a gap of 0 the cohort does as well as all others.",
        ),
        notes=found.notes,
        method=mitigation_method(found),
    )
    files = (
        page,
        to_json(mitigation_record(found)) + "\n",
        to_csv(trade.table),
        to_csv(found.speakers),
    )
    write_texts(folder, dict(zip(FILES, files, strict=True)))
