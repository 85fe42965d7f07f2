"""The ``spkid`` command: its options, and what it says and how it ends when something fails."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import sys
import traceback
from typing import Annotated

import typer

from spkid import __version__
from spkid.cli.commands import MARKUP, Commands
from spkid.cli.output import OutputLostError, report_error, result, say
from spkid.errors import SpkidError
from spkid.files import why_unreadable

BAD_INPUT = 2
UNFORESEEN = 70  # EX_SOFTWARE of BSD's sysexits.h
NO_OUTPUT = 74  # EX_IOERR
READER_GONE = 141  # what a shell says of a program that SIGPIPE ended
SHOW_TRACEBACK = "SPKID_TRACEBACK"
NUMBERS = re.compile(
    r"(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?[\s,;\[\]()]+){3,}\S*", re.IGNORECASE
)
BYTES = re.compile(r"""b(['"]).{16,}\1""")


app = typer.Typer(
    name="spkid",
    cls=Commands,
    help="Who is speaking at home, and is it equally good for everyone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spkid {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option(
            "--traceback",
            help=f"Show where an error in spkid itself is (or set {SHOW_TRACEBACK}=1).",
        ),
    ] = False,
) -> None:
    """Who is speaking at home, and is it equally good for everyone."""


def main() -> None:
    """Run the command; what it cannot do ends with one sentence and an exit code of its own."""
    gc.set_threshold(100_000)  # imports make none, and looking for it takes a tenth of a second
    if sys.stdin is None:  # closed by who called; reading finds nothing
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
    if sys.stdout is None:
        report_no_output("closed")
        sys.exit(NO_OUTPUT)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the letter
    try:
        code = run()
        with result():
            pass  # what help and usage have printed
    except OutputLostError as lost:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = READER_GONE
        if isinstance(lost.__cause__, OSError) and lost.__cause__.errno != errno.EPIPE:
            report_no_output(why_unreadable(lost.__cause__))
            code = NO_OUTPUT
    sys.exit(code)


def run() -> int:
    """The command's exit code."""
    as_json = "--json" in sys.argv
    try:
        app(prog_name="spkid")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except SpkidError as error:
        report_error(error, as_json=as_json)
        return BAD_INPUT
    except OutputLostError:
        raise
    except Exception as error:
        report_unforeseen(error, as_json=as_json)
        return UNFORESEEN
    return 0


def report_no_output(reason: str) -> None:
    """One sentence on where the result should have gone."""
    report_error(
        SpkidError(
            f"standard output: {reason}",
            expected="a place that takes the result",
            do="write it to another place",
            code="no_output",
        ),
        as_json=False,
    )


def report_unforeseen(error: Exception, *, as_json: bool) -> None:
    """One sentence on an error that nobody thought of, and its traceback where it is wanted."""
    wanted = "--traceback" in sys.argv or os.environ.get(SHOW_TRACEBACK)
    if wanted:
        for line in "".join(traceback.format_exception(error)).splitlines():
            say(without_numbers(line))
    what = without_numbers(str(error)).splitlines()
    report_error(
        SpkidError(
            f"an error in spkid itself: {type(error).__name__}{': ' + what[0] if what else ''}",
            expected="none",
            do="report it" if wanted else f"set {SHOW_TRACEBACK}=1 to see where, and report it",
            code="unforeseen",
        ),
        as_json=as_json,
    )


def without_numbers(text: str) -> str:
    """``text`` with no row of numbers or bytes: it might be a voice."""
    return BYTES.sub("b'...'", NUMBERS.sub("...", text))
