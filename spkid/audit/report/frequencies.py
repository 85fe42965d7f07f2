"""Rates as counts of clips: of 100 strangers' clips, 9 are accepted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spkid.audit.result import OWN_THRESHOLD, Audit, GroupAudit

# whose clips are counted, and what happens to them
CLIPS = {
    "false_match_rate": ("strangers' clips", "are accepted"),
    "false_non_match_rate": ("own clips", "are rejected"),
    "false_negative_identification_rate": ("members' clips", "are missed"),
    "false_positive_identification_rate": ("guests' clips", "are taken for a member"),
    "misidentification_rate": ("members' clips", "are taken for another member"),
    OWN_THRESHOLD: ("clips", "are judged wrongly at the group's own threshold"),
}
CLEAR_COUNT = 5  # of the group with the fewest: a smaller one is rounded too much
MOST_NAMED = 4  # groups in one sentence


@dataclass(frozen=True)
class Frequency:
    """One rate of a column's groups that have one, the highest first, in whole clips of so many."""

    figure: str
    of: int
    counts: dict[str, int]
    words: str


def out_of(rates: Sequence[float]) -> int:
    """100, 1,000 or 10,000: the fewest clips of which every rate above zero is five or more."""
    least = min((rate for rate in rates if rate > 0), default=1.0)
    return next((of for of in (100, 1_000) if least * of >= CLEAR_COUNT), 10_000)


def one_against_others(figure: str, rate: float, others: float, *, name: str, rest: str) -> str:
    """``Of 100 strangers' clips, 9 are accepted for 'child'; for 'adult', 7.`` as a sentence."""
    clips, what = CLIPS[figure]
    of = out_of((rate, others))
    counts = [f"{whole(each, of):,}" for each in (rate, others)]
    return f"Of {of:,} {clips}, {counts[0]} {what} for {name}; for {rest}, {counts[1]}."


def one_against_another(
    figure: str, rates: tuple[float, float], names: tuple[str, str], *, whose: str
) -> str:
    """``Of 100 own clips, 7 are rejected with 'a' for 'child', and 9 with 'b'.`` as a sentence."""
    clips, what = CLIPS[figure]
    said = (f"{what} with {names[0]}", f"with {names[1]}")
    of = out_of(rates)
    first, second = (f"{whole(each, of):,} {name}" for each, name in zip(rates, said, strict=True))
    return f"Of {of:,} {clips}, {first} for {whose}, and {second}."


def frequencies(audit: Audit, section: GroupAudit) -> list[Frequency]:
    """The rates of one grouping's judged groups, those at the shared threshold or as given."""
    found = []
    for figure in audit.rates:
        rates = section.judged.set_index("group")[figure].dropna().sort_values(ascending=False)
        if figure == OWN_THRESHOLD or rates.empty:
            continue
        of = out_of(list(rates))
        counts = {str(group): whole(rate, of) for group, rate in rates.items()}
        clips, what = CLIPS[figure]
        shown = [f"{count:,} for {group!r}" for group, count in counts.items()]
        if len(shown) > MOST_NAMED:
            shown = [*shown[: MOST_NAMED - 1], f"and, fewest of all {len(counts)}, {shown[-1]}"]
        words = f"Of {of:,} {clips}, so many {what}: {', '.join(shown)}."
        found.append(Frequency(figure, of, counts, words))
    return found


def whole(rate: float, of: int) -> int:
    """How many clips of so many a rate is."""
    # a half is rounded up, also one that a difference of rates left a little short
    return math.floor(round(rate * of, 6) + 0.5)
