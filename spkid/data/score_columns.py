"""Which column of a score file is what: by its header, by what is in it, or as the caller says.

Where more than one reading fits, none is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from spkid.data.labels import label_columns
from spkid.data.printed import Printed
from spkid.errors import BadTable, SpkidError

LAYOUTS = {
    ("enroll", "test", "score", "label"): "as Kaldi and WeSpeaker",
    ("label", "enroll", "test", "score"): "as VoxCeleb",
    ("enroll", "test", "label", "score"): "as speechbrain",
    ("score", "enroll", "test", "label"): "score first",
    ("enroll", "test", "score"): "no labels",
    ("score", "enroll", "test"): "no labels, score first",
}
ROLES = ("enroll", "test", "score", "label")
NEEDED = ROLES[:3]
_THINGS = ("utt", "utterance", "file", "wav", "clip", "path", "audio", "speaker", "spk", "id", "")
# as programs head their columns, without case, blanks and marks
HEADERS = {
    "enroll": {"enrol", "enrolled", "enrollment", "enrolment", "model", "reference", "ref"}
    | {f"{thing}{one}" for thing in _THINGS[:-1] for one in ("1", "a", "one")},
    "test": {"tested", "testing", "probe", "trial", "segment", "query"}
    | {f"{thing}{two}" for thing in _THINGS[:-1] for two in ("2", "b", "two")},
    "score": {"scores", "llr", "cosine", "cos", "similarity", "sim"},
    "label": {"labels", "target", "istarget", "targettype", "groundtruth", "truth", "same", "key"},
}
WAY = "enroll=1,test=2,score=3,label=4 (places or names)"


@dataclass(frozen=True)
class Columns:
    """``places`` of the roles from 0, among ``n_columns``; ``how`` they were found, in words."""

    places: Mapping[str, int]
    n_columns: int
    has_header: bool
    how: str

    @property
    def names(self) -> list[str]:
        """A name for every column: its role, or its place."""
        roles = {place: role for role, place in self.places.items()}
        return [roles.get(place, f"column {place + 1}") for place in range(self.n_columns)]


def find_columns(
    file: Printed, sample: pd.DataFrame, asked: Mapping[str, str | int] | None = None
) -> Columns:
    """Tell the columns of ``file`` from its first lines.

    Parameters
    ----------
    sample : DataFrame of str
        As :meth:`Printed.sample` gives it.
    asked : mapping, optional
        From ``enroll``, ``test``, ``score`` and ``label`` to the name of a column in the header
        or to its place from 1. What is not asked for is found out.

    Raises
    ------
    BadTable
        If none or more than one way to read it fits; the sentence lists the columns.
    """
    first = [str(word).strip() for word in sample.iloc[0]]
    numbers = _numbers(sample, file.decimal)
    by_name, by_place = _asked(file, first, asked or {})
    candidates = {role: headed(first, role) for role in ROLES}
    is_headed = bool(by_name) or all(candidates[role] for role in NEEDED)
    no_number = bool(numbers.iloc[0].isna().all())
    is_headed = is_headed or (no_number and bool(numbers.iloc[1:].notna().to_numpy().any()))
    given = by_name | by_place
    if is_headed:
        return _by_header(file, first, candidates, given)
    if set(NEEDED) <= given.keys():
        return Columns(given, len(first), False, "as asked")
    return _by_content(file, sample, numbers, given)


def _numbers(sample: pd.DataFrame, decimal: str) -> pd.DataFrame:
    """Every cell as a number, NaN where it is none."""
    pointed = sample if decimal == "." else sample.apply(lambda each: each.str.replace(",", "."))
    return pointed.apply(pd.to_numeric, errors="coerce")


def _asked(
    file: Printed, first: list[str], asked: Mapping[str, str | int]
) -> tuple[dict[str, int], dict[str, int]]:
    """The places of the columns that were asked for by name, and of those by place."""
    wrong = sorted(set(asked) - set(ROLES))
    if wrong:
        raise SpkidError(f"columns={wrong[0]}", expected=f"such as {WAY}", do="correct the columns")
    folded = [name.casefold() for name in first]
    by_name, by_place = {}, {}
    for role, said in asked.items():
        words = str(said).strip()
        if words.isdecimal() and 1 <= int(words) <= len(first):
            by_place[role] = int(words) - 1
        elif words.casefold() in folded:
            by_name[role] = first.index(words) if words in first else folded.index(words.casefold())
        else:
            raise _refused(file, first, f"no column {words!r}")
    if len({*by_name.values(), *by_place.values()}) < len(asked):
        raise _refused(file, first, "one column asked for twice")
    return by_name, by_place


def headed(header: Sequence[object], role: str) -> list[int]:
    """The places of the columns whose header means ``role``; the plain word before all others."""
    plain = ["".join(filter(str.isalnum, str(name).casefold())) for name in header]
    exact = [place for place, word in enumerate(plain) if word == role]
    longer = {role + more for more in ("id", "utt", "utterance", "clip", "file", "path", "wav")}
    others = HEADERS[role] | longer | {f"{word}id" for word in HEADERS[role]}
    return exact or [place for place, word in enumerate(plain) if word in others]


def _by_header(
    file: Printed, header: list[str], candidates: dict[str, list[int]], given: dict[str, int]
) -> Columns:
    places = dict(given)
    for role in ROLES:
        free = [place for place in candidates[role] if place not in places.values()]
        if role in given or (role == "label" and not free):
            continue
        if len(free) != 1:
            names = ", ".join(header[place] for place in free)
            lacks = f"{len(free)} columns that may be the {role} ({names})"
            raise _refused(file, header, lacks if free else f"no column that is the {role}")
        places[role] = free[0]
    return Columns(places, len(header), True, "by its header" if not given else "as asked")


def _by_content(
    file: Printed, sample: pd.DataFrame, numbers: pd.DataFrame, given: dict[str, int]
) -> Columns:
    """The one order of :data:`LAYOUTS` that fits what is in the columns."""
    first = [str(word) for word in sample.iloc[0]]
    if len(first) not in (3, 4):
        raise _refused(file, first, f"{len(first)} columns without names")
    # a broken score is a broken score, not a name
    numeric = [place for place in numbers if numbers[place].notna().mean() >= 0.5]
    # a score is told from names and labels that are numbers by not being whole, or below zero
    scores = [place for place in numeric if _like_scores(numbers[place].dropna())] or numeric
    labels = label_columns(sample)
    fitting = [
        layout
        for layout in LAYOUTS
        if len(layout) == len(first)
        and layout.index("score") in scores
        and ("label" not in layout or layout.index("label") in labels)
        and all(role in layout and layout.index(role) == given[role] for role in given)
    ]
    if len(fitting) == 1:
        places = {role: place for place, role in enumerate(fitting[0])}
        return Columns(places, len(first), False, LAYOUTS[fitting[0]])
    if fitting:
        ways = " or ".join(f"'{' '.join(layout)}'" for layout in fitting)
        raise _refused(file, first, f"columns that may be {ways}")
    lacks = "labels" if len(first) == 4 and scores else "scores"
    raise _refused(file, first, f"no column of {lacks}")


def _like_scores(numbers: pd.Series) -> bool:
    return bool(((numbers % 1 != 0) | (numbers < 0)).any())


def _refused(file: Printed, first: list[str], lacks: str) -> BadTable:
    return BadTable(
        f"{file.path}: {lacks}; its first line has {', '.join(map(repr, first))}",
        expected=file.expected,
        do=f"correct the file, or name the columns with columns=, as {WAY}",
    )
