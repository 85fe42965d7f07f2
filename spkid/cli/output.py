"""What the command line prints: tables for people, JSON for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spkid.errors import SpkidError
from spkid.files import to_json, written_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = (".png", ".svg")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def console() -> Console:
    """Standard output, at its width now; wide when it is no terminal, so that rows stay whole."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def print_json(value: Any) -> None:
    sys.stdout.write(to_json(value) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The first column to the left, all others to the right; text is never read as markup."""
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console().print(table)


def say(line: str) -> None:
    """A line for people, on standard error, so that standard output stays a result."""
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(line)


def percent(rate: float | None) -> str:
    return "–" if rate is None or math.isnan(rate) else f"{100 * rate:.2f} %"


def progress_bar() -> Progress:
    """A bar on standard error; silent where that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def check_plot(path: Path | None) -> None:
    """Refuse a picture of another kind before any work is done."""
    if path is not None and path.suffix not in PLOTS:
        raise SpkidError(f"{path}", expected="a .png or .svg file", do="choose another --plot")


@contextmanager
def writing(path: Path, option: str) -> Iterator[Path]:
    """As :func:`spkid.files.written_beside`; what the disk refuses is a sentence."""
    try:
        with written_beside(path) as beside:
            yield beside
    except OSError as error:
        raise SpkidError(
            f"{path}: {error.strerror or error}",
            expected="a file to write to",
            do=f"choose another {option}",
        ) from error


def save_plot(figure: Figure, path: Path) -> None:
    """The picture as .png or .svg."""
    with writing(path, "--plot") as beside:
        figure.savefig(beside, format=path.suffix[1:], dpi=150)


def report_error(error: SpkidError, *, as_json: bool) -> None:
    """One sentence on standard error; with ``--json`` an object on standard output too."""
    if as_json:
        print_json({"error": str(error), "code": error.code})
    say(f"spkid: {error}")
