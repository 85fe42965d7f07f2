"""Which group a trial belongs to: metadata columns, their intersections, numbers in bins.

A grouping is written ``gender``, ``gender*age_group`` (both together), ``age:18/65`` (a number
cut at 18 and 65) or ``age:q4`` (a number in four parts with as many speakers each). Which side
of a trial decides is one of :data:`SIDES`: ``both`` counts a trial where both sides belong to
the group, ``enroll`` and ``test`` where that side does.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.inputs import need_columns, need_one_description
from spkid.errors import BadTable, SpkidError

SIDES = ("both", "enroll", "test")
HOW = "'gender', 'gender*age_group', 'age:18/65' or 'age:q4'"


@dataclass(frozen=True)
class Part:
    """One column of a grouping; ``edges`` or ``n_parts`` cut a number into bins."""

    column: str
    edges: tuple[float, ...] = ()
    n_parts: int = 0


@dataclass(frozen=True)
class Grouping:
    """``name`` is how it was written; the groups are the combinations of ``parts``."""

    name: str
    parts: tuple[Part, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns that it takes."""
        return tuple(part.column for part in self.parts)


def parse_grouping(text: str) -> Grouping:
    """``gender*age:18/65`` as a :class:`Grouping`.

    Raises
    ------
    BadTable
        If it is not written as the module says.
    """
    parts = []
    for word in text.split("*"):
        column, _, cuts = word.strip().partition(":")
        try:
            if not column:
                raise ValueError(word)
            if cuts.startswith("q"):
                part = Part(column, n_parts=int(cuts[1:]))
            else:
                part = Part(column, edges=tuple(float(edge) for edge in cuts.split("/") if cuts))
            if part.n_parts == 1 or part.n_parts < 0 or list(part.edges) != sorted(set(part.edges)):
                raise ValueError(word)
        except ValueError:
            raise SpkidError(f"the group {text!r}", expected=HOW, do="correct by=") from None
        parts.append(part)
    return Grouping(text.strip(), tuple(parts))


def _number(value: float) -> str:
    return f"{value:g}"


def _binned(values: pd.Series, part: Part, speakers: pd.Series) -> pd.Series:
    """``values`` in words: the bin of each number, empty where there is none."""
    numbers = pd.to_numeric(values.replace("", np.nan), errors="coerce")
    wrong = numbers.isna() & (values != "")
    if wrong.any():
        raise BadTable(
            f"{values[wrong].iloc[0]!r} in the column {part.column!r}",
            expected="numbers, or an empty value where unknown",
            do=f"audit by {part.column!r} as it is, or correct the metadata",
        )
    edges = np.array(part.edges)
    if part.n_parts:
        # every speaker counts once, however many clips there are
        once = numbers.groupby(speakers).mean().dropna()
        shares = np.arange(1, part.n_parts) / part.n_parts
        edges = np.unique(once.quantile(shares).to_numpy()) if len(once) else edges
    if not len(edges):
        return numbers.map(_number, na_action="ignore").astype(object).fillna("")
    names = [f"{part.column} under {_number(edges[0])}"]
    pairs = itertools.pairwise(edges)
    names += [f"{part.column} {_number(low)} to {_number(high)}" for low, high in pairs]
    names += [f"{part.column} from {_number(edges[-1])}"]
    found = np.array(names, dtype=object)[np.searchsorted(edges, numbers, side="right")]
    return pd.Series(np.where(numbers.isna(), "", found), index=values.index)


def group_names(metadata: pd.DataFrame, grouping: Grouping) -> pd.Series:
    """The group of each row of ``metadata`` (with ``speaker``); empty where it is not known.

    The groups of an intersection are named ``female, child``.
    """
    columns = []
    for part in grouping.parts:
        values = metadata[part.column].astype(object).where(metadata[part.column].notna(), "")
        cut = part.edges or part.n_parts
        column = _binned(values, part, metadata["speaker"]) if cut else values.astype(str)
        columns.append(column)
    names = columns[0]
    for column in columns[1:]:
        known = (names != "") & (column != "")
        names = (names + ", " + column).where(known, "")
    return names


def by_clip(scores: pd.DataFrame, metadata: pd.DataFrame) -> bool:
    """Whether the names of ``scores`` are clips of the metadata, not speakers."""
    if "path" not in metadata.columns:
        return False
    used = scores["enroll"].astype("category").cat.categories
    return bool(used.isin(metadata["path"]).any())


def attach_groups(
    scores: pd.DataFrame, metadata: pd.DataFrame, groupings: tuple[Grouping, ...]
) -> tuple[pd.DataFrame, int, tuple[str, ...]]:
    """Trials with speaker and group of both sides, the number of trials without, and who they are.

    Parameters
    ----------
    scores : DataFrame
        ``enroll``, ``test``, ``score``, ``label`` (bool); names as text or categories.
    metadata : DataFrame
        A row a clip (column ``path``) or a speaker, and a column ``speaker``.
    groupings : tuple of Grouping

    Returns
    -------
    trials : DataFrame
        ``scores`` with ``enroll_speaker`` and ``test_speaker`` (categories in common) and, for
        each grouping ``g``, ``enroll:g`` and ``test:g`` (categories, missing where unknown).
    n_unmatched : int
        Trials left out because the metadata lacks a side.
    unmatched : tuple of str
        The names that it lacks.

    Raises
    ------
    BadTable
        If a column is missing, a clip or speaker has two different descriptions, no trial is
        described, or labels contradict the speakers.
    """
    columns = list(dict.fromkeys(name for grouping in groupings for name in grouping.columns))
    need_columns(metadata, ("speaker", *columns), "metadata")
    names = {side: scores[side].astype("category") for side in ("enroll", "test")}
    key = "path" if by_clip(scores, metadata) else "speaker"
    wanted = list(dict.fromkeys([key, "speaker", *columns]))
    described = metadata[wanted].astype(object).where(metadata[wanted].notna(), "")
    described = described.drop_duplicates(ignore_index=True)
    need_one_description(described[key], "the metadata")
    rows, unmatched = {}, []
    for side, column in names.items():
        of_name = pd.Index(described[key]).get_indexer(column.cat.categories)
        rows[side] = of_name[column.cat.codes.to_numpy()]
        unmatched += column.cat.categories[of_name < 0].tolist()
    known = (rows["enroll"] >= 0) & (rows["test"] >= 0)
    if not known.any():
        raise BadTable(
            f"no trial whose two sides are in the metadata (column {key!r})",
            expected="the names that the scores use",
            do="give the manifest that the scores were made from",
        )
    trials = scores if known.all() else scores[known].reset_index(drop=True)
    added = {f"{side}_speaker": described["speaker"] for side in rows}
    for grouping in groupings:
        of_row = group_names(described, grouping).replace("", None)
        added |= {f"{side}:{grouping.name}": of_row for side in rows}
    taken = {}
    for name, values in added.items():
        side = "enroll" if name.startswith("enroll") else "test"
        taken[name] = values.astype("category").array.take(rows[side][known])
    trials = trials.assign(**taken)
    _check_labels(trials)
    return trials, int((~known).sum()), tuple(dict.fromkeys(map(str, unmatched)))


def _check_labels(trials: pd.DataFrame) -> None:
    enroll, test = (trials[f"{side}_speaker"].cat.codes for side in ("enroll", "test"))
    wrong = (enroll == test) != trials["label"]
    if wrong.all():
        raise BadTable(
            "labels that all contradict the speakers in the metadata",
            expected="label 1 (target) for trials of one speaker, and only for those",
            do="swap the labels: they are the wrong way round",
        )
    if wrong.any():
        first = trials[wrong].iloc[0]
        raise BadTable(
            f"{int(wrong.sum())} trials whose label contradicts the speakers in the metadata, "
            f"first {first['enroll']} against {first['test']}",
            expected="label 1 (target) for trials of one speaker, and only for those",
            do="check the labels",
        )


def members_of(trials: pd.DataFrame, grouping: Grouping, side: str) -> pd.Series:
    """The group that each trial counts for, as categories; missing where it counts for none."""
    enroll, test = (trials[f"{name}:{grouping.name}"] for name in ("enroll", "test"))
    if side == "both":
        return enroll.where(enroll.cat.codes == test.cat.codes)
    return enroll if side == "enroll" else test


def speakers_of(trials: pd.DataFrame) -> NDArray[np.object_]:
    """Names of all speakers of ``trials`` (``enroll_speaker``, ``test_speaker``), sorted."""
    sides = (set(trials[f"{side}_speaker"].unique()) for side in ("enroll", "test"))
    return np.array(sorted(set().union(*sides)), dtype=object)
