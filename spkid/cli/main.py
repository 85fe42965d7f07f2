"""The ``spkid`` command. Commands import what they need when they run."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from spkid import __version__
from spkid.cli import (
    auditing,
    backups,
    calibration,
    demo,
    enrolling,
    evaluation,
    fitting,
    homes,
    mitigating,
    profiles,
    timeline,
    training,
)
from spkid.cli.output import report_error
from spkid.errors import SpkidError

OTHER_WORDS = {"delete": "forget", "list": "profiles", "remove": "forget", "recognize": "identify"}


class Commands(TyperGroup):
    """The commands; a word that other tools use for one of them names it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or an error that names the one that was meant."""
        if cmd_name in OTHER_WORDS:
            ctx.fail(f"No such command {cmd_name!r}. Did you mean {OTHER_WORDS[cmd_name]!r}?")
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    name="spkid",
    cls=Commands,
    help="Who is speaking at home, and is it equally good for everyone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # as "rich", it would take a [table] for markup and drop it
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
) -> None:
    """Who is speaking at home, and is it equally good for everyone."""


for command in (
    demo.demo,
    enrolling.enroll,
    homes.identify,
    homes.verify,
    timeline.timeline,
    calibration.calibrate,
    profiles.profiles,
    profiles.confirm,
    profiles.forget,
    profiles.archive,
    profiles.reembed,
    backups.backup,
    backups.restore,
    evaluation.embed,
    evaluation.score,
    evaluation.evaluate,
    evaluation.households,
    fitting.fit,
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
        app(prog_name="spkid")
    except SpkidError as error:
        report_error(error, as_json="--json" in sys.argv)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
