"""Trials that a study must not count: a clip against itself, twice, or labelled both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.errors import BadTable

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LeftOut:
    """What is not counted, and why.

    ``reason`` is for programs; ``grouping`` is empty where it holds for all of them.
    """

    reason: str
    n_trials: int
    n_speakers: int
    words: str
    grouping: str = ""


def sound_trials(
    table: pd.DataFrame, *, are_clips: bool | None = None
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """``table`` without the trials that say nothing, and how many those were.

    Trials with contradictory labels are left out; so are those of a clip with itself, and each
    trial counts once, where the names are those of clips and not of speakers, whose trials with
    themselves are of two clips and may be many.

    Parameters
    ----------
    table : DataFrame
        ``enroll``, ``test``, ``score``, ``label`` (bool).
    are_clips : bool, optional
        Whether the names are those of clips. By default they are where some same-speaker trial
        has two names and no name has two scores against itself.

    Raises
    ------
    BadTable
        If no same-speaker trial is left.
    """
    enroll, test, n_names = _codes(table)
    label = table["label"].to_numpy(bool)
    alone = enroll == test
    either_way = np.minimum(enroll, test) * n_names + np.maximum(enroll, test)
    contradictory = np.isin(either_way, np.intersect1d(either_way[label], either_way[~label]))
    if are_clips is None:
        are_clips = _look_like_clips(table["score"].to_numpy(), label, enroll, alone)
    out = [
        (contradictory, "contradictory_labels", "are labelled as one speaker and as two"),
    ]
    kept = ~contradictory
    if are_clips:
        if label.any() and not (label & ~alone).any():
            raise BadTable(
                f"{int(label.sum())} same-speaker trials, all of a clip with itself",
                expected="two clips of a speaker",
                do="give trials of different clips, or metadata by speaker if these are speakers",
            )
        repeated = pd.Series(enroll * n_names + test).duplicated().to_numpy()
        out.append((kept & alone, "self_trials", "hold a clip against itself"))
        kept &= ~alone
        out.append((kept & repeated, "repeated_trials", "repeat another one, which counts once"))
        kept &= ~repeated
    found = tuple(
        LeftOut(reason, int(mask.sum()), 0, f"{int(mask.sum()):,} trials are left out: they {why}.")
        for mask, reason, why in out
        if mask.any()
    )
    return (table if kept.all() else table[kept].reset_index(drop=True)), found


def _codes(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Both sides as numbers of one list of names, and how many names there are."""
    sides = [table[side].astype("category").cat for side in ("enroll", "test")]
    names = sides[0].categories.union(sides[1].categories)
    codes = [names.get_indexer(side.categories)[side.codes].astype(np.int64) for side in sides]
    return codes[0], codes[1], len(names)


def _look_like_clips(
    score: NDArray[np.float64], label: Mask, enroll: NDArray[np.int64], alone: Mask
) -> bool:
    own = pd.DataFrame({"name": enroll[alone], "score": score[alone]}).drop_duplicates()
    return bool((label & ~alone).any()) and not own["name"].duplicated().any()
