"""The honest cohort tree: regions of any metadata in which the errors differ, as rules.

After Trinh et al. (2022), who split longitude and latitude where the error differs most. Here
any column splits, and the tree is honest: grown on one half of the speakers, read on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.cohorts.metadata import as_numbers, by_speaker
from spkid.audit.cohorts.tree_conditions import Condition, region, tightest, with_categories
from spkid.audit.grouping import speakers_of
from spkid.audit.statistics.contrast import Contrast, contrast, deviations
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import SpeakerErrors, halves, speaker_errors
from spkid.errors import SpkidError

MAX_DEPTH = 3
MAX_CUTS = 16  # places tried on a scale of numbers, at its quantiles
MIN_IN_CATEGORY = 5  # growing speakers; a rarer category is one of the others
LEAST_DEVIATIONS = 2.0  # a smaller difference, in its own deviations, is no reason to split

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Leaf:
    """A region: all ``conditions`` hold. ``read`` are its figures on the other half."""

    conditions: tuple[Condition, ...]
    n_grown: int
    error_grown: float
    read: Contrast
    speakers: tuple[str, ...]

    @property
    def rule(self) -> str:
        """The conditions in words."""
        return " and ".join(map(str, self.conditions)) or "everybody"


@dataclass(frozen=True)
class CohortTree:
    """``leaves`` with the largest error on the read half first, unread ones last.

    ``categories`` has, for every column that is no scale of numbers, the values that were common
    enough on the growing half to split by; all others count as unknown.
    """

    columns: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    leaves: tuple[Leaf, ...]
    n_grown: int
    n_read: int
    seed: int


def grow_tree(
    trials: pd.DataFrame,
    threshold: float,
    metadata: pd.DataFrame,
    columns: list[str],
    *,
    n_resamples: int = 300,
    seed: int = 0,
) -> CohortTree:
    """Grow on one half of the speakers, read every leaf on the other.

    Parameters
    ----------
    trials : DataFrame
        ``enroll_speaker``, ``test_speaker``, ``score``, ``label``.
    threshold : float
        The shared threshold.
    metadata : DataFrame
        A row a speaker or a clip, with ``speaker`` and ``columns``.

    Raises
    ------
    SpkidError
        If a column is missing or there are fewer than four times ``MIN_SPEAKERS`` speakers.
    """
    tried = speakers_of(trials)
    if len(tried) < 4 * MIN_SPEAKERS:
        raise SpkidError(
            f"{len(tried)} speakers",
            expected=f"{4 * MIN_SPEAKERS} or more, half to grow the tree and half to measure it",
            do="give more speakers, or leave out tree=",
        )
    grown = halves(len(tried), seed=seed)
    table = by_speaker(metadata, columns, tried)
    categories = common_categories(table, grown)
    table = with_categories(table, categories)
    errors = [
        speaker_errors(trials, threshold, tried[half], n_resamples=n_resamples, seed=seed)
        for half in (grown, ~grown)
    ]
    has_unknown = {column for column in columns if (table[column] == "").any()}
    everybody = np.ones(grown.sum(), dtype=bool)
    regions = _split(table[grown], errors[0], everybody, (), has_unknown)
    leaves = []
    for steps, inside in regions:
        conditions = tightest(steps)
        everywhere = region(table, conditions)
        leaves.append(
            Leaf(
                conditions=conditions,
                n_grown=int(inside.sum()),
                error_grown=float(errors[0].errors(inside)[0, 0]),
                read=contrast(
                    errors[1],
                    everywhere[~grown],
                    min_speakers=MIN_SPEAKERS,
                    n_comparisons=len(regions),
                ),
                speakers=tuple(tried[everywhere]),
            )
        )
    leaves.sort(key=lambda leaf: np.nan_to_num(leaf.read.difference, nan=-np.inf), reverse=True)
    sizes = int(grown.sum()), int((~grown).sum())
    return CohortTree(tuple(columns), categories, tuple(leaves), *sizes, seed)


def common_categories(table: pd.DataFrame, grown: Mask) -> dict[str, tuple[str, ...]]:
    """Values of at least ``MIN_IN_CATEGORY`` growing speakers, by column without a scale."""
    found = {}
    for column in table.columns:
        if as_numbers(table[column]) is None:
            counts = table[column][grown & (table[column] != "")].value_counts()
            found[column] = tuple(sorted(counts.index[counts >= MIN_IN_CATEGORY]))
    return found


def _split(
    table: pd.DataFrame,
    errors: SpeakerErrors,
    inside: Mask,
    conditions: tuple[Condition, ...],
    has_unknown: set[str],
) -> list[tuple[tuple[Condition, ...], Mask]]:
    """Leaves under ``inside``: the conditions that lead to each, and its speakers."""
    deep = len(conditions) >= MAX_DEPTH
    pairs = [] if deep else _candidates(table, errors, inside, has_unknown)
    sides = [(pair[0].holds(table) & inside, pair[1].holds(table) & inside) for pair in pairs]
    large = [min(left.sum(), right.sum()) >= MIN_SPEAKERS for left, right in sides]
    pairs = [pair for pair, is_large in zip(pairs, large, strict=True) if is_large]
    sides = [side for side, is_large in zip(sides, large, strict=True) if is_large]
    if not pairs:
        return [(conditions, inside)]
    left, right = (errors.errors([side[which] for side in sides]) for which in (0, 1))
    difference = left - right
    deviation = deviations(difference[1:])
    clear = np.abs(np.divide(difference[0], deviation, out=0 * deviation, where=deviation > 0))
    clear = np.nan_to_num(clear)
    best = int(np.argmax(clear))
    if clear[best] < LEAST_DEVIATIONS:
        return [(conditions, inside)]
    return [
        leaf
        for condition, side in zip(pairs[best], sides[best], strict=True)
        for leaf in _split(table, errors, side, (*conditions, condition), has_unknown)
    ]


def _candidates(
    table: pd.DataFrame, errors: SpeakerErrors, inside: Mask, has_unknown: set[str]
) -> list[tuple[Condition, Condition]]:
    """Both sides of every split worth trying; unknown values go to the side that is larger."""
    pairs = []
    for column in table.columns:
        values = table[column][inside]
        known = values[values != ""]
        some_unknown = column in has_unknown
        numbers = as_numbers(values)
        if numbers is not None:
            cuts = np.unique(
                np.nanquantile(numbers, np.linspace(0, 1, MAX_CUTS + 2)[1:-1], method="lower")
            )
            for limit in cuts:
                low = bool((numbers <= limit).sum() >= (numbers > limit).sum())
                pairs.append(
                    (
                        Condition(column, float(limit), True, (), some_unknown and low),
                        Condition(column, float(limit), False, (), some_unknown and not low),
                    )
                )
            continue
        for chosen, others in _divisions(table[column], known, errors, inside):
            first = bool(known.isin(chosen).sum() >= known.isin(others).sum())
            pairs.append(
                (
                    Condition(column, None, False, chosen, some_unknown and first),
                    Condition(column, None, False, others, some_unknown and not first),
                )
            )
    return pairs


def _divisions(
    values: pd.Series, known: pd.Series, errors: SpeakerErrors, inside: Mask
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Categories ordered by error and cut at each place (Breiman et al., 1984)."""
    names = sorted(set(known))
    if len(names) < 2:
        return []
    own = errors.errors([(values == name).to_numpy() & inside for name in names])[0]
    order = [names[place] for place in np.argsort(np.nan_to_num(own, nan=np.nanmean(own)))]
    return [
        (tuple(sorted(order[cut:])), tuple(sorted(order[:cut]))) for cut in range(1, len(order))
    ]
