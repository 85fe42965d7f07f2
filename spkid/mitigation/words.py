"""The trade in sentences: the cohort, what is chosen, what is certain, and how it was measured."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from spkid.mitigation.groupwise import CALIBRATION, CAVEAT, TRAINED
from spkid.mitigation.trade import BEFORE, FIGURES, Trade
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.pages import percent

WORDS = {
    BEFORE: "before",
    "reweighting": "re-weighting (ARW)",
    "oversampling": "oversampling",
    "ewc": "fine-tuning (EWC)",
    CALIBRATION: "calibration by group",
}


@dataclass(frozen=True)
class Mitigation:
    """A trade with what it was measured on.

    ``speakers`` has a row a speaker: ``speaker``, ``used_for`` (``choosing`` or ``reading``)
    and ``cohort``; ``notes`` are sentences that a reader must see.
    """

    title: str
    cohort: WorstCohort
    trade: Trade
    speakers: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def caveat(self) -> str:
        """Of calibration by group, where it was tried; else empty."""
        return CAVEAT if CALIBRATION in self.trade.systems else ""


def signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def shown_change(row: pd.Series) -> str:
    """``-2.1 (-3.0 to -1.2)``, in points."""
    return f"{signed(row.change)} ({signed(row.change_low)} to {signed(row.change_high)})"


def mitigation_verdict(found: Mitigation) -> list[str]:
    """Three sentences: the cohort, what is chosen and what it brings, and what is certain."""
    trade = found.trade
    gap, error = (trade.at(BEFORE, figure) for figure in ("gap", "error"))
    lines = [
        f"The cohort: {found.cohort.name}. Before, on {trade.n_read} speakers who are left aside "
        f"({trade.n_read_cohort} of the cohort), its error is {signed(gap.value)} points above "
        f"that of all others (95 % interval {signed(gap.low)} to {signed(gap.high)}), and the "
        f"overall error is {percent(error.value)}."
    ]
    if trade.chosen:
        gap, error = (trade.at(trade.chosen, figure) for figure in ("gap", "error"))
        lines.append(
            f"Chosen on {trade.n_choosing} other speakers: {WORDS[trade.chosen]}. On those left "
            f"aside it changes the gap by {shown_change(gap)} points and the overall error by "
            f"{shown_change(error)}."
        )
    elif set(trade.systems) & set(TRAINED):
        lines.append(
            f"Nothing is chosen: on the {trade.n_choosing} speakers for choosing, no trained "
            "method lowers the error of the cohort without raising the overall error."
        )
    else:
        lines.append("Nothing is chosen: no training was tried.")
    rows = trade.table[trade.table["certain"].astype(bool)]
    parts = {
        word: ", ".join(
            f"{WORDS[row.system]} ({FIGURES[row.figure]} {signed(row.change)})"
            for row in part.itertuples()
        )
        for word, part in (("better", rows[rows.change < 0]), ("worse", rows[rows.change > 0]))
    }
    lines.append(" ".join(f"Certainly {word}: {said or 'none'}." for word, said in parts.items()))
    return lines


def mitigation_method(found: Mitigation) -> list[str]:
    """How it was measured, and on whom."""
    trade = found.trade
    return [
        f"Speakers: {trade.n_choosing} for choosing ({trade.n_choosing_cohort} of the cohort) and "
        f"{trade.n_read} for reading ({trade.n_read_cohort}); none is in both, and the trial of "
        "one with the other counts for neither. They are listed in speakers.csv. Thresholds, "
        "calibrations and the choice come from the former, every figure of the trade from the "
        "latter; nobody of either was trained on here, and an encoder that is given should not "
        "have been trained on them.",
        "Every system has one shared threshold, the one that accepts "
        f"{percent(trade.false_match_rate)} of the strangers among the speakers for choosing. An "
        "error is the mean of both error rates; a trial of two speakers counts for each of the "
        "two. The gap is the error of the cohort less that of all others.",
        f"Intervals are 95 %, from {trade.n_resamples} resamplings of speakers (seed {trade.seed}) "
        "that are the same for every system, so that changes are paired; a change is certain "
        "where it is so for the number of questions asked (Holm). The threshold is held fast.",
    ]
