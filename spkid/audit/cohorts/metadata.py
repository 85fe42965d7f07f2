"""What is known of each speaker: one value a column, and who is over-represented in a set."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spkid.audit.inputs import need_columns

MIN_NUMBERS = 6  # distinct values that make a column of numbers a scale; fewer are categories
N_BINS = 4


def by_speaker(metadata: pd.DataFrame, columns: list[str], speakers: ArrayLike) -> pd.DataFrame:
    """One row a speaker of ``speakers``, in that order; unknown is the empty string.

    ``metadata`` has a row a clip or a speaker. Where a speaker's clips differ in a column of
    numbers their mean is taken; in any other column the value is unknown.

    Raises
    ------
    SpkidError
        If a column is missing.
    """
    need_columns(metadata, ("speaker", *columns), "metadata")
    table = {}
    for column in columns:
        known = metadata[metadata[column].fillna("") != ""]
        numbers = as_numbers(known[column])
        if numbers is not None:
            table[column] = numbers.groupby(known["speaker"]).mean().map("{:g}".format)
        else:
            values = known.groupby("speaker")[column].agg(["nunique", "first"])
            table[column] = values["first"].where(values["nunique"] == 1)
    index = pd.Index(np.asarray(speakers, dtype=object))
    return pd.DataFrame(table, index=index).reindex(index).fillna("")


def as_numbers(values: pd.Series) -> pd.Series | None:
    """The values as float64, unknown ones NaN; None where the column is no scale of numbers."""
    known = values[values != ""]
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.isna().any() or not np.isfinite(numbers).all() or numbers.nunique() < MIN_NUMBERS:
        return None
    return numbers.astype(np.float64).reindex(values.index)


def in_words(values: pd.Series) -> pd.Series:
    """Categories as they are; a scale of numbers cut at its quartiles, such as ``12 to 18``."""
    numbers = as_numbers(values)
    if numbers is None:
        return values.astype(str)
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, N_BINS + 1)))
    cut = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    words = np.array([*names, ""])[np.where(numbers.isna(), len(names), cut)]
    return pd.Series(words, index=values.index)


def over_representation(
    table: pd.DataFrame, inside: NDArray[np.bool_], *, min_speakers: int = 3
) -> pd.DataFrame:
    """How much more frequent each value is among ``inside`` than among the other speakers.

    Parameters
    ----------
    table : DataFrame
        As :func:`by_speaker` gives it; speakers with an unknown value are left out of a column.
    inside : bool ``[speakers]``
    min_speakers : int
        Values of fewer speakers are left out.

    Returns
    -------
    DataFrame
        ``column``, ``value``, ``n_inside``, ``share_inside``, ``share_others``, ``ratio``,
        ``low``, ``high``, the clearest first. The intervals hold together in 95 %
        (Bonferroni over all rows).

    Notes
    -----
    Ratio of two shares with the interval of Katz et al. (1978) on the logarithm, half a
    speaker added to each count.
    """
    from scipy import stats

    rows = []
    for column in table.columns:
        words = in_words(table[column])
        known = (words != "").to_numpy()
        for value in sorted(set(words[known])):
            has = (words == value).to_numpy()
            if has.sum() >= min_speakers and (known & inside).any() and (known & ~inside).any():
                counts = [has & inside, known & inside, has & ~inside, known & ~inside]
                rows.append((column, value, *(int(part.sum()) for part in counts)))
    described = []
    reach = stats.norm.ppf(1 - 0.025 / max(1, len(rows)))
    for column, value, n_inside, of_inside, n_others, of_others in rows:
        ratio = (n_inside + 0.5) / (of_inside + 0.5) / ((n_others + 0.5) / (of_others + 0.5))
        spread = reach * math.sqrt(
            max(0.0, 1 / (n_inside + 0.5) - 1 / (of_inside + 0.5))
            + max(0.0, 1 / (n_others + 0.5) - 1 / (of_others + 0.5))
        )
        shares = n_inside / of_inside, n_others / of_others
        limits = ratio * math.exp(-spread), ratio * math.exp(spread)
        described.append((column, value, n_inside, *shares, ratio, *limits))
    columns = ["column", "value", "n_inside", "share_inside", "share_others"]
    table = pd.DataFrame(described, columns=[*columns, "ratio", "low", "high"])
    return table.sort_values("low", ascending=False, ignore_index=True)
