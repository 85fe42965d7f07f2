"""What the pages' tables are made of: the result files, names of lists, cells and rows."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"
SYSTEMS = {
    "bundled": "spkid",
    "resemblyzer": "Resemblyzer",
    "resemblyzer_lda": "Resemblyzer + LDA",
}
# the same, and the peers with a calibration that is fitted to them as ours is to us
CALIBRATED = {
    **SYSTEMS,
    "resemblyzer_calibrated": "Resemblyzer, calibrated as ours",
    "resemblyzer_lda_calibrated": "Resemblyzer + LDA, calibrated as ours",
}
LISTS = {
    "verify_new_speechocean762": "speechocean762, new speakers",
    "verify_known_speechocean762": "speechocean762, known speakers",
    "verify_new_commonvoice": "Common Voice, 59 languages",
    "verify_new_arabic-commands": "Arabic one-second commands",
    "verify_new_librispeech": "LibriSpeech",
}


def result(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text())


def figures(name: str) -> dict:
    return result(name)["figures"]


def percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_interval(row: dict, figure: str) -> str:
    """A rate with its 95 % interval."""
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    return f"{percent(row[figure])} ({percent(low)} to {percent(high)})"
