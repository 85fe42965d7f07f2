"""A study, as all of them are run: options, figures, a result file, and the tables of the pages."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness.record import write_result
from benchmarks.harness.result_files import RESULTS
from spkid.errors import SpkidError
from spkid.files import to_json

Figures = dict[str, Any]
Data = Annotated[
    Path,
    typer.Option(envvar="SPKID_DATA", exists=True, file_okay=False, help="with speech/ and noise/"),
]
File = Annotated[Path, typer.Option(help="a file or a folder")]  # an option that must be given
Seed = Annotated[int, typer.Option(help="of all that is drawn at random")]


def run_command(function: Callable[..., object], *, words: str | None) -> None:
    """Run ``function`` as the command line says; ends with 2 where an option is wrong.

    Its parameters are the options, ``words`` the help.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(help=words)(function)
    try:
        app()
    except SpkidError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


@dataclass(frozen=True)
class Benchmark:
    """What ``python -m benchmarks.NAME`` does.

    Attributes
    ----------
    name : str
        The module's, and that of the result file.
    measure : callable
        Gives the figures. Its parameters are the options of the command; ``data`` is the data
        folder. Undefined figures may be NaN; they are written as null.
    tables : tuple of callables
        Each makes a table, in Markdown, of the figures. They are printed at the end.
    seed : int, optional
        Of what is drawn at random, where it is no option.
    file : str, optional
        The result file's name where it depends on options, such as ``"accuracy_{name}"``.
    draw : callable, optional
        Draws a picture of the figures to a path, that of the result with the ending ``.svg``.
    """

    name: str
    measure: Callable[..., Figures]
    tables: tuple[Callable[[Any], str], ...]
    seed: int | None = None
    file: str | None = None
    draw: Callable[[Any, Path], None] | None = None

    def command(self, options: Mapping[str, Any]) -> str:
        """The command that makes the result, without the data and what is as usual.

        Raises
        ------
        SpkidError
            If an option is an absolute path, which would mean nothing elsewhere.
        """
        words = ["python", "-m", f"benchmarks.{self.name}"]
        for name, parameter in inspect.signature(self.measure).parameters.items():
            value = options.get(name, parameter.default)
            if name == "data" or value == parameter.default:
                continue
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, Path) and value.is_absolute():
                raise SpkidError(
                    f"{flag} {value}",
                    expected="a path below the working directory, for the result names it",
                    do="give a relative path",
                )
            words += [flag] if value is True else [flag, str(value)]
        return shlex.join(words)

    def run(self, results: Path = RESULTS, **options: Any) -> Figures:
        """Measure, write the result into the folder ``results`` and print its tables."""
        command = self.command(options)
        figures: Figures = json.loads(to_json(self.measure(**options)))
        path = results / f"{(self.file or self.name).format(**options)}.json"
        write_result(path, figures, command=command, seed=options.get("seed", self.seed))
        if self.draw:
            self.draw(figures, path.with_suffix(".svg"))
        for table in self.tables:
            print(f"\n{table(figures)}")
        return figures

    def main(self) -> None:
        """Run as the options of the command line say; ends with 2 where they are wrong."""

        def run(**options: Any) -> None:
            self.run(**options)

        # typer reads the options off the signature: what is measured by, and the folder
        kind = typer.Option(help="the result's folder", show_default="benchmarks/results")
        folder = inspect.Parameter("results", inspect.Parameter.KEYWORD_ONLY, default=RESULTS)
        own = inspect.signature(self.measure, eval_str=True).parameters.values()
        shown = [*own, folder.replace(annotation=Annotated[Path, kind])]
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {value.name: value.annotation for value in shown}
        run_command(run, words=sys.modules[self.measure.__module__].__doc__)
