"""The commands by name; the module of each is imported once it is asked for.

A command says what it takes in types, and typer builds a parser of each of them: of all
commands, that takes longer than to say who is speaking.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any, Literal

import typer
from typer.core import TyperGroup

from spkid.shown import visible

PLACES = {
    "demo": "spkid.cli.demo:demo",
    "enroll": "spkid.cli.enrolling:enroll",
    "identify": "spkid.cli.homes:identify",
    "verify": "spkid.cli.homes:verify",
    "timeline": "spkid.cli.timeline:timeline",
    "calibrate": "spkid.cli.calibration:calibrate",
    "profiles": "spkid.cli.profiles:profiles",
    "confirm": "spkid.cli.profiles:confirm",
    "forget": "spkid.cli.profiles:forget",
    "rename": "spkid.cli.rearranging:rename",
    "merge": "spkid.cli.rearranging:merge",
    "move": "spkid.cli.rearranging:move",
    "archive": "spkid.cli.profiles:archive",
    "reembed": "spkid.cli.profiles:reembed",
    "backup": "spkid.cli.backups:backup",
    "restore": "spkid.cli.backups:restore",
    "embed": "spkid.cli.evaluation:embed",
    "score": "spkid.cli.evaluation:score",
    "evaluate": "spkid.cli.evaluation:evaluate",
    "households": "spkid.cli.evaluation:households",
    "fit": "spkid.cli.fitting:fit",
    "audit": "spkid.cli.auditing:audit",
    "mitigate": "spkid.cli.mitigating:mitigate",
    "train": "spkid.cli.training:train",
    "finetune": "spkid.cli.training:finetune",
    "export": "spkid.cli.training:export",
    "serve": "spkid.cli.serving:serve",
    "wyoming": "spkid.cli.assistants:wyoming",
    "mcp": "spkid.cli.assistants:mcp",
    "inbox": "spkid.cli.inbox:inbox",
    "decisions": "spkid.cli.decisions:decisions",
    "token": "spkid.cli.serving:token",
}
OTHER_WORDS = {"delete": "forget", "list": "profiles", "remove": "forget", "recognize": "identify"}
# as "rich", it would take a [table] for markup and drop it
MARKUP: Literal["markdown"] = "markdown"
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # typer has no public name for it


class Commands(TyperGroup):
    """The commands of ``PLACES``; a word that other tools use for one of them names it."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands: Any = dict.fromkeys(PLACES)  # by name; None until one is asked for

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or an error that names the one that was meant."""
        if cmd_name in OTHER_WORDS:
            ctx.fail(f"No such command {cmd_name!r}. Did you mean {OTHER_WORDS[cmd_name]!r}?")
        if cmd_name in PLACES and self.commands[cmd_name] is None:
            self.commands[cmd_name] = built(cmd_name)
        return self.commands.get(cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """As ever; words that were typed, names of files too, are shown without what hides."""
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:
            error.message = visible(error.message)
            raise


def built(name: str) -> Any:
    """What typer makes of the function, or the group of them, that stands at the name's place."""
    found = resolve_name(PLACES[name])
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
        single.command()(found)
        found = single
    command = typer.main.get_command(found)
    command.name = name
    return command
