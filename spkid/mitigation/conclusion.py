"""What a person who decides on a mitigation wants to know, as four answers."""

from __future__ import annotations

import math

from spkid.audit.report.conclusion import HOW_MUCH, HOW_SURE, WHAT_NEXT, WHO, Answer
from spkid.audit.report.frequencies import out_of, whole
from spkid.mitigation.trade import BEFORE
from spkid.mitigation.words import WORDS, Mitigation, shown_change
from spkid.pages import points


def mitigation_conclusion(found: Mitigation) -> list[Answer]:
    """Who is worse off, by how much before and after, how sure that is, and what to do."""
    answers = (_who(found), _how_much(found), _how_sure(found), _what_next(found))
    questions = (WHO, HOW_MUCH, HOW_SURE, WHAT_NEXT)
    return [Answer(*pair) for pair in zip(questions, answers, strict=True)]


def _who(found: Mitigation) -> str:
    trade = found.trade
    return (
        f"The cohort {found.cohort.name!r}: {trade.n_read_cohort} of {trade.n_read} held-out "
        "speakers."
    )


def _how_much(found: Mitigation) -> str:
    """Both mean errors as clips, before and with the method that is chosen."""
    trade = found.trade
    rates = {
        system: [trade.at(system, name).value for name in ("error_cohort", "error_others")]
        for system in (BEFORE, trade.chosen)
        if system
    }
    every = [rate for both in rates.values() for rate in both]
    if not all(map(math.isfinite, every)):
        return "Not known."
    of = out_of(every)
    counts = {system: [f"{whole(rate, of):,}" for rate in both] for system, both in rates.items()}
    own, others = counts[BEFORE]
    words = (
        f"Of {of:,} clips, half of them their own and half strangers', {own} are judged wrongly "
        f"for them; for all others, {others}."
    )
    if trade.chosen:
        own, others = counts[trade.chosen]
        words += f" With {WORDS[trade.chosen]}: {own} for them; {others} for all others."
    return words


def _how_sure(found: Mitigation) -> str:
    trade = found.trade
    gap = trade.at(BEFORE, "gap")
    before = "sure" if gap.low > 0 else "not sure"
    words = f"That they are worse off is {before} ({points(gap.low, gap.high)})."
    if trade.chosen:
        change = trade.at(trade.chosen, "gap")
        sure = "sure" if change.certain else "not sure"
        words += (
            f" That {WORDS[trade.chosen]} changes the gap, by {shown_change(change)} points, is "
            f"{sure}."
        )
    return words


def _what_next(found: Mitigation) -> str:
    trade = found.trade
    if not trade.chosen:
        return (
            "Keep the system as it is: no method that may be chosen helps them without harm to "
            "everybody. More of their clips when enrolling, and more such voices in training, come "
            "next."
        )
    method = WORDS[trade.chosen]
    gap, error = (trade.at(trade.chosen, figure) for figure in ("gap", "error"))
    if error.certain and error.change > 0:
        return f"Do not take {method} as it is: everybody's errors rise for certain."
    if gap.certain and gap.change < 0:
        return f"Take {method}, and audit the new system by itself before it is used."
    return (
        f"Do not rely on {method} yet: its gain may be chance. Measure it on more speakers like "
        "them."
    )
