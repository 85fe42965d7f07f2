"""What the pages' tables are made of: the result files, names of lists, cells and rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spkid.errors import SpkidError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MODELS = ROOT / "spkid" / "models"
MODEL_FILES = {
    "first_leg": ROOT / "benchmarks" / "model" / "checkpoints" / "small_first_leg.json",
    "second_leg": MODELS / "small.training.json",
    "calibration": MODELS / "small.calibration.json",
}
SYSTEMS = {
    "accurate": "spkid",
    "small": "spkid, small",
    "resemblyzer": "Resemblyzer",
    "resemblyzer_lda": "Resemblyzer + LDA",
}
# the same, and the peers with a calibration that is fitted to them as ours is to us
CALIBRATED = {
    **SYSTEMS,
    "cam_plus_plus": "CAM++",
    "cam_plus_plus_calibrated": "CAM++, calibrated as ours",
    "cam_plus_plus_centred_calibrated": "CAM++, centred, calibrated as ours",
    "cam_plus_plus_lda_calibrated": "CAM++ + LDA, calibrated as ours",
}
LISTS = {
    "verify_new_speechocean762": "speechocean762, new speakers",
    "verify_known_speechocean762": "speechocean762, known speakers",
    "verify_new_commonvoice": "Common Voice, 59 languages",
    "verify_new_arabic-commands": "Arabic one-second commands",
    "verify_new_librispeech": "LibriSpeech",
}


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpkidError(
            f"no result {path.name}",
            expected=f"one of {', '.join(sorted(own.stem for own in RESULTS.glob('*.json')))}",
            do="correct the name, or run the study first",
            code="no_figure",
        ) from None


def result(name: str) -> dict[str, Any]:
    """A whole result file: command, commit, date, machine and figures."""
    loaded: dict[str, Any] = _loaded(RESULTS / f"{name}.json")
    return loaded


def figures(name: str) -> Any:
    """The figures of a result, or what is known of the small model itself."""
    if name in MODEL_FILES:
        return _loaded(MODEL_FILES[name])
    return result(name)["figures"]


def fingerprint_of(model: str) -> str:
    """That of a bundled model as it ships today."""
    fingerprint: str = _loaded(MODELS / f"{model}.calibration.json")["model"]
    return fingerprint


def drawn(draw: Callable[..., str], *names: str) -> Callable[[], str]:
    """What ``draw`` makes of the figures of the results ``names``, when it is called."""
    return lambda: draw(*map(figures, names))


def command_of(own: dict[str, Any]) -> str:
    """The command that makes a result, as it is run today.

    Older files name the script, and the other systems of an audit one by one.
    """
    command = re.sub(r"python benchmarks/(\w+)\.py", r"python -m benchmarks.\1", own["command"])
    return re.sub(r"--other \w+=(\S+)/\S+( --other \S+)*", r"--others \1", command)


def source(*names: str) -> str:
    """A line a result: command, seed, commit, machine and date."""
    lines = []
    for name in names:
        own, machine = result(name), result(name)["machine"]
        commit = (own["commit"] or "unknown")[:10]
        changed = " with changes" if own["uncommitted_changes"] else ""
        seed = "no seed" if own["seed"] is None else f"seed {own['seed']}"
        lines.append(
            f"- `{command_of(own)}`: {seed}, commit {commit}{changed}, "
            f"{machine['cores']} cores of {machine['cpu']}, {own['date'][:10]}"
        )
    return "\n".join(lines)


def percent(rate: float | None) -> str:
    """Two digits, a dash where it is undefined."""
    return "–" if rate is None else f"{100 * rate:.2f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its first column to the left."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_interval(row: dict[str, Any], figure: str) -> str:
    """A rate with its 95 % interval."""
    low, high = row[f"{figure}_low"], row[f"{figure}_high"]
    return f"{percent(row[figure])} ({percent(low)} to {percent(high)})"


def change_cell(change: dict[str, Any], *, unit: float = 1.0, form: str = "+.1f") -> str:
    """A change in hundredths of ``unit`` with its 95 % interval, bold where it is certain."""
    value, low, high = (f"{100 * change[key] / unit:{form}}" for key in ("change", "low", "high"))
    cell = f"{value} ({low} to {high})"
    return f"**{cell}**" if change["certain"] else cell
