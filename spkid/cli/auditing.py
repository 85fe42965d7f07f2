"""The audit on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.output import JsonFlag, percent, print_json, print_table, say
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.findings import Findings


def audit(
    scores: Annotated[
        list[Path],
        typer.Argument(readable=False, help="Score file with labels, from any system."),
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
    fmr: Annotated[
        float, typer.Option("--fmr", help="Overall false match rate of the shared threshold.")
    ] = 0.05,
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
    as_json: JsonFlag = False,
) -> None:
    """Who is it worse for, is that certain, and which cohort to work on first."""
    from spkid.audit_page import write_audit_page
    from spkid.audit_record import audit_record, headline_figures, write_record
    from spkid.conditions import read_condition

    conditions = [read_condition(text) for text in fail_if or ()]
    found = findings_of(
        scores[0], metadata, by, fmr=fmr, embeddings=embeddings, tree=tree, share=share
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_audit_page(found, out / "audit.html")
        write_record(found, out)
    except OSError as error:
        raise SpkidError(
            f"{out}: {error.strerror}", expected="a folder to write to", do="choose another --out"
        ) from error
    if as_json:
        print_json(audit_record(found))
    else:
        print_findings(found)
        say(f"Page: {out / 'audit.html'}; figures: audit.json and CSV beside it")
    figures = headline_figures(found)
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


def findings_of(
    scores: Path,
    metadata: Path,
    by: str,
    *,
    fmr: float,
    embeddings: Path | None,
    tree: str,
    share: float,
) -> Findings:
    """Read the files and audit them."""
    from spkid.audit import audit_scores
    from spkid.findings import find_cohorts
    from spkid.manifest import read_manifest
    from spkid.trials import EmbeddingTable, read_scores

    groupings = words_of(by)
    if not groupings:
        raise SpkidError(f"--by {by!r}", expected="column names", do="give e.g. gender,age_group")
    described = read_manifest(metadata, required=("speaker",))
    result = audit_scores(read_scores(scores), described, groupings, false_match_rate=fmr)
    return find_cohorts(
        result,
        described,
        title=f"Audit of {scores.name}",
        tree_columns=words_of(tree),
        embeddings=None if embeddings is None else EmbeddingTable.load(embeddings),
        share=share,
    )


def print_findings(found: Findings) -> None:
    """Rates by group and cohorts as tables, then the verdict."""
    from spkid.audit_page import shown_rates
    from spkid.audit_words import verdict

    audit = found.audit
    rates = shown_rates(audit)
    for section in audit.groupings:
        rows = [
            (
                row["group"],
                row["n_speakers"],
                row["n_target"],
                row["n_impostor"],
                *(percent(row[rate.name]) for rate in rates),
            )
            for row in section.groups.to_dict("records")
        ]
        header = ("group", "speakers", "own", "strangers", *(rate.words for rate in rates))
        title = f"By {section.name}, shared threshold {audit.threshold.value:.3f}"
        print_table(title, header, rows)
    read = [each for each in found.cohorts if each.read.difference == each.read.difference]
    rows = [
        (
            each.name,
            len(each.speakers),
            percent(each.read.error),
            percent(each.read.error_others),
            f"{100 * each.read.difference:+.1f}",
            f"{100 * each.read.low:+.1f} to {100 * each.read.high:+.1f}",
        )
        for each in read[:5]
    ]
    if rows:
        header = ("cohort", "speakers", "error", "others", "points", "95 % interval")
        print_table("Worst cohorts against all other speakers", header, rows)
    for line in (*verdict(found), *audit.notes):
        say(line)
