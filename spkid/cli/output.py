"""What the command line prints: tables for people, JSON for programs."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from spkid.errors import SpkidError
from spkid.files import check_output, to_json, whole_file
from spkid.shown import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTS = (".png", ".svg")
LINE_EVERY_S = 30.0  # how often a run says how far it is where no bar can be drawn

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-code", help="Let a model of another kind run the code in its files (speechbrain:)."
    ),
]

# what errors say in the words of the API -> what is typed instead
FLAGS = {
    "another_person": "--another-person",
    "by": "--by",
    "changes": "--set",
    "columns": "--columns",
    "embeddings": "--embeddings",
    "methods": "--methods",
    "root": "--root",
    "share": "--share",
    "side": "--side",
    "speech": "--data",
    "threshold": "--threshold",
    "tree": "--tree",
    "trials": "--trials",
    "trust_code": "--trust-code",
    "truth": "--truth",
    "consent": "--consent",
    "cost_prior": "--cost",
    "false_accept_rate": "--far",
    "household": "--household",
    "member": "--member",
    "metadata": "--metadata",
    "model": "--model",
    "place": "--store",
    "rate_hz": "--rate",
    "n_top": "--cohort-top",
    "vault": "--keep-audio",
}
_PARAMETER = re.compile(rf"\b({'|'.join(FLAGS)})=(?:True\b)?(?=([\w'\"])?)")


def parse_rate(text: str | float) -> float:
    """A rate as it is typed: ``1%`` or ``0.01``.

    Raises
    ------
    SpkidError
        If it is anything else, or not between 0 and 1.
    """
    words = str(text).strip()
    try:
        rate = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise SpkidError(
            f"the rate {words!r}", expected="a rate such as 1% or 0.01", do="correct it"
        )
    return rate


def rate_option(flag: str, help: str) -> Any:
    """An option that takes a rate; for ``Annotated[float, rate_option("--far", "...")]``."""
    return typer.Option(flag, parser=parse_rate, metavar="RATE", help=help)


def parse_columns(text: str) -> dict[str, str]:
    """Which column of a score file is what, as it is typed: ``enroll=model,score=3``.

    Raises
    ------
    SpkidError
        If it is anything else.
    """
    pairs = [[word.strip() for word in part.split("=", 1)] for part in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise SpkidError(
            f"--columns {text!r}",
            expected="such as enroll=model,test=segment,score=llr,label=key, or places from 1",
            do="correct the option",
        )
    return dict(pairs)


ColumnsOption = Annotated[
    Any,
    typer.Option(
        "--columns",
        parser=parse_columns,
        metavar="ENROLL=...,TEST=...,SCORE=...,LABEL=...",
        help="Which column is what, by name or place, where the score file does not tell.",
    ),
]


class OutputLostError(Exception):
    """Standard output takes no more; the cause says why."""


@contextmanager
def result() -> Iterator[None]:
    """What is printed inside arrives on standard output, or `OutputLostError` is raised."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise OutputLostError from error


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let :func:`result` see it; rich would exit with 1."""
        raise


def console() -> Console:
    """Standard output, at its width now; wide when it is no terminal, so that rows stay whole."""
    return _Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    with result():
        sys.stdout.write(to_json(value) + "\n")


def print_json_line(value: Any) -> None:
    """``value`` as one line of JSON on standard output, at once."""
    with result():
        sys.stdout.write(to_json(value, indent=None) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The first column to the left, all others to the right; text is never read as markup."""
    from rich.text import Text

    table = Table(title=Text(visible(title)), title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        table.add_column(Text(visible(column)), justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(
            *(cell if isinstance(cell, Text) else Text(visible(str(cell))) for cell in row)
        )
    with result():
        console().print(table)


def echo(line: str) -> None:
    """A line of a result, on standard output."""
    with result():
        typer.echo(visible(line))


def say(line: str) -> None:
    """A line for people, on standard error, so that standard output stays a result."""
    shown = _Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with suppress(OSError):  # nobody can be told that nobody can be told
        shown.print(visible(line))


def ask(question: str, *, abort: bool = False) -> bool:
    """A person's yes or no at the terminal."""
    return typer.confirm(visible(question), abort=abort)


def percent(rate: float | None) -> str:
    """A rate as a cell of a table: ``4.20 %``, or a dash where it is not known."""
    return "–" if rate is None or math.isnan(rate) else f"{100 * rate:.2f} %"


class _Bar(Progress):
    """A bar on a terminal; a line now and then elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._said_at_s = self.get_time()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._say_how_far(task_id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._say_how_far(task_id)

    def _say_how_far(self, task_id: TaskID) -> None:
        if not self.disable or self.get_time() - self._said_at_s < LINE_EVERY_S:
            return
        self._said_at_s = self.get_time()
        task = self._tasks[task_id]
        left = "" if task.time_remaining is None else f", {task.time_remaining:.0f} s left"
        say(f"{task.description}: {task.completed:.0f} of {task.total or math.nan:.0f}{left}")


def progress_bar() -> Progress:
    """Progress on standard error: a bar on a terminal, else a line every half minute."""
    return _Bar()


def check_outputs(*outputs: Path | None, inputs: Sequence[str | Path | None]) -> None:
    """Before any work: refuse an output that is read, or may not be written to, or comes twice."""
    for place, output in enumerate(outputs):
        if output is not None:
            check_output(output, *inputs, *outputs[:place])


def check_folder(
    folder: Path, names: Iterable[str], *, inputs: Sequence[str | Path | None]
) -> None:
    """Before any work: refuse a folder where one of ``names`` would replace what is read."""
    if folder.is_dir():
        own = [each for each in inputs if each is None or Path(each) != folder]
        check_outputs(*(folder / name for name in names), inputs=own)
    elif folder.exists():
        raise SpkidError(
            f"{folder}: a file", expected="a folder to write to", do="choose another --out"
        )


def check_plot(path: Path | None, *, inputs: Sequence[str | Path | None]) -> None:
    """Refuse a picture of another kind, or in a wrong place, before any work is done."""
    if path is not None and path.suffix not in PLOTS:
        raise SpkidError(f"{path}", expected="a .png or .svg file", do="choose another --plot")
    check_outputs(path, inputs=inputs)


def save_plot(figure: Figure, path: Path) -> None:
    """The picture as .png or .svg."""
    from spkid.pages import picture

    with whole_file(path) as file:
        file.write(picture(figure, path.suffix[1:]))


def in_flags(sentence: str) -> str:
    """``consent=True`` becomes ``--consent``, ``false_accept_rate=0.9`` becomes ``--far 0.9``."""
    return _PARAMETER.sub(lambda found: FLAGS[found[1]] + (" " if found[2] else ""), sentence)


def report_error(error: SpkidError, *, as_json: bool) -> None:
    """One sentence on standard error; with ``--json`` an object on standard output too."""
    sentence = in_flags(str(error))
    if as_json:
        print_json({"error": sentence, "code": error.code})
    say(f"spkid: {sentence}")
