"""Error and gaps between groups of speakers, and their changes from one system to another.

Three figures a section: EER of all trials; the largest difference between the groups, of their own
EER (what papers report) and of their mean error at one threshold for all; and the standard
deviation over the groups. Changes are from the same resamples of speakers on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.resampled_rates import (
    Floats,
    trial_weights,
    weighted_equal_error_rates,
    weighted_share,
)
from spkid.audit import MIN_SPEAKERS, holm
from spkid.scoring.metrics import threshold_at_false_match_rate

FALSE_MATCH_RATE = 0.05  # of all strangers' trials, at the shared threshold
N_RESAMPLES = 300
LEVEL = 0.05  # of the corrected tests
FIGURES = ("equal_error_rate", "gap", "deviation", "gap_shared")
POWER = 0.8  # with which a change that is called detectable would have been found
# no language has ten test speakers: languages by family or region
REGIONS = {
    "Indo-European, Europe": "br cy en eo es fr fy-NL ga-IE lv pl pt rm-sursilv rm-vallader ro ru "
    "sv-SE",
    "South Asia": "as dv hi pa-IN",
    "East and South-East Asia": "cnh id ja mn th vi",
    "Africa and Near East": "ar fa kab lg mt rw",
    "Uralic, Turkic, Basque, Georgian": "cv eu fi hu ka ky sah",
}
REGION_OF = {code: name for name, codes in REGIONS.items() for code in codes.split()}


@dataclass(frozen=True)
class Section:
    """Trials whose speakers are compared by group.

    ``at`` are its rows of all trials, ``label`` theirs; ``rows`` are those within each group of
    ``MIN_SPEAKERS`` or more, by its name; ``weights`` ``[1 + resamples, trials]``.
    """

    at: NDArray[np.intp]
    label: NDArray[np.bool_]
    rows: dict[str, NDArray[np.intp]]
    n_speakers: dict[str, int]
    weights: NDArray[np.int64]


def section_of(trials: pd.DataFrame, at: NDArray[np.intp], group_of: Mapping[str, str]) -> Section:
    """The section of the rows ``at`` of ``trials``, by each speaker's group; empty is unknown.

    ``trials`` has ``enroll_speaker``, ``test_speaker`` and ``label``.
    """
    trials = trials.iloc[at]
    speakers = [trials[f"{side}_speaker"].to_numpy() for side in ("enroll", "test")]
    _, number = np.unique(np.concatenate(speakers), return_inverse=True)
    sides = number[: len(trials)], number[len(trials) :]
    groups = [np.array([group_of.get(name, "") for name in own]) for own in speakers]
    label, rows, n_speakers = trials["label"].to_numpy(bool), {}, {}
    for group in sorted(set(groups[0]) - {""}):
        inside = (groups[0] == group) & (groups[1] == group)
        count = len(np.unique(np.concatenate([side[inside] for side in sides])))
        if count >= MIN_SPEAKERS and label[inside].any() and not label[inside].all():
            rows[group], n_speakers[group] = np.flatnonzero(inside), count
    weights = trial_weights(*sides, n_resamples=N_RESAMPLES, seed=0)
    return Section(at, label, rows, n_speakers, weights)


def section_figures(section: Section, scores: Floats) -> dict[str, Floats]:
    """Each of ``FIGURES`` and each group's EER by its name, ``[1 + resamples]``."""
    label = section.label
    threshold = threshold_at_false_match_rate(scores[~label], FALSE_MATCH_RATE)
    own, shared = {}, []
    for group, rows in section.rows.items():
        score, kind, weights = scores[rows], label[rows], section.weights[:, rows]
        own[group] = weighted_equal_error_rates(score, kind, weights)
        rejected = weighted_share(score[kind] < threshold, weights[:, kind])
        accepted = weighted_share(score[~kind] >= threshold, weights[:, ~kind])
        shared.append((rejected + accepted) / 2)
    errors, mean_errors = np.stack(list(own.values())), np.stack(shared)  # [groups, 1 + resamples]
    return {
        "equal_error_rate": weighted_equal_error_rates(scores, label, section.weights),
        "gap": np.ptp(errors, axis=0),
        "deviation": errors.std(axis=0),
        "gap_shared": np.ptp(mean_errors, axis=0),
        **own,
    }


def change_of(own: Floats, base: Floats) -> dict[str, Any]:
    """The change from ``base`` to ``own``, both ``[1 + resamples]``, from resamples in pairs.

    ``low`` and ``high`` are its 95 % interval, ``p`` tests for none, and ``detectable`` is the
    change that would have been found four times in five.
    """
    change, normal = own - base, NormalDist()
    spread = float(np.nanstd(change[1:]))
    reach = normal.inv_cdf(1 - LEVEL / 2)
    p = math.erfc(abs(change[0]) / spread / math.sqrt(2)) if spread else float("nan")
    return {
        "change": float(change[0]),
        "low": float(change[0] - reach * spread),
        "high": float(change[0] + reach * spread),
        "p": p,
        "detectable": (reach + normal.inv_cdf(POWER)) * spread,
    }


def mark_certain(changes: Sequence[dict[str, Any]]) -> None:
    """Set ``certain`` of each change, its p-value corrected for the number of all of them."""
    for own, corrected in zip(changes, holm([each["p"] for each in changes]), strict=True):
        own["certain"] = bool(corrected < LEVEL)
