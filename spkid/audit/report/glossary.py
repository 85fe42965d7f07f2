"""What the words on the pages mean, for people who decide and measure nothing themselves."""

from __future__ import annotations

from collections.abc import Iterable

from spkid.audit.result import Audit
from spkid.audit.statistics.rules import MIN_SPEAKERS

SCORES = {
    "own clips": "Clips of a person, tried against the same person's profile. They should be "
    "accepted.",
    "strangers' clips": "Clips of a person, tried against somebody else's profile. They should be "
    "rejected.",
    "FNMR": "False non-match rate: the share of own clips that are rejected. What a member feels: "
    "'it does not know me'.",
    "FMR": "False match rate: the share of strangers' clips that are accepted. What a household "
    "risks: somebody else is taken for a member.",
    "EER": "Equal error rate: both errors at the threshold at which they are the same. At a "
    "threshold of its own, a group can look well that is rejected often at the shared one.",
    "shared threshold": "The score from which on a clip is accepted, the same for everybody, as on "
    "one device.",
    "trial": "One comparison: a clip against a profile, with a score.",
    "minDCF": "The least cost of both errors at the best threshold; 1 is a useless system, 0 a "
    "perfect one.",
    "Cllr": "How much the scores, read as odds, tell: 0 bit is all, 1 bit or more is nothing.",
    "mean error": "Half of FMR and FNMR together, over every trial with a speaker of the set.",
}
HOME = {
    "FNIR": "The share of members' clips that are missed: not named as that member.",
    "FPIR": "The share of guests' clips that are taken for a member.",
}
AUDIT = {
    "95 % interval": "Where the true figure lies: of a hundred such studies with other speakers, "
    "about 95 intervals hold it. A wide one means that little is known.",
    "certain": "Too large a difference to be chance: were all groups alike, fewer than 5 of 100 "
    "such studies would show one, with all questions that were asked counted (Holm).",
    "points": "Percentage points: from 4 % to 6 % is 2 points.",
    "GARBE": "How far groups are apart in both errors: 0 is alike, 1 as unequal as possible.",
    "small groups": f"Groups of fewer than {MIN_SPEAKERS} speakers: a few unusual voices would "
    "decide their figures.",
    "partial pooling": "An estimate for a small group that leans towards what all groups have in "
    "common, the more the fewer speakers there are. A help for guessing, no finding.",
    "cohort": "A set of speakers who may be worse off, known by a label or found by a search.",
}
COMPARISON = ("FNMR", "FMR", "shared threshold", "95 % interval", "certain", "points", "GARBE")


def terms_of(audit: Audit) -> dict[str, str]:
    """The words that the page of ``audit`` uses, with what they mean."""
    return {**(HOME if audit.threshold is None else SCORES), **AUDIT}


def chosen_terms(names: Iterable[str]) -> dict[str, str]:
    """Some of the words."""
    every = {**SCORES, **HOME, **AUDIT}
    return {name: every[name] for name in names}
