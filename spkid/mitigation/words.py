"""The trade in sentences: the cohort, what is chosen, what is certain, and how it was measured."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from spkid.audit.origin import Origin
from spkid.audit.report.words import MEAN_ERROR
from spkid.mitigation.groupwise import CALIBRATION, CAVEAT, TRAINED
from spkid.mitigation.membership import MEMBERSHIP
from spkid.mitigation.trade import BEFORE, FIGURES, Trade
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.pages import percent, points, signed

WORDS = {
    BEFORE: "before",
    "reweighting": "re-weighting (ARW)",
    "oversampling": "oversampling",
    "ewc": "fine-tuning (EWC)",
    CALIBRATION: "calibration by group",
    MEMBERSHIP: "calibration by membership",
}


@dataclass(frozen=True)
class Mitigation:
    """A trade with what it was measured on.

    ``speakers`` has a row a speaker: ``speaker``, ``used_for`` (``choosing`` or ``reading``)
    and ``cohort``; ``notes`` are sentences that a reader must see;
    ``origin`` is what it was made from, and how.
    """

    title: str
    cohort: WorstCohort
    trade: Trade
    speakers: pd.DataFrame
    notes: tuple[str, ...]
    origin: Origin | None = None

    @property
    def caveat(self) -> str:
        """Of calibration by group, where it was tried; else empty."""
        return CAVEAT if CALIBRATION in self.trade.systems else ""


def shown_change(row: pd.Series) -> str:
    """``-2.1 (-3.0 to -1.2)``, in points."""
    return f"{signed(row.change)} ({signed(row.change_low)} to {signed(row.change_high)})"


def mitigation_verdict(found: Mitigation) -> list[str]:
    """Three sentences: the cohort, what is chosen and what it brings, and what is certain."""
    trade = found.trade
    gap, error = (trade.at(BEFORE, figure) for figure in ("gap", "error"))
    lines = [
        f"The cohort is {found.cohort.name}. Before, the gap between its mean error and that of "
        f"all others is {signed(gap.value)} points ({points(gap.low, gap.high)}) and the mean "
        f"error of everybody is {percent(error.value)}, on {trade.n_read} held-out speakers "
        f"({trade.n_read_cohort} of them in the cohort)."
    ]
    if trade.chosen:
        gap, error = (trade.at(trade.chosen, figure) for figure in ("gap", "error"))
        lines.append(
            f"Chosen on {trade.n_choosing} other speakers: {WORDS[trade.chosen]}. On the held-out "
            f"speakers it changes the gap by {shown_change(gap)} points and everybody's mean error "
            f"by {shown_change(error)}."
        )
    elif set(trade.systems) & set(TRAINED):
        lines.append(
            f"No method is chosen: on the {trade.n_choosing} speakers for choosing, none of the "
            "trained ones lowers the error of the cohort without raising that of everybody."
        )
    else:
        lines.append("No method is chosen: none that trains an encoder was tried.")
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
        f"Speakers: {trade.n_choosing} for choosing ({trade.n_choosing_cohort} in the cohort) and "
        f"{trade.n_read} held out ({trade.n_read_cohort} in the cohort); nobody is in both, and "
        "trials between the two are not counted. They are listed in speakers.csv. Thresholds, "
        "calibrations and the choice of a method come from the former, every figure shown from "
        "the latter. Nobody of either was trained on here, and an encoder you give should not "
        "have been trained on them.",
        "Every system has one shared threshold, which accepts "
        f"{percent(trade.false_match_rate)} of the strangers among the speakers for choosing. The "
        f"mean error of a set of speakers is {MEAN_ERROR}; a trial of two of them counts for each. "
        "The gap is the cohort's mean error less that of all others.",
        f"Intervals are 95 %, from {trade.n_resamples} resamplings of speakers (seed "
        f"{trade.seed}), the same for every system, so that changes are paired. P-values are "
        "corrected for the number of changes tested (Holm). The threshold is not resampled.",
    ]
