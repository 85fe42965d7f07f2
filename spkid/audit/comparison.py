"""Two systems, or before and after, on the same speakers: what changed, and is that certain.

Both are resampled with the same draws of speakers, so that what is hard about a speaker is in
both and goes out of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.grouping import members_of, parse_grouping, speakers_of
from spkid.audit.origin import Origin
from spkid.audit.result import Audit
from spkid.audit.statistics.contrast import deviations
from spkid.audit.statistics.differences import holm
from spkid.audit.statistics.measures import gap, garbe
from spkid.audit.statistics.rules import LEVEL, MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import speaker_errors
from spkid.audit.study import Check
from spkid.data.left_out import LeftOut
from spkid.encoder.vectors import Floats
from spkid.errors import BadTable


@dataclass(frozen=True)
class Comparison:
    """``table`` has a row a question.

    Columns: ``grouping`` and ``group`` (empty over all trials or over all groups), ``figure``
    (``false_match_rate``, ``false_non_match_rate``, ``garbe``, ``gap_<rate>``), ``first``,
    ``second``, ``difference`` (second less first: below zero is better), ``low``, ``high``,
    ``p``, ``p_corrected`` (Holm, over all rows) and ``certain``. Each system is read at its own
    threshold in ``thresholds``. ``left_out``, ``checks`` and ``notes`` are those of the two
    audits, each with the name of its system, or with an empty one where it holds for both.
    """

    names: tuple[str, str]
    table: pd.DataFrame
    thresholds: tuple[float, float]
    n_speakers: int
    n_resamples: int
    seed: int
    left_out: tuple[tuple[str, LeftOut], ...]
    notes: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, Check], ...] = ()
    origin: Origin | None = None


Said = TypeVar("Said", LeftOut, Check, str)


def of_both(
    names: tuple[str, str], first: Sequence[Said], second: Sequence[Said]
) -> tuple[tuple[str, Said], ...]:
    """What is said of two systems, each with the system's name; empty where it holds for both."""
    own = [{words_of(each): each for each in said} for said in (first, second)]
    found = [("", each) for words, each in own[0].items() if words in own[1]]
    for name, one, other in zip(names, own, reversed(own), strict=True):
        found += [(name, each) for words, each in one.items() if words not in other]
    return tuple(found)


def words_of(said: LeftOut | Check | str) -> str:
    """What is said, as a sentence."""
    return said if isinstance(said, str) else said.words


def compare_audits(
    first: Audit,
    second: Audit,
    *,
    names: tuple[str, str],
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """What changes from ``first`` to ``second``, paired by speaker.

    Parameters
    ----------
    first, second : Audit
        Of the same groupings; trials of speakers that only one of them has are left out.
    names : tuple of str
        What to call them.

    Raises
    ------
    BadTable
        If fewer than ``MIN_SPEAKERS`` speakers are in both, or the groupings differ.
    """
    asked = [section.name for section in first.groupings]
    if asked != [section.name for section in second.groupings]:
        raise BadTable(
            "two audits by different groups", expected="the same groups", do="audit both alike"
        )
    audits = (first, second)
    speakers = [set(speakers_of(audit.trials)) for audit in audits]
    common = np.array(sorted(speakers[0] & speakers[1]), dtype=object)
    if len(common) < MIN_SPEAKERS:
        raise BadTable(
            f"{len(common)} speakers in both score files",
            expected=f"{MIN_SPEAKERS} or more",
            do="compare scores of the same speakers",
        )
    alone = len(speakers[0] | speakers[1]) - len(common)
    one_only = LeftOut(
        "one_system_only", 0, alone, f"{alone:,} speakers who are in one file only are left out."
    )
    draws = Draws(common, n_resamples, seed)
    table = pd.DataFrame(_rows(audits, draws))
    table["p_corrected"] = holm(table["p"])
    table["certain"] = table["p_corrected"] < LEVEL
    return Comparison(
        names=names,
        table=table,
        thresholds=(first.shared_threshold, second.shared_threshold),
        n_speakers=len(common),
        n_resamples=n_resamples,
        seed=seed,
        left_out=(
            *([("", one_only)] if alone else []),
            *of_both(names, first.left_out, second.left_out),
        ),
        notes=of_both(names, first.notes, second.notes),
    )


@dataclass(frozen=True)
class Draws:
    """The same resamples of ``speakers`` for every system."""

    speakers: NDArray[np.object_]
    n_resamples: int
    seed: int

    def rates(
        self, audits: tuple[Audit, Audit], rows: list[NDArray[np.bool_]]
    ) -> tuple[list[Floats], int]:
        """Rates of both systems over some of their trials.

        Returns
        -------
        list of float64 ``[1 + resamples, systems]``
            False match and false non-match rates.
        int
            Speakers who are in both.
        """
        parts = [audit.trials[chosen] for audit, chosen in zip(audits, rows, strict=True)]
        own = [set(speakers_of(part)) for part in parts]
        both = np.array([name for name in self.speakers if name in own[0] & own[1]], dtype=object)
        found = []
        for audit, part in zip(audits, parts, strict=True):
            errors = speaker_errors(
                part, audit.shared_threshold, both, n_resamples=self.n_resamples, seed=self.seed
            )
            found.append(errors.rates(np.ones(len(both), dtype=bool)))
        return [np.hstack([each[kind] for each in found]) for kind in (0, 1)], len(both)


def _rows(audits: tuple[Audit, Audit], draws: Draws) -> Iterator[dict[str, object]]:
    kinds = ("false_match_rate", "false_non_match_rate")
    everything = [np.ones(len(audit.trials), dtype=bool) for audit in audits]
    found, n_speakers = draws.rates(audits, everything)
    for kind, values in zip(kinds, found, strict=True):
        yield paired_change("", "", kind, values, n_speakers)
    for section in audits[0].groupings:
        grouping = parse_grouping(section.name)
        members = [members_of(audit.trials, grouping, section.side) for audit in audits]
        by_group, sizes = [], []
        for group in section.groups["group"]:
            own = [(each == group).to_numpy() for each in members]
            found, n_speakers = draws.rates(audits, own)
            if n_speakers < MIN_SPEAKERS:
                continue
            by_group.append(found)
            sizes.append(n_speakers)
            for kind, values in zip(kinds, found, strict=True):
                yield paired_change(section.name, group, kind, values, n_speakers)
        if len(by_group) < 2:
            continue
        # [groups, 1 + resamples, systems]
        match, non_match = (np.stack([each[kind] for each in by_group]) for kind in (0, 1))
        least = min(sizes)
        alpha = audits[0].alpha
        yield paired_change(section.name, "", "garbe", garbe(match, non_match, alpha), least)
        for kind, values in zip(kinds, (match, non_match), strict=True):
            yield paired_change(section.name, "", f"gap_{kind}", gap(values), least)


def paired_change(
    grouping: str, group: str, figure: str, values: Floats, n_speakers: int
) -> dict[str, object]:
    """What a figure was, what it is, and the interval of its change, by Student's t.

    ``values`` are those of the two systems under the same draws, ``[1 + resamples, 2]``, row 0
    as measured.
    """
    from scipy import stats

    change = values[:, 1] - values[:, 0]
    spread = float(deviations(change[1:, None])[0])
    degrees = n_speakers - 1
    if spread > 0:
        p = float(2 * stats.t.sf(abs(change[0]) / spread, degrees))
    else:
        p = 1.0 if change[0] == 0 else float("nan")
    reach = float(stats.t.ppf(0.975, degrees)) * spread
    return {
        "grouping": grouping,
        "group": group,
        "figure": figure,
        "first": float(values[0, 0]),
        "second": float(values[0, 1]),
        "difference": float(change[0]),
        "low": float(change[0] - reach),
        "high": float(change[0] + reach),
        "p": p,
    }
