"""The audit on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spkid.cli.output import JsonFlag, percent, print_json, print_table, say
from spkid.errors import SpkidError

if TYPE_CHECKING:
    import pandas as pd

    from spkid.audit.cohorts.findings import Findings
    from spkid.audit.result import Audit

Figures = dict[str, dict[str, float]]  # by grouping and name; what a condition may ask for


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
    decisions: Annotated[
        bool, typer.Option("--decisions", help="The file is a log of decisions in households.")
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(readable=False, help="CSV clip,speaker,truth, if the log does not say."),
    ] = None,
    fmr: Annotated[
        float, typer.Option("--fmr", help="Overall false match rate of the shared threshold.")
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
    as_json: JsonFlag = False,
) -> None:
    """Who is it worse for, is that certain, and which cohort to work on first."""
    from spkid.audit.conditions import read_condition
    from spkid.data.manifest import read_manifest
    from spkid.data.score_files import read_trials

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
    described = read_manifest(metadata, required=("speaker",))
    if decisions and (compare or embeddings or tree):
        raise SpkidError(
            "--decisions with --compare, --embeddings or --tree",
            expected="scores for those",
            do="leave them out, or give a score file",
        )
    if (truth and not decisions) or (trials and decisions):
        raise SpkidError(
            "--trials with a log, or --truth with scores",
            expected="--trials for scores, --truth with --decisions",
            do="leave it out",
        )
    labels = None if trials is None else read_trials(trials)
    who_spoke = (
        None if truth is None else read_manifest(truth, required=("clip", "speaker", "truth"))
    )
    choice = {"false_match_rate": fmr, "cost_prior": cost, "threshold": threshold, "side": side}
    audits = []
    for path in scores:
        if decisions:
            audits.append(audit_log(path, described, groupings, truth=who_spoke))
        else:
            audits.append(audit_file(path, described, groupings, labels=labels, **choice))
    if decisions:
        from spkid.audit.cohorts.findings import without_cohorts

        found = without_cohorts(audits[0], title=f"Audit of {scores[0].name}")
        figures = report_findings(found, out, as_json=as_json)
    elif compare:
        figures = report_comparison(audits, scores, out, as_json=as_json)
    else:
        from spkid.audit.cohorts.findings import find_cohorts
        from spkid.encoder.vectors import EmbeddingTable

        found = find_cohorts(
            audits[0],
            described,
            title=f"Audit of {scores[0].name}",
            tree_columns=words_of(tree),
            embeddings=None if embeddings is None else EmbeddingTable.load(embeddings),
            share=share,
        )
        figures = report_findings(found, out, as_json=as_json)
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


def audit_log(
    log: Path, metadata: pd.DataFrame, groupings: list[str], *, truth: pd.DataFrame | None
) -> Audit:
    """The audit of one log of household decisions."""
    from spkid.audit.homes import audit_decisions
    from spkid.data.decision_log import read_decisions

    return audit_decisions(read_decisions(log, truth=truth), metadata, groupings)


def audit_file(
    scores: Path,
    metadata: pd.DataFrame,
    groupings: list[str],
    *,
    labels: pd.DataFrame | None,
    **choice: Any,
) -> Audit:
    """The audit of one score file; ``choice`` is how the threshold and the side are chosen."""
    from spkid.audit.verification import audit_scores
    from spkid.data.score_files import read_score_file

    read = read_score_file(scores, trials=labels)
    return audit_scores(read.table, metadata, groupings, notes=read.notes, **choice)


@contextmanager
def folder_for(out: Path) -> Iterator[None]:
    """Make ``out``; what cannot be written there is one sentence."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise SpkidError(
            f"{out}: {error.strerror}", expected="a folder to write to", do="choose another --out"
        ) from error


def report_findings(found: Findings, out: Path, *, as_json: bool) -> Figures:
    """Write and print an audit; its figures for conditions."""
    from spkid.audit.report.page import write_audit_page
    from spkid.audit.report.record import audit_record, headline_figures, write_record

    with folder_for(out):
        write_audit_page(found, out / "audit.html")
        write_record(found, out)
    if as_json:
        print_json(audit_record(found))
    else:
        print_findings(found)
        say(f"Page: {out / 'audit.html'}; the figures as JSON and CSV beside it")
    return headline_figures(found)


def report_comparison(
    audits: list[Audit], scores: list[Path], out: Path, *, as_json: bool
) -> Figures:
    """Write and print a comparison; its figures for conditions."""
    from spkid.audit.comparison import compare_audits
    from spkid.audit.report.comparison_page import (
        FIGURE_WORDS,
        comparison_figures,
        comparison_record,
        comparison_verdict,
        shown,
        shown_change,
        write_comparison,
    )

    first, second = (path.name for path in scores)
    if first == second:
        first, second = map(str, scores)
    result = compare_audits(*audits, names=(first, second))
    with folder_for(out):
        write_comparison(result, out)
    if as_json:
        print_json(comparison_record(result))
        return comparison_figures(result)
    rows = []
    for row in result.table.itertuples():
        change, low, high = shown_change(row.figure, row.difference, row.low, row.high)
        rows.append(
            (
                f"{row.grouping} {row.group}".strip() or "overall",
                FIGURE_WORDS[row.figure],
                shown(row.figure, row.first),
                shown(row.figure, row.second),
                change,
                f"{low} to {high}",
                "yes" if row.certain else "no",
            )
        )
    header = ("group", "figure", first, second, "change", "95 % interval", "certain")
    print_table(f"{first} and {second}, paired by speaker", header, rows)
    for line in (*comparison_verdict(result), *result.notes):
        say(line)
    say(f"Page: {out / 'compare.html'}")
    return comparison_figures(result)


def print_findings(found: Findings) -> None:
    """Rates by group and cohorts as tables, then the verdict."""
    from spkid.audit.report.page import shown_rates
    from spkid.audit.report.words import verdict

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
        title, kinds = f"By {section.name}", ("members", "guests")
        if audit.threshold is not None:
            title += f", shared threshold {audit.threshold.value:.3f}"
            kinds = ("own", "strangers")
        header = ("group", "speakers", *kinds, *(rate.words for rate in rates))
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
