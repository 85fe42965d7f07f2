"""A study, as all of them are run: options, figures, a result file, and the tables of the pages."""

from __future__ import annotations

import inspect
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import typer

from benchmarks.harness.record import write_result
from benchmarks.harness.result_files import RESULTS
from spkid.errors import SpkidError
from spkid.files import to_json

Options = TypeVar("Options")
Figures = dict[str, Any]
Data = Annotated[
    Path,
    typer.Option(
        envvar="SPKID_DATA", exists=True, file_okay=False, help="the data: speech/ and noise/"
    ),
]
Results = Annotated[Path, typer.Option(help="where the result is written")]


@dataclass(frozen=True)
class Benchmark(Generic[Options]):
    """What ``python -m benchmarks.NAME`` does.

    Attributes
    ----------
    name : str
        The module's, and that of the result file.
    options : type
        A frozen dataclass; each field is an option of the command, ``data`` is the data folder.
    measure : callable
        The figures, from the options. Undefined ones may be NaN; they are written as null.
    tables : tuple of callables
        Each makes a table, in Markdown, of the figures; they are printed at the end.
    seed : int, optional
        Of what is drawn at random, where it is no option.
    file : str, optional
        The result file's name where it depends on options, such as ``"accuracy_{name}"``.
    """

    name: str
    options: type[Options]
    measure: Callable[[Options], Figures]
    tables: tuple[Callable[[Any], str], ...]
    seed: int | None = None
    file: str | None = None

    def command(self, options: Options) -> str:
        """The command that makes the result, without what is as usual and without the data."""
        words = ["python", "-m", f"benchmarks.{self.name}"]
        for field in fields(options):  # type: ignore[arg-type]
            value = getattr(options, field.name)
            if field.name != "data" and value != field.default:
                words.append(f"--{field.name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return shlex.join(words)

    def run(self, options: Options, results: Path = RESULTS) -> Figures:
        """Measure, write the result into the folder ``results`` and print its tables."""
        values = {field.name: getattr(options, field.name) for field in fields(options)}  # type: ignore[arg-type]
        for name, value in values.items():
            if name != "data" and isinstance(value, Path) and value.is_absolute():
                raise SpkidError(
                    f"--{name} {value}",
                    expected="a path below the working directory, as the result names it",
                    do="give a relative path",
                )
        figures: Figures = json.loads(to_json(self.measure(options)))
        path = results / f"{(self.file or self.name).format(**values)}.json"
        seed = values.get("seed", self.seed)
        write_result(path, figures, command=self.command(options), seed=seed)
        for table in self.tables:
            print(f"\n{table(figures)}")
        return figures

    def main(self) -> None:
        """Run as the options of the command line say; ends with 2 after an error in them."""

        def run(results: Path, **values: Any) -> None:
            try:
                self.run(self.options(**values), results)
            except SpkidError as error:
                print(error, file=sys.stderr)
                raise typer.Exit(2) from None

        own = inspect.signature(self.options, eval_str=True).parameters
        added = inspect.Parameter("results", inspect.Parameter.KEYWORD_ONLY, default=RESULTS)
        shown = [
            *(value.replace(kind=inspect.Parameter.KEYWORD_ONLY) for value in own.values()),
            added.replace(annotation=Results),
        ]
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {value.name: value.annotation for value in shown}
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(help=sys.modules[self.options.__module__].__doc__)(run)
        app()
