"""The audit on the command line."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.output import (
    ColumnsOption,
    JsonFlag,
    check_folder,
    echo,
    print_json,
    print_table,
    rate_option,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.audit.face import AuditResult, ComparisonResult


def audit(
    scores: Annotated[
        list[Path],
        typer.Argument(
            readable=False, help="Score file with labels, from any system; two with --compare."
        ),
    ],
    metadata: Annotated[
        Path, typer.Option(readable=False, help="CSV with 'speaker' and the group columns.")
    ],
    by: Annotated[
        str, typer.Option(help="Groups, separated by commas: gender,age:18/65,gender*age_group.")
    ],
    out: Annotated[
        Path, typer.Option(readable=False, help="Folder for the page, JSON and CSV files.")
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Two score files of the same speakers, paired.")
    ] = False,
    trials: Annotated[
        Path | None,
        typer.Option(readable=False, help="Trial list with the labels, if the scores have none."),
    ] = None,
    columns: ColumnsOption = None,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="The file is a log of decisions in households.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(readable=False, help="CSV clip,speaker,truth, if the log does not say."),
    ] = None,
    far: Annotated[
        float, rate_option("--far", "Share of strangers that the shared threshold accepts.")
    ] = 0.05,
    cost: Annotated[
        float | None,
        typer.Option(help="Instead: threshold of least cost at this prior of the same speaker."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Instead: the threshold itself.")] = None,
    side: Annotated[
        str, typer.Option(help="Which side of a trial decides its group: both, enroll or test.")
    ] = "both",
    embeddings: Annotated[
        Path | None,
        typer.Option(readable=False, help="Vectors (.npz) in which to look for cohorts."),
    ] = None,
    tree: Annotated[
        str, typer.Option(help="Columns of the cohort tree, by default those of --by.")
    ] = "",
    share: Annotated[
        float, typer.Option(help="Share of speakers in the worst cohort that is looked for.")
    ] = 0.1,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 1 where this is true, as 'garbe>0.2'. May be repeated."),
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="The page as PDF too; an installed Chromium prints it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Who is it worse for, is that certain, and which cohort to work on first."""
    from spkid.audit import face
    from spkid.audit.conditions import read_condition
    from spkid.printing import need_browser

    conditions = [read_condition(text) for text in fail_if or ()]
    groupings = words_of(by)
    if not groupings:
        raise SpkidError(f"--by {by!r}", expected="column names", do="give e.g. gender,age_group")
    if len(scores) != 1 + compare:
        raise SpkidError(
            f"{len(scores)} score files",
            expected="two with --compare" if compare else "one, or two with --compare",
            do="give each file once",
        )
    if decisions and (compare or embeddings or tree):
        raise SpkidError(
            "--decisions with --compare, --embeddings or --tree",
            expected="scores for those",
            do="leave them out, or give a score file",
        )
    if (truth and not decisions) or ((trials or columns) and decisions):
        raise SpkidError(
            "--trials or --columns with a log, or --truth with scores",
            expected="--trials and --columns for scores, --truth with --decisions",
            do="leave it out",
        )
    check_folder(out, face.FILES, inputs=(*scores, metadata, trials, truth, embeddings))
    if pdf:
        need_browser()
    options: face.Options = {
        "false_accept_rate": far,
        "cost_prior": cost,
        "threshold": threshold,
        "side": side,
    }
    result: AuditResult | ComparisonResult
    if decisions:
        result = face.decisions(scores[0], metadata, by=groupings, truth=truth)
    elif compare:
        result = face.compare(
            scores[0], scores[1], metadata, by=groupings, trials=trials, columns=columns, **options
        )
    else:
        result = face.audit(
            scores[0],
            metadata,
            by=groupings,
            trials=trials,
            columns=columns,
            embeddings=embeddings,
            tree=words_of(tree),
            share=share,
            **options,
        )
    result = result.made_by(shlex.join(["spkid", *sys.argv[1:]]))
    page = result.save(out, pdf=pdf)
    if as_json:
        print_json(result.record())
    else:
        for line in result.counted():
            echo(line)
        for table in result.tables():
            print_table(table.title, table.header, table.rows)
        for line in result.verdict.split("\n"):
            echo(line)
        for note in result.notes:
            say(note)
        say(f"Page: {page}; the figures as JSON and CSV beside it")
    figures = result.figures
    failed = False
    for condition in conditions:
        for column in condition.columns_where_true(figures):
            say(f"{condition} is true for {column}: {figures[column][condition.figure]:.4g}")
            failed = True
    if failed:
        raise typer.Exit(1)


def words_of(text: str) -> list[str]:
    """Words separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
