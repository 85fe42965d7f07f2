"""Who is it worse for? Error rates by group from any system's scores.

A trial belongs to a group when *both* its sides do: same-speaker trials always, impostor
trials only within a group. Trials across groups count for the shared threshold and the
overall row. The shared threshold is what every user of one device gets; the group's own
equal error rate stands beside it, because it hides a shift of the group's scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spkid.bootstrap import (
    interval,
    speaker_draws,
    trial_weights,
    weighted_equal_error_rates,
    weighted_share,
)
from spkid.errors import SpkidError
from spkid.metrics import equal_error_rate, rates_at, threshold_at_false_match_rate

MIN_SPEAKERS = 10  # a smaller group gets its counts and no rates
RATES = ("false_match_rate", "false_non_match_rate", "equal_error_rate")


Rater = Callable[[pd.DataFrame], tuple[dict[str, float], dict[str, np.ndarray]]]


@dataclass(frozen=True)
class Gap:
    """The worst group against the best in one rate; ``low`` and ``high`` are the 95 % interval.

    ``certain`` says whether the interval leaves out zero.
    """

    rate: str
    worst: str
    best: str
    worst_value: float
    best_value: float
    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        return self.low > 0


@dataclass(frozen=True)
class ColumnAudit:
    """One metadata column: a table with a row a group, and the gap in each rate.

    The table's columns are ``group``, ``n_speakers``, ``n_target``, ``n_impostor``, then
    each of ``RATES`` with ``<rate>_low`` and ``<rate>_high``. ``n_unknown`` trials had no
    value on a side.
    """

    column: str
    table: pd.DataFrame
    gaps: tuple[Gap, ...]
    n_unknown: int
    n_across: int


@dataclass(frozen=True)
class Audit:
    """``trials`` has ``enroll_speaker``, ``test_speaker``, ``score``, ``label`` and, for each
    audited column ``c``, ``enroll:c`` and ``test:c``."""

    threshold: float
    target_false_match_rate: float
    overall: pd.Series
    columns: tuple[ColumnAudit, ...]
    trials: pd.DataFrame
    n_unmatched: int
    n_resamples: int
    seed: int


def attach_metadata(
    scores: pd.DataFrame, metadata: pd.DataFrame, columns: list[str]
) -> tuple[pd.DataFrame, int]:
    """Trials with the speaker and group of both sides, and the number of trials without.

    ``metadata`` has a row a clip (column ``path``) or a speaker, and a column ``speaker``.

    Raises
    ------
    SpkidError
        If a column is missing or holds one value only, a clip is described twice with
        different values, or no trial is described.
    """
    missing = [column for column in ("speaker", *columns) if column not in metadata.columns]
    if missing:
        raise SpkidError(
            f"metadata without the column {', '.join(missing)}",
            expected=f"the columns {', '.join(metadata.columns)} or others that exist",
            do="correct --by or the metadata",
        )
    key = "speaker"
    if "path" in metadata.columns and scores["enroll"].isin(metadata["path"]).any():
        key = "path"
    wanted = list(dict.fromkeys([key, "speaker", *columns]))
    described = metadata[wanted].fillna("").drop_duplicates()
    twice = described[key][described[key].duplicated()]
    if len(twice):
        raise SpkidError(
            f"{key} {twice.iloc[0]!r} with two different descriptions",
            expected=f"one description for each {key}",
            do="correct the metadata",
        )
    lookup = described.set_index(described[key])
    known = scores["enroll"].isin(lookup.index) & scores["test"].isin(lookup.index)
    trials = scores[known].reset_index(drop=True)
    if trials.empty:
        raise SpkidError(
            f"no trial whose two sides stand in the metadata (column {key!r})",
            expected="the names that the score file uses",
            do="give the manifest that the scores were made from",
        )
    for side in ("enroll", "test"):
        found = lookup.loc[trials[side]]
        trials[f"{side}_speaker"] = found["speaker"].to_numpy()
        for column in columns:
            trials[f"{side}:{column}"] = found[column].to_numpy()
    same = trials["enroll_speaker"] == trials["test_speaker"]
    wrong = trials[same != trials["label"]]
    if len(wrong):
        first = wrong.iloc[0]
        raise SpkidError(
            f"{len(wrong)} trials whose label contradicts the speakers in the metadata, first "
            f"{first['enroll']} against {first['test']}",
            expected="label 1 (target) exactly for trials of one speaker",
            do="check which way round the labels are",
        )
    return trials, int((~known).sum())


def audit_scores(
    scores: pd.DataFrame,
    metadata: pd.DataFrame,
    columns: list[str],
    *,
    false_match_rate: float = 0.05,
    n_resamples: int = 300,
    seed: int = 0,
) -> Audit:
    """Rates by group at one shared threshold, with 95 % intervals over resampled speakers.

    Parameters
    ----------
    scores : DataFrame
        ``enroll``, ``test``, ``score``, ``label`` (bool), as ``trials.read_scores`` gives.
    metadata : DataFrame
        As :func:`attach_metadata` takes it; an empty value is unknown.
    columns : list of str
        Metadata columns to audit by.
    false_match_rate : float
        The shared threshold accepts this share of all impostor trials.

    Raises
    ------
    SpkidError
        As :func:`attach_metadata`; also without target or impostor trials, with scores that
        are all equal, or with a column of one group only.
    """
    if not 0 < false_match_rate < 1:
        raise SpkidError(
            f"a false match rate of {false_match_rate:g}",
            expected="a share between 0 and 1",
            do="give for example 0.05",
        )
    trials, n_unmatched = attach_metadata(scores, metadata, columns)
    target = trials["score"][trials["label"]].to_numpy()
    impostor = trials["score"][~trials["label"]].to_numpy()
    if not len(target) or not len(impostor):
        raise SpkidError(
            f"{len(target)} same-speaker and {len(impostor)} different-speaker trials",
            expected="both kinds",
            do="give a score file with both",
        )
    if not np.isfinite(trials["score"]).all():
        raise SpkidError(
            "scores that are NaN or infinite", expected="finite scores", do="check the system"
        )
    if trials["score"].nunique() == 1:
        raise SpkidError(
            "scores that are all equal", expected="scores that differ", do="check the system"
        )
    threshold = threshold_at_false_match_rate(impostor, false_match_rate)
    names = pd.unique(trials[["enroll_speaker", "test_speaker"]].to_numpy().ravel())
    number = pd.Series(np.arange(len(names)), index=names)
    draws = speaker_draws(len(names), n_resamples, seed=seed)

    def rates(part: pd.DataFrame) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Each rate of the trials in ``part``, and its value in each resample."""
        label, score = part["label"].to_numpy(), part["score"].to_numpy()
        sides = [number[part[f"{side}_speaker"]].to_numpy() for side in ("enroll", "test")]
        weights = trial_weights(draws, *sides)
        match, non_match = rates_at(score[label], score[~label], threshold)
        both = label.any() and not label.all()
        own = equal_error_rate(score[label], score[~label]) if both else float("nan")
        resampled = (
            weighted_share(score[~label] >= threshold, weights[:, ~label]),
            weighted_share(score[label] < threshold, weights[:, label]),
            weighted_equal_error_rates(score, label, weights),
        )
        values = dict(zip(RATES, (match, non_match, own), strict=True))
        return values, dict(zip(RATES, resampled, strict=True))

    audits = tuple(_audit_column(trials, column, rates) for column in columns)
    overall = (*rates_at(target, impostor, threshold), equal_error_rate(target, impostor))
    return Audit(
        threshold=threshold,
        target_false_match_rate=false_match_rate,
        overall=pd.Series(overall, index=RATES),
        columns=audits,
        trials=trials,
        n_unmatched=n_unmatched,
        n_resamples=n_resamples,
        seed=seed,
    )


def _audit_column(trials: pd.DataFrame, column: str, rates: Rater) -> ColumnAudit:
    enroll, test = trials[f"enroll:{column}"], trials[f"test:{column}"]
    known = (enroll != "") & (test != "")
    within = known & (enroll == test)
    rows, resampled = [], {}
    for group, part in trials[within].groupby(f"enroll:{column}", sort=True):
        speakers = pd.unique(part[["enroll_speaker", "test_speaker"]].to_numpy().ravel())
        row: dict[str, object] = {
            "group": str(group),
            "n_speakers": len(speakers),
            "n_target": int(part["label"].sum()),
            "n_impostor": int((~part["label"]).sum()),
        }
        judged = len(speakers) >= MIN_SPEAKERS
        values, spread = rates(part) if judged else ({}, {})
        for rate in RATES:
            row[rate] = values.get(rate, float("nan"))
            limits = interval(spread[rate]) if judged else (float("nan"),) * 2
            row[f"{rate}_low"], row[f"{rate}_high"] = limits
        if judged:
            resampled[str(group)] = spread
        rows.append(row)
    if len(rows) < 2:
        raise SpkidError(
            f"column {column!r} with {len(rows)} group(s) among the trials",
            expected="two groups or more",
            do="audit by another column",
        )
    table = pd.DataFrame(rows)
    gaps = (_gap(table, rate, resampled) for rate in RATES)
    return ColumnAudit(
        column=column,
        table=table,
        gaps=tuple(gap for gap in gaps if gap is not None),
        n_unknown=int((~known).sum()),
        n_across=int((known & ~within).sum()),
    )


def _gap(table: pd.DataFrame, rate: str, resampled: dict) -> Gap | None:
    """Worst against best among the groups that have the rate; None for fewer than two."""
    judged = table.dropna(subset=[rate])
    if len(judged) < 2:
        return None
    values = judged.set_index("group")[rate]
    worst, best = str(values.idxmax()), str(values[::-1].idxmin())  # two groups also where equal
    low, high = interval(resampled[worst][rate] - resampled[best][rate])
    return Gap(
        rate=rate,
        worst=worst,
        best=best,
        worst_value=float(values[worst]),
        best_value=float(values[best]),
        difference=float(values[worst] - values[best]),
        low=low,
        high=high,
    )


RATE_WORDS = {
    "false_match_rate": "strangers' clips are accepted",
    "false_non_match_rate": "own clips are rejected",
    "equal_error_rate": "errors occur at the group's own threshold (EER)",
}


def sentence(gap: Gap, column: str) -> str:
    """One gap in plain words."""
    head = (
        f"By {column}, {100 * gap.worst_value:.1f} % of {RATE_WORDS[gap.rate]} for {gap.worst!r} "
        f"against {100 * gap.best_value:.1f} % for {gap.best!r}"
    )
    if gap.rate == "equal_error_rate":
        head = (
            f"By {column}, the group's own equal error rate is {100 * gap.worst_value:.1f} % for "
            f"{gap.worst!r} against {100 * gap.best_value:.1f} % for {gap.best!r}"
        )
    limits = f"95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    verdict = "" if gap.certain else ": these data do not show that the difference is real"
    return f"{head} ({100 * gap.difference:+.1f} points, {limits}){verdict}."
