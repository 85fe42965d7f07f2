"""The audit in one call, from files or tables to a verdict, tables and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pandas as pd

from spkid.audit.cohorts.findings import Findings, find_cohorts, without_cohorts
from spkid.audit.comparison import Comparison, compare_audits, of_both
from spkid.audit.grouping import by_clip
from spkid.audit.homes import audit_decisions
from spkid.audit.inputs import (
    Table,
    described,
    groupings,
    name_of,
    need_same_names,
    said_of,
    scored,
)
from spkid.audit.origin import origin_of, renamed
from spkid.audit.report.comparison_page import (
    comparison_figures,
    comparison_files,
    comparison_left_out,
    comparison_record,
    comparison_verdict,
    said_of_systems,
)
from spkid.audit.report.page import audit_page
from spkid.audit.report.record import TABLES, audit_record, headline_figures, record_files
from spkid.audit.report.tables import TextTable, audit_tables, comparison_table
from spkid.audit.report.words import left_out_lines, verdict
from spkid.audit.result import Audit
from spkid.audit.study import Check, check_study
from spkid.audit.verification import audit_scores
from spkid.data.decision_log import read_decisions
from spkid.data.left_out import LeftOut, sound_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.printing import write_page

FILES = (  # of an audit, and of a comparison
    *("audit.html", "audit.pdf", "audit.json", *(f"{name}.csv" for name in TABLES)),
    *("compare.html", "compare.pdf", "compare.json", "compare.csv"),
)
Figures = dict[str, dict[str, float]]  # by grouping and name; what a condition may name


@dataclass(frozen=True)
class AuditResult:
    """What an audit found; ``findings`` holds every table, cohort and note behind it."""

    findings: Findings = field(repr=False)

    @property
    def verdict(self) -> str:
        """Three plain sentences, a line each."""
        return "\n".join(verdict(self.findings))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the input was read and what was left out."""
        return (*self.findings.audit.notes, *self.findings.notes)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Trials and speakers that are not counted, by reason."""
        return self.findings.audit.left_out

    @property
    def checks(self) -> tuple[Check, ...]:
        """What of the study bears on every figure: who dominates it, what gives it away."""
        return self.findings.checks

    @property
    def figures(self) -> Figures:
        """By grouping: GARBE, gaps and ratios, and the number of certain differences."""
        return headline_figures(self.findings)

    def counted(self) -> list[str]:
        """Sentences on what is not counted and on the study, to stand before all figures."""
        return [*left_out_lines(self.findings.audit), *(each.words for each in self.checks)]

    def groups(self, name: str) -> pd.DataFrame:
        """The table of one grouping, as :attr:`GroupAudit.groups` describes it.

        Raises
        ------
        SpkidError
            If ``name`` is not one of the groupings that the audit was made ``by``.
        """
        sections = {section.name: section for section in self.findings.audit.groupings}
        if name not in sections:
            raise SpkidError(
                f"no groups by {name!r}",
                expected=f"one of {', '.join(sections)}",
                do="name one of these, or audit by that column too",
            )
        return sections[name].groups.copy()

    def tables(self) -> list[TextTable]:
        """Rates by group and the worst cohorts, as the command line prints them."""
        return list(audit_tables(self.findings))

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``audit.json`` has it."""
        return audit_record(self.findings)

    def made_by(self, command: str) -> AuditResult:
        """The same with ``command`` as what made it, for its page and record."""
        return AuditResult(replace(self.findings, origin=renamed(self.findings.origin, command)))

    def save(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """Write ``audit.html``, ``audit.json`` and the tables as CSV; returns the page's path.

        With ``pdf`` an installed Chromium, Chrome or Edge prints ``audit.pdf`` too, with tags for
        screen readers.

        Raises
        ------
        SpkidError
            As :func:`spkid.printing.write_page`.
        """
        files = {"audit.html": audit_page(self.findings), **record_files(self.findings)}
        return write_page(files, folder, pdf=pdf)


@dataclass(frozen=True)
class ComparisonResult:
    """How a second system differs from a first; ``comparison`` holds the table behind it."""

    comparison: Comparison = field(repr=False)

    @property
    def verdict(self) -> str:
        """Three plain sentences, a line each."""
        return "\n".join(comparison_verdict(self.comparison))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the input was read."""
        return tuple(said_of_systems(self.comparison.notes))

    @property
    def left_out(self) -> tuple[tuple[str, LeftOut], ...]:
        """What is not counted, by system and reason; the system is empty where it is so of both."""
        return self.comparison.left_out

    @property
    def checks(self) -> tuple[tuple[str, Check], ...]:
        """What of the study bears on every figure, by system as in ``left_out``."""
        return self.comparison.checks

    def counted(self) -> list[str]:
        """Sentences on what is not counted and on the study, to stand before all figures."""
        return [*comparison_left_out(self.comparison), *said_of_systems(self.comparison.checks)]

    @property
    def figures(self) -> Figures:
        """By grouping: the second system's figures, and each change as ``change_<figure>``."""
        return comparison_figures(self.comparison)

    def tables(self) -> list[TextTable]:
        """Every figure with its change, as the command line prints it."""
        return [comparison_table(self.comparison)]

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``compare.json`` has it."""
        return comparison_record(self.comparison)

    def made_by(self, command: str) -> ComparisonResult:
        """The same with ``command`` as what made it, for its page and record."""
        origin = renamed(self.comparison.origin, command)
        return ComparisonResult(replace(self.comparison, origin=origin))

    def save(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """Write ``compare.html``, ``compare.json`` and ``compare.csv``; returns the page's path.

        With ``pdf`` also ``compare.pdf``, as :meth:`AuditResult.save`.
        """
        return write_page(comparison_files(self.comparison), folder, pdf=pdf)


class HomeOptions(TypedDict, total=False):
    """What :func:`spkid.audit.homes.audit_decisions` takes beside its tables."""

    alpha: float
    n_resamples: int
    seed: int


class Options(HomeOptions, total=False):
    """What :func:`spkid.audit.verification.audit_scores` takes beside its tables."""

    false_accept_rate: float
    cost_prior: float | None
    threshold: float | None
    side: str
    target_prior: float


def audit(
    scores: Table,
    metadata: Table,
    *,
    by: str | Sequence[str],
    trials: Table | None = None,
    columns: Mapping[str, str | int] | None = None,
    embeddings: str | Path | EmbeddingTable | None = None,
    tree: Sequence[str] = (),
    share: float = 0.1,
    **options: Unpack[Options],
) -> AuditResult:
    """Who is it worse for, is that certain, and which cohort to work on first.

    Parameters
    ----------
    scores : str, Path or DataFrame
        A score file in any of the usual layouts, or a table with ``enroll``, ``test``, ``score``
        and ``label`` (true where both are the same speaker). Of any system; higher scores mean
        more alike.
    metadata : str, Path or DataFrame
        A CSV file or table with a row a clip (``path``) or a speaker, with ``speaker`` and the
        columns to group by. An empty value is unknown.
    by : str or sequence of str
        The groupings: ``gender``, ``gender*age_group`` (both together), ``age:18/65`` (a number,
        cut) or ``age:q4`` (four parts with as many speakers each).
    trials : str, Path or DataFrame, optional
        A trial list with the labels, for a score file without.
    columns : mapping, optional
        Which column of the scores is what, where that cannot be told: ``{"score": "llr"}``, by
        name or, in a file without a header, by place from 1.
    embeddings : str, Path or EmbeddingTable, optional
        Vectors of the clips, in which cohorts without a label are looked for.
    tree : sequence of str
        Columns of the cohort tree; those of ``by`` where there are none.
    share : float
        Share of the speakers in the worst cohort that is looked for, above 0 and at most 0.5.
    **options
        The threshold and the rest, as :func:`spkid.audit.verification.audit_scores` takes them:
        ``false_accept_rate=0.05``, ``cost_prior=``, ``threshold=``, ``side="both"``,
        ``n_resamples=1000``, ``seed=0``.

    Raises
    ------
    SpkidError
        If a file or table cannot be used (``BadTable``) or a choice makes no sense.

    Examples
    --------
    Forty speakers in two regions, each compared once with everybody; in the south the system
    tells people apart less well.

    >>> import numpy as np, pandas as pd, spkid
    >>> rng = np.random.default_rng(0)
    >>> speakers = [f"s{number}" for number in range(40)]
    >>> people = pd.DataFrame({"speaker": speakers, "region": ["north", "south"] * 20})
    >>> rows = [
    ...     (one, other, rng.normal((4, 1)[at % 2] if one == other else 0), one == other)
    ...     for at, one in enumerate(speakers)
    ...     for other in speakers
    ... ]
    >>> scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    >>> result = spkid.audit(scores, people, by="region")
    >>> result.groups("region")[["group", "n_speakers", "false_non_match_rate"]].round(2)
       group  n_speakers  false_non_match_rate
    0  north          20                  0.00
    1  south          20                  0.55
    """
    sources = {"scores": scores, "metadata": metadata, "trials": trials, "embeddings": embeddings}
    people, spellings = described(metadata)
    own = _audited(scores, people, by, trials, columns, options)
    asked = [column for section in own.groupings for column in section.columns]
    own = replace(own, notes=(*own.notes, *said_of(spellings, [*asked, *tree])))
    if embeddings is not None and not isinstance(embeddings, EmbeddingTable):
        embeddings = EmbeddingTable.load(embeddings)
    found = find_cohorts(
        own,
        people,
        title=_title(scores),
        tree_columns=tree,
        embeddings=embeddings,
        share=share,
        seed=own.seed,
    )
    checks = check_study(own.trials, people, seed=own.seed)
    given = {"by": by, "columns": columns, "tree": tuple(tree), "share": share, **options}
    return AuditResult(replace(found, checks=checks, origin=origin_of("audit", sources, given)))


def compare(
    first: Table,
    second: Table,
    metadata: Table,
    *,
    by: str | Sequence[str],
    names: tuple[str, str] | None = None,
    trials: Table | None = None,
    columns: Mapping[str, str | int] | None = None,
    **options: Unpack[Options],
) -> ComparisonResult:
    """What changes from ``first`` to ``second``, scores of two systems paired by speaker.

    Parameters
    ----------
    first, second : str, Path or DataFrame
        Scores, as :func:`audit` takes them.
    names : tuple of str, optional
        What to call the two; the names of the files by default.
    metadata, by, trials, columns, **options
        As :func:`audit` takes them.

    Raises
    ------
    SpkidError
        As :func:`audit`, or if too few speakers are in both.
    """
    people, spellings = described(metadata)
    audits = [_audited(each, people, by, trials, columns, options) for each in (first, second)]
    if names is None:
        names = name_of(first) or "first", name_of(second) or "second"
        if names[0] == names[1]:  # files of the same name in two folders
            names = str(first), str(second)
    found = compare_audits(
        *audits, names=names, n_resamples=audits[0].n_resamples, seed=audits[0].seed
    )
    asked = [column for section in audits[0].groupings for column in section.columns]
    spelled = [("", line) for line in said_of(spellings, asked)]
    checks = [check_study(each.trials, people, seed=each.seed) for each in audits]
    sources = {"first": first, "second": second, "metadata": metadata, "trials": trials}
    origin = origin_of("audit.compare", sources, {"by": by, "columns": columns, **options})
    found = replace(found, notes=(*found.notes, *spelled), checks=of_both(names, *checks))
    return ComparisonResult(replace(found, origin=origin))


def decisions(
    log: str | Path,
    metadata: Table,
    *,
    by: str | Sequence[str],
    truth: Table | None = None,
    **options: Unpack[HomeOptions],
) -> AuditResult:
    """Who is it worse for at home, from the answers that a household was given.

    Parameters
    ----------
    log : str or Path
        A CSV with ``household``, ``speaker``, ``truth`` and ``answer``, or what
        ``spkid identify --json`` prints.
    metadata, by
        As :func:`audit` takes them.
    truth : str, Path or DataFrame, optional
        ``clip``, ``speaker`` and ``truth`` (the member that this is, empty for a guest), for a
        log that does not say who spoke.
    **options
        As :func:`spkid.audit.homes.audit_decisions` takes them: ``alpha=0.5``,
        ``n_resamples=1000``, ``seed=0``.

    Raises
    ------
    SpkidError
        As :func:`audit`, or without clips of members and of guests.
    """
    spoke = None if truth is None else described(truth, ("clip", "speaker", "truth"))[0]
    people, spellings = described(metadata)
    answers = read_decisions(log, truth=spoke)
    need_same_names([answers["speaker"]], people, "the log")
    own = audit_decisions(answers, people, groupings(by), **options)
    asked = [column for section in own.groupings for column in section.columns]
    own = replace(own, notes=(*own.notes, *said_of(spellings, asked)))
    checks = check_study(own.trials, people, seed=own.seed)
    sources = {"log": log, "metadata": metadata, "truth": truth}
    origin = origin_of("audit.decisions", sources, {"by": by, **options})
    found = without_cohorts(own, title=_title(log))
    return AuditResult(replace(found, checks=checks, origin=origin))


def _title(source: Table) -> str:
    name = name_of(source)
    return f"Audit of {name}" if name else "Audit"


def _audited(
    scores: Table,
    people: pd.DataFrame,
    by: str | Sequence[str],
    trials: Table | None,
    columns: Mapping[str, str | int] | None,
    options: Options,
) -> Audit:
    table, notes = scored(scores, trials, columns)
    need_same_names([table["enroll"], table["test"]], people, "the scores")
    table, left_out = sound_trials(table, are_clips=by_clip(table, people))
    return audit_scores(table, people, groupings(by), notes=notes, left_out=left_out, **options)
