"""The audit in one call, from files or tables to a verdict, tables and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import pandas as pd

from spkid.audit.cohorts.findings import find_cohorts, without_cohorts
from spkid.audit.comparison import compare_audits, of_both
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
from spkid.audit.origin import origin_of
from spkid.audit.outcome import AuditResult, ComparisonResult
from spkid.audit.result import Audit
from spkid.audit.study import check_study
from spkid.audit.verification import audit_scores
from spkid.data.decision_log import read_decisions
from spkid.data.left_out import sound_trials
from spkid.encoder.vectors import EmbeddingTable


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
    log: Table,
    metadata: Table,
    *,
    by: str | Sequence[str],
    truth: Table | None = None,
    homes: Table | None = None,
    notes: Sequence[str] = (),
    **options: Unpack[HomeOptions],
) -> AuditResult:
    """Who is it worse for at home, from the answers that a household was given.

    Parameters
    ----------
    log : str, Path or DataFrame
        A CSV or table with ``household``, ``speaker``, ``truth`` and ``answer``, or what
        ``spkid identify --json`` prints. That of a store: :func:`enrollment.audit_input`.
    metadata, by
        As :func:`audit` takes them.
    truth : str, Path or DataFrame, optional
        ``clip``, ``speaker`` and ``truth`` (the member that this is, empty for a guest), for a
        log that does not say who spoke.
    homes : str, Path or DataFrame, optional
        A row a ``household`` and columns to group by, for what is so of whole homes: how many
        live there, which device listens.
    notes : sequence of str
        Sentences to keep with the result.
    **options
        As :func:`spkid.audit.homes.audit_decisions` takes them: ``alpha=0.5``,
        ``n_resamples=1000``, ``seed=0``.

    Raises
    ------
    SpkidError
        As :func:`audit`, or without clips of members.
    """
    spoke = None if truth is None else described(truth, ("clip", "speaker", "truth"))[0]
    people, spellings = described(metadata)
    answers = read_decisions(log, truth=spoke)
    need_same_names([answers["speaker"]], people, "the log")
    kinds = None if homes is None else described(homes, ("household",))[0]
    own = audit_decisions(answers, people, groupings(by), homes=kinds, notes=notes, **options)
    asked = [column for section in own.groupings for column in section.columns]
    own = replace(own, notes=(*own.notes, *said_of(spellings, asked)))
    checks = check_study(own.trials, people, seed=own.seed)
    sources = {"log": log, "metadata": metadata, "truth": truth, "homes": homes}
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
