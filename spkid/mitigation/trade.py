"""What a mitigation costs and brings: everybody's error against the gap, on held-out speakers.

Every system has one shared threshold, set on the speakers for choosing at the same share of
strangers accepted. It is read on the other speakers, resampled with the same draws for every
system, so that what is hard about a speaker goes out of the change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.comparison import paired_change
from spkid.audit.grouping import speakers_of
from spkid.audit.statistics.contrast import deviations
from spkid.audit.statistics.differences import holm
from spkid.audit.statistics.intervals import t_quantile
from spkid.audit.statistics.rules import LEVEL, MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import speaker_errors
from spkid.encoder.vectors import Floats
from spkid.errors import BadTable
from spkid.scoring.metrics import threshold_at_false_match_rate

BEFORE = "before"
FIGURES = {
    "error": "mean error, everybody",
    "gap": "gap",
    "error_cohort": "mean error, cohort",
    "error_others": "mean error, all others",
    "false_match_rate": "strangers accepted (FMR)",
    "false_non_match_rate": "own rejected (FNMR)",
}
TESTED = ("error", "gap")


@dataclass(frozen=True)
class Trade:
    """``table`` has a row a system and figure, the system ``before`` first.

    Columns: ``system``, ``figure`` (of ``FIGURES``; an error is the mean of both rates, the gap
    is the cohort's less that of all others), ``value``, ``low``, ``high``, then the change from
    before: ``change``, ``change_low``, ``change_high``, ``p``, ``p_corrected`` (Holm, over all
    changes of ``TESTED``) and ``certain``. ``choosing`` has each system's ``error``,
    ``error_cohort`` and ``gap`` on the speakers for choosing; ``chosen`` is the best of those
    that may be chosen, or empty: the one with the lowest error of the cohort there, if it is
    lower than before and the overall error is no higher.
    """

    table: pd.DataFrame
    choosing: pd.DataFrame
    chosen: str
    thresholds: dict[str, float]
    false_match_rate: float
    n_choosing: int
    n_choosing_cohort: int
    n_read: int
    n_read_cohort: int
    n_resamples: int
    seed: int

    @property
    def systems(self) -> list[str]:
        """Their names, the one that is traded first."""
        return list(self.thresholds)

    def at(self, system: str, figure: str) -> pd.Series:
        """One row of ``table``."""
        rows = self.table[(self.table["system"] == system) & (self.table["figure"] == figure)]
        return rows.iloc[0]


def trade_off(
    trials: pd.DataFrame,
    scores: Mapping[str, Floats],
    *,
    cohort: Collection[str],
    choosing: Collection[str],
    may_be_chosen: Collection[str],
    false_match_rate: float,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Trade:
    """Compare systems with the first of ``scores`` on speakers who are not in ``choosing``.

    Parameters
    ----------
    trials : DataFrame
        ``enroll_speaker``, ``test_speaker``, ``label`` (bool).
    scores : mapping of str to float64 ``[trials]``
        Scores of the same trials by each system, ``before`` first.
    cohort, choosing : collection of str
        Speakers of the cohort; speakers on whom thresholds are set and a system is chosen.
    may_be_chosen : collection of str
        Systems that may be.
    false_match_rate : float
        The share of strangers, of the speakers for choosing, that each threshold accepts.

    Raises
    ------
    BadTable
        If fewer than ``MIN_SPEAKERS`` speakers of the cohort, or of all others, are held out,
        or a score is not finite.
    """
    for system, own in scores.items():
        if not np.isfinite(own).all():
            raise BadTable(
                f"scores of {system!r} that are NaN or infinite",
                expected="finite scores",
                do="check the system that made them",
            )
    speakers = speakers_of(trials)
    for_choosing, of_cohort = np.isin(speakers, list(choosing)), np.isin(speakers, list(cohort))
    n_read_cohort = int((of_cohort & ~for_choosing).sum())
    n_read = int((~for_choosing).sum())
    for n_speakers, words in (
        (n_read_cohort, "in the cohort"),
        (n_read - n_read_cohort, "outside the cohort"),
    ):
        if n_speakers < MIN_SPEAKERS:
            raise BadTable(
                f"{n_speakers} held-out speakers {words}",
                expected=f"{MIN_SPEAKERS} or more who were not used for choosing",
                do="audit more speakers, or with a larger share=",
                code="small_cohort",
            )
    sides = [np.isin(trials[f"{side}_speaker"], list(choosing)) for side in ("enroll", "test")]
    strangers = sides[0] & sides[1] & ~trials["label"].to_numpy(bool)
    thresholds, on_choosing, on_read = {}, [], {}
    for system, own in scores.items():
        table = trials.assign(score=own)
        thresholds[system] = threshold_at_false_match_rate(own[strangers], false_match_rate)
        options = {"seed": seed, "n_resamples": n_resamples}
        first = _figures(table, thresholds[system], speakers[for_choosing], cohort, **options)
        on_choosing.append(
            {
                "system": system,
                **{name: float(first[name][0]) for name in ("error", "error_cohort", "gap")},
            }
        )
        on_read[system] = _figures(
            table, thresholds[system], speakers[~for_choosing], cohort, **options
        )
    chosen = _best(pd.DataFrame(on_choosing).set_index("system"), may_be_chosen)
    sizes = {"error_cohort": n_read_cohort, "error_others": n_read - n_read_cohort}
    sizes["gap"] = min(sizes.values())
    rows = [
        _row(system, figure, on_read, sizes.get(figure, n_read))
        for system in scores
        for figure in FIGURES
    ]
    table = pd.DataFrame(rows)
    tested = table["figure"].isin(TESTED) & (table["system"] != BEFORE)
    table["p"] = table["p"].where(tested)
    table["p_corrected"] = holm(table["p"])
    table["certain"] = table["p_corrected"] < LEVEL
    return Trade(
        table=table,
        choosing=pd.DataFrame(on_choosing),
        chosen=chosen,
        thresholds=thresholds,
        false_match_rate=false_match_rate,
        n_choosing=int(for_choosing.sum()),
        n_choosing_cohort=int((of_cohort & for_choosing).sum()),
        n_read=n_read,
        n_read_cohort=n_read_cohort,
        n_resamples=n_resamples,
        seed=seed,
    )


def _figures(
    trials: pd.DataFrame,
    threshold: float,
    speakers: NDArray[np.object_],
    cohort: Collection[str],
    *,
    n_resamples: int,
    seed: int,
) -> dict[str, Floats]:
    """Each of ``FIGURES`` among ``speakers``, ``[1 + resamples]``."""
    errors = speaker_errors(trials, threshold, speakers, n_resamples=n_resamples, seed=seed)
    inside = np.isin(speakers, list(cohort))
    match, non_match = errors.rates([np.ones_like(inside), inside, ~inside])
    everybody, own, others = ((match + non_match) / 2).T
    return {
        "error": everybody,
        "gap": own - others,
        "error_cohort": own,
        "error_others": others,
        "false_match_rate": match[:, 0],
        "false_non_match_rate": non_match[:, 0],
    }


def _row(
    system: str, figure: str, found: Mapping[str, Mapping[str, Floats]], n_speakers: int
) -> dict[str, object]:
    before, own = found[BEFORE][figure], found[system][figure]
    change = paired_change("", "", figure, np.stack([before, own], axis=1), n_speakers)
    reach = t_quantile(n_speakers - 1) * float(deviations(own[1:, None])[0])
    least = -1.0 if figure == "gap" else 0.0
    return {
        "system": system,
        "figure": figure,
        "value": float(own[0]),
        "low": max(least, float(own[0]) - reach),
        "high": min(1.0, float(own[0]) + reach),
        "change": change["difference"],
        "change_low": change["low"],
        "change_high": change["high"],
        "p": change["p"],
    }


def _best(on_choosing: pd.DataFrame, may_be_chosen: Collection[str]) -> str:
    """The lowest error of the cohort that costs nothing overall; empty where nothing helps."""
    before = on_choosing.loc[BEFORE]
    able = on_choosing[on_choosing.index.isin(list(may_be_chosen))]
    able = able[
        (able["error_cohort"] < before["error_cohort"]) & (able["error"] <= before["error"])
    ]
    return str(able["error_cohort"].idxmin()) if len(able) else ""
