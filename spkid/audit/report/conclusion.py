"""What a person who decides wants to know: who is worse off, how much, how sure, and what to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from spkid.audit.cohorts.findings import Cohort, Findings
from spkid.audit.report.frequencies import one_against_others
from spkid.audit.report.words import contrast_words, found_from, n_questions, named
from spkid.audit.result import OWN_THRESHOLD, Audit
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.study import is_grave
from spkid.pages import percent, signed

WHO, HOW_MUCH, HOW_SURE, WHAT_NEXT = (
    "Who is worse off?",
    "By how much?",
    "How sure is that?",
    "What to do next?",
)
# what an error means to those who have it
MEANS = {
    "false_match_rate": "a stranger is taken for one of them more often.",
    "false_non_match_rate": "they are turned away more often.",
    "false_negative_identification_rate": "they are not recognised more often.",
    "false_positive_identification_rate": "as guests they are taken for a member more often.",
    "misidentification_rate": "they are taken for another member more often.",
    OWN_THRESHOLD: "their voices are told apart less well.",
}


@dataclass(frozen=True)
class Answer:
    """An answer in plain sentences to one of the four questions."""

    question: str
    answer: str


def conclusion(findings: Findings) -> list[Answer]:
    """The four answers; they name the group that the verdict names, or the cohort to work on."""
    audit, worst = findings.audit, findings.worst
    row = audit.headline()
    if worst is not None and worst.certain and worst.kind != "group":
        answers = _searched(worst, row, audit)
    elif row is None:
        answers = _nobody_judged(audit)
    elif row["certain"]:
        answers = _certain(row, findings)
    else:
        answers = _uncertain(row, audit)
    if not is_right_way_round(audit):
        answers[3] = (
            "First check the labels and the sign of the scores: more than half of all answers are "
            "wrong, so that something is the wrong way round."
        )
    elif any(map(is_grave, findings.checks)):
        answers[2] += " But the study itself has a weakness; see 'Checks of the study' first."
    questions = (WHO, HOW_MUCH, HOW_SURE, WHAT_NEXT)
    return [Answer(*pair) for pair in zip(questions, answers, strict=True)]


def is_right_way_round(audit: Audit) -> bool:
    """Whether the scores tell people apart at all, the right way round."""
    overall = audit.overall.set_index("figure")["value"]
    return not overall.get(OWN_THRESHOLD, 0.0) > 0.5


def _against(row: pd.Series, audit: Audit) -> str:
    """The row's rate and the others', as clips."""
    section = next(each for each in audit.groupings if each.name == row["grouping"])
    judged = section.groups["group"][section.groups["judged"].astype(bool)]
    others = [group for group in judged if group != row["group"]]
    return one_against_others(
        row["figure"],
        row["value"],
        row["value"] - row["difference"],
        name=named(row["group"], audit),
        rest=repr(others[0]) if len(others) == 1 else "the others on average",
    )


def _nobody_judged(audit: Audit) -> list[str]:
    sizes = [section.groups["n_speakers"].nlargest(2).min() for section in audit.groupings]
    largest = int(max(sizes))
    return [
        f"This cannot be told: no column has two groups of {MIN_SPEAKERS} speakers or more.",
        "Not known.",
        "Not at all: the voices of a few speakers would decide.",
        f"Add speakers, until two groups have {MIN_SPEAKERS} or more; the second largest has "
        f"{largest}. Then audit again.",
    ]


def _certain(row: pd.Series, findings: Findings) -> list[str]:
    audit = findings.audit
    group = named(row["group"], audit)
    asked = n_questions(audit)
    sure = (
        f"Sure. The true difference most likely lies between {signed(row['low'])} and "
        f"{signed(row['high'])} points (95 % interval). This allows for the {asked} differences "
        "that were looked at."
    )
    if row["difference"] < 0:
        return [
            f"All but {group} (by {row['grouping']}): they are better off, and no group is "
            "certainly worse off than the rest.",
            _against(row, audit),
            sure,
            "Find out what is better for them, in how they were recorded and in what the system "
            "was trained on, and bring the others there. Then audit again.",
        ]
    notable = audit.notable()
    same = (notable["grouping"] == row["grouping"]) & (notable["group"] == row["group"])
    own = notable[same & notable["certain"].astype(bool) & (notable["difference"] > 0)]
    others = _others_worse(row, audit)
    much = [f"{_against(each, audit)} So {MEANS[each['figure']]}" for _, each in own.iterrows()]
    return [
        f"{group[0].upper()}{group[1:]} (by {row['grouping']}).{others}",
        " ".join(much),
        sure,
        _mend(group, findings),
    ]


def _others_worse(row: pd.Series, audit: Audit) -> str:
    """Which further groups are certainly worse off."""
    notable = audit.notable()
    worse = notable[notable["certain"].astype(bool) & (notable["difference"] > 0)]
    names = dict.fromkeys(
        f"{named(each['group'], audit)} (by {each['grouping']})"
        for _, each in worse.iterrows()
        if (each["grouping"], each["group"]) != (row["grouping"], row["group"])
    )
    return f" Certainly worse off too: {', '.join(names)}." if names else ""


def _mend(group: str, findings: Findings) -> str:
    """What to do for a known group that is certainly worse off."""
    if findings.audit.threshold is None:
        return (
            f"Enroll the members of {group} again, with more clips and from where they speak, and "
            "audit the log again. If that does not help, the model must hear more such voices."
        )
    return (
        f"Do not call the system equally good for everyone. Work on {group} first: more "
        "enrolment clips a person, and more such voices in training; 'spkid mitigate' tries ways "
        "to help and says what they cost the others. Then compare with 'spkid audit --compare'."
    )


def _searched(worst: Cohort, row: pd.Series | None, audit: Audit) -> list[str]:
    if worst.kind == "region":
        who = f"Speakers with {worst.name!r} ({len(worst.speakers)} speakers)"
    else:
        who = f"{len(worst.speakers)} speakers who sound alike, whom no label names"
    known = ""
    if row is not None and row["certain"] and row["difference"] > 0:
        known = f" Also {named(row['group'], audit)} (by {row['grouping']}), by less."
    return [
        f"{who}: {percent(worst.share)} of all.{known}",
        f"Their mean error is {percent(worst.read.error)}; that of all others is "
        f"{percent(worst.read.error_others)}.",
        f"Sure: measured on speakers who were not searched, the difference is "
        f"{contrast_words(worst.read)}.",
        "Listen to what these speakers have in common; they are listed in cohort.csv. Then work on "
        "them first: 'spkid mitigate' tries ways to help and says what they cost the others.",
    ]


def _uncertain(row: pd.Series, audit: Audit) -> list[str]:
    group = named(row["group"], audit)
    n_speakers, difference = int(row["n_speakers"]), abs(row["difference"])
    asked = n_questions(audit)
    least = found_from(row, asked)
    much = "No difference was seen in any rate."
    who = "Nobody, as far as these data show."
    sure = f"Not sure that there is none. {asked} differences were looked at."
    if difference > 0:
        side = "against" if row["difference"] > 0 else "in favour of"
        who = (
            f"Nobody for certain. The largest difference seen is {side} {group} (by "
            f"{row['grouping']})."
        )
        much = _against(row, audit)
        if row["difference"] > 0:
            much += f" If that is no chance: {MEANS[row['figure']]}"
        sure = f"Not sure: {asked} differences were looked at, and chance alone may do this."
    next_step = "Do not conclude that all are served alike."
    if math.isfinite(least):
        sure += (
            f" With {n_speakers} speakers in {group}, a difference of {100 * least:.1f} points or "
            "more would have been found four times in five; a smaller one may be there unseen."
        )
        if 0 < difference < least:
            needed = _rounded_up(n_speakers * (least / difference) ** 2)
            next_step += (
                f" To find a difference as large as the one seen ({100 * difference:.1f} points), "
                f"audit again with about {needed:,} speakers in {group}, and as many more in the "
                "other groups. Decide first which difference would matter to you: if it is larger "
                "than those that would have been found, you need no more."
            )
    return [who, much, sure, next_step]


def _rounded_up(value: float) -> int:
    """To two digits, upwards."""
    unit = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(math.ceil(value / unit) * unit)
