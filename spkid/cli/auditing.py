"""The audit on the command line."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import open_store, store_files
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
    from spkid.audit.outcome import AuditResult, ComparisonResult


def audit(
    by: Annotated[
        str, typer.Option(help="Groups, separated by commas: gender,age:18/65,gender*age_group.")
    ],
    out: Annotated[
        Path, typer.Option(readable=False, help="Folder for the page, JSON and CSV files.")
    ],
    scores: Annotated[
        list[Path] | None,
        typer.Argument(
            readable=False, help="Score file with labels, from any system; two with --compare."
        ),
    ] = None,
    metadata: Annotated[
        Path | None, typer.Option(readable=False, help="CSV with 'speaker' and the group columns.")
    ] = None,
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
    homes: Annotated[
        Path | None,
        typer.Option(readable=False, help="CSV with 'household' and columns of kinds of homes."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Instead of a file: a store's own log, where homes agreed to one."),
    ] = None,
    household: Annotated[str | None, typer.Option(help="With --store: this home only.")] = None,
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
    from spkid.audit.outcome import FILES
    from spkid.printing import need_browser

    conditions = [read_condition(text) for text in fail_if or ()]
    groupings = words_of(by)
    if not groupings:
        raise SpkidError(f"--by {by!r}", expected="column names", do="give e.g. gender,age_group")
    files = [*scores] if scores else []
    log = decisions or store is not None
    if len(files) != (0 if store else 1 + compare):
        raise SpkidError(
            f"{len(files)} score files",
            expected="two with --compare" if compare else "one, or two with --compare",
            do="give each file once, and none with --store",
        )
    if metadata is None and store is None:
        raise SpkidError(
            "no --metadata", expected="a table of the speakers", do="leave it out with --store only"
        )
    if log and (compare or embeddings or tree):
        raise SpkidError(
            "a log with --compare, --embeddings or --tree",
            expected="scores for those",
            do="leave them out, or give a score file",
        )
    if ((truth or homes) and not log) or ((trials or columns) and log) or (truth and store):
        raise SpkidError(
            "--trials or --columns with a log, or --truth or --homes without",
            expected="--trials and --columns for scores, --truth with --decisions, --homes with "
            "that or --store",
            do="leave it out",
        )
    if household and not store:
        raise SpkidError("--household", expected="--store with it", do="give the store")
    kept = store_files(store) if store else []
    inputs = (*files, metadata, trials, truth, homes, embeddings, *kept)
    check_folder(out, FILES, inputs=inputs)
    if pdf:
        need_browser()
    options: face.Options = {
        "false_accept_rate": far,
        "cost_prior": cost,
        "threshold": threshold,
        "side": side,
    }
    result: AuditResult | ComparisonResult
    if store is not None:
        result = of_store(store, household, groupings, metadata=metadata, homes=homes)
    elif metadata is None:
        raise AssertionError("asked for above")
    elif decisions:
        result = face.decisions(files[0], metadata, by=groupings, truth=truth, homes=homes)
    elif compare:
        result = face.compare(
            files[0], files[1], metadata, by=groupings, trials=trials, columns=columns, **options
        )
    else:
        result = face.audit(
            files[0],
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


def of_store(
    place: str,
    household: str | None,
    by: list[str],
    *,
    metadata: Path | None,
    homes: Path | None,
) -> AuditResult:
    """The audit of a store's own log; tables of more about people and homes join what it knows."""
    import pandas as pd

    from enrollment.decision_log import audit_input
    from spkid.audit import face
    from spkid.audit.inputs import described

    with open_store(place) as opened:
        given = audit_input(opened, household)
    if not given.answers:
        raise SpkidError(
            f"{given.n_untold:,} logged answers, and nobody has said who spoke",
            expected="a log that 'spkid decisions on' began, and who really spoke",
            do="confirm clips with 'spkid confirm', or say it with 'spkid decisions tell'",
        )
    people, kinds = pd.DataFrame(given.people), pd.DataFrame(given.homes)
    if metadata is not None:
        people = people.merge(described(metadata)[0], "left", on="speaker")
    if homes is not None:
        kinds = kinds.merge(described(homes, ("household",))[0], "left", on="household")
    notes = [f"{given.n_untold:,} answers are left out: nobody has said who spoke."]
    return face.decisions(
        pd.DataFrame(given.answers, columns=["household", "speaker", "truth", "answer"]),
        people.astype(object).fillna(""),
        by=by,
        homes=kinds.astype(object).fillna(""),
        notes=notes if given.n_untold else (),
    )


def words_of(text: str) -> list[str]:
    """Words separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
