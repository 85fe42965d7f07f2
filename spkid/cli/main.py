"""The ``spkid`` command. Commands import what they need when they run."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from spkid import __version__
from spkid.cli import (
    auditing,
    calibration,
    demo,
    evaluation,
    homes,
    mitigating,
    profiles,
    timeline,
    training,
)
from spkid.cli.output import report_error
from spkid.errors import SpkidError

app = typer.Typer(
    name="spkid",
    help="Who is speaking at home, and is it equally good for everyone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
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
) -> None:
    """Who is speaking at home, and is it equally good for everyone."""


for command in (
    demo.demo,
    homes.enroll,
    homes.identify,
    homes.verify,
    timeline.timeline,
    calibration.calibrate,
    profiles.profiles,
    profiles.confirm,
    profiles.forget,
    profiles.archive,
    profiles.reembed,
    evaluation.embed,
    evaluation.score,
    evaluation.evaluate,
    evaluation.households,
    auditing.audit,
    mitigating.mitigate,
    training.train,
    training.finetune,
    training.export,
):
    app.command()(command)


def main() -> None:
    """Run the command; bad input ends with one sentence and exit code 2."""
    try:
        app()
    except SpkidError as error:
        report_error(error, as_json="--json" in sys.argv)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
