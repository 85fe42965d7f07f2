"""The tables of two models in one home."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import figures, table

FIGURES = ("asked", "missed", "guests", "confused")


def cells(own: Any) -> list[str]:
    """Shares in per cent, and milliseconds."""
    return [*(f"{100 * own[name]:.2f}" for name in FIGURES), *(f"{own['ms']:.0f}",)]


def both_curve(own: Any) -> str:
    """A row for each point between the accurate model and the small one."""
    rows = []
    for rate, at_rate in own["rates"].items():
        named = f"{100 * float(rate):g} %"
        rows.append([f"{named}, accurate alone", *cells(at_rate["accurate"])])
        for each in at_rate["curve"]:
            words = f"{named}, both, at most {100 * each['tolerance']:g} % more errors"
            rows.append([words, *cells(each)])
        rows.append([f"{named}, small alone", *cells(at_rate["small"])])
    names = ["asked, %", "members missed, %", "guests named, %", "confused, %", "ms a clip"]
    return table(["threshold for so many guests", *names], rows)


def both_by_kind(own: Any) -> str:
    """A row for each kind of home, with the shipped limits and by the accurate model alone."""
    rows = [
        [f"{100 * float(rate):g} %, {kind}", *cells(found["both"]), *cells(found["accurate"])[1:4]]
        for rate, at_rate in own["rates"].items()
        for kind, found in at_rate["kinds"].items()
    ]
    both = ["asked, %", "missed, %", "guests, %", "confused, %", "ms a clip"]
    alone = [f"accurate alone: {name}" for name in ("missed, %", "guests, %", "confused, %")]
    return table(["homes", *both, *alone], rows)


BLOCKS = {
    "both_curve": lambda: both_curve(figures("both")),
    "both_by_kind": lambda: both_by_kind(figures("both")),
}
