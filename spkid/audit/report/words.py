"""An audit in plain sentences: the verdict, how it was measured, and what it cannot say."""

from __future__ import annotations

import math

import pandas as pd

from spkid.audit.cohorts.findings import Cohort, Findings
from spkid.audit.result import OWN_THRESHOLD, Audit, Threshold
from spkid.audit.statistics.contrast import Contrast
from spkid.audit.statistics.rules import LEVEL, MIN_SPEAKERS
from spkid.pages import number, percent, points, signed, span

RATE_WORDS = {
    "false_match_rate": "of strangers' clips are accepted",
    "false_non_match_rate": "of own clips are rejected",
    "false_negative_identification_rate": "of members' clips are missed",
    "false_positive_identification_rate": "of guests' clips are taken for a member",
    "misidentification_rate": "of members' clips are taken for another member",
    OWN_THRESHOLD: "of clips are judged wrongly at the group's own threshold (EER)",
}
NOTHING_LEFT_OUT = "No trial and no speaker is left out."
SIDE_TITLES = {
    "both": "trials within each group",
    "enroll": "trials by the group of the enrolled speaker",
    "test": "trials by the group of the tested speaker",
}
# the error by which searched cohorts are compared; known groups have the rates of their tables
MEAN_ERROR = "(FMR + FNMR) / 2 over every trial with one of its speakers"
SIDE_WORDS = {
    "both": "both its sides belong to it",
    "enroll": "its enrolled side belongs to it",
    "test": "its tested side belongs to it",
}


def verdict(findings: Findings) -> list[str]:
    """Three sentences: the known groups, how far apart they are, and cohorts nobody named."""
    return [
        known_sentence(findings.audit),
        apart_sentence(findings.audit),
        found_sentence(findings),
    ]


def known_sentence(audit: Audit) -> str:
    """The largest certain difference between known groups, or that none is certain.

    Who is worse off comes before who is better off; that is said where nobody is worse.
    """
    row = audit.headline()
    if row is None:
        return f"No verdict: no column has two groups of {MIN_SPEAKERS} speakers or more."
    name = f"{named(row['group'], audit)} (by {row['grouping']})"
    others = percent(row["value"] - row["difference"])
    figures = (
        f"{percent(row['value'])} {RATE_WORDS[row['figure']]}, against {others} for the others "
        f"(difference: {points(row['low'], row['high'])})"
    )
    if row["certain"]:
        return f"It is {'worse' if row['difference'] > 0 else 'better'} for {name}: {figures}."
    alone = row["low"] > 0 or row["high"] < 0
    return (
        "No difference between the groups is certain. "
        f"The largest is that of {name}: {figures}."
        + (" It would be certain if it were the only one tested." if alone else "")
        + power_words(row, n_questions(audit))
    )


def named(group: str, audit: Audit) -> str:
    """The group in quotes; several small ones that are judged together are called that."""
    pooled = {group for section in audit.groupings for group in section.pooled["group"]}
    return f"the small groups {group!r}" if group in pooled else repr(group)


def n_questions(audit: Audit) -> int:
    """How many differences of rates were tested, for all of which the verdict is corrected."""
    return int(audit.notable()["difference"].notna().sum())


def power_words(row: pd.Series, n_questions: int) -> str:
    """Which difference these data would have shown, as a sentence; empty where it is not known."""
    least = found_from(row, n_questions)
    if not math.isfinite(least):
        return ""
    return (
        f" With {row['n_speakers']:.0f} speakers in it, a difference of {100 * least:.1f} "
        "points would have been found four times in five."
    )


def found_from(row: pd.Series, n_questions: int) -> float:
    """The difference that would have been found four times in five; NaN where it is not known.

    ``row`` is one of ``Audit.notable``. Of Student's t: the quantile of the corrected test and
    that of four times in five, times the standard error that the interval has.
    """
    from scipy import stats

    degrees = row["n_speakers"] - 1
    error = (row["high"] - row["low"]) / 2 / stats.t.ppf(0.975, degrees)
    reach = stats.t.ppf(1 - LEVEL / 2 / n_questions, degrees) + stats.t.ppf(0.8, degrees)
    return float(reach * error)


def apart_sentence(audit: Audit) -> str:
    """GARBE of the grouping that is farthest apart, and how many differences are certain."""
    found = [
        (row["value"], section.name, row)
        for section in audit.groupings
        for row in section.measures.to_dict("records")
        if row["measure"] == "garbe" and not math.isnan(row["value"])
    ]
    n_certain = int(audit.notable()["certain"].astype(bool).sum())
    counted = f"{n_certain} of {n_questions(audit)} differences in error rates are certain."
    if not found:
        return f"{counted} No measure over all groups is defined."
    value, name, row = max(found, key=lambda item: item[0])
    return (
        f"Groups are farthest apart by {name}: GARBE is {value:.2f} (95 % interval "
        f"{span(row['low'], row['high'], '{:.2f}'.format) or 'not known'}; 0 means alike, 1 as "
        "unequal as possible). "
        f"{counted}"
    )


def found_sentence(findings: Findings) -> str:
    """What was found without labels, or in the tree; else what was not looked for."""
    found = findings.discovery
    if found is not None:
        if math.isnan(found.read.difference):
            return (
                "Without labels: the worst cohort has too few speakers in the half that "
                "was not searched to be judged."
            )
        sure = "" if found.read.certain else " This is not certain."
        return (
            f"Without labels: {percent(found.share)} of the speakers, who sound alike, have "
            f"{mean_error(found.read)}.{sure} On the speakers that were searched the difference "
            f"was {signed(found.naive.difference)} points."
        )
    region = next((each for each in findings.cohorts if each.kind == "region"), None)
    if region is not None and region.read.low > 0:
        return (
            f"The worst region of the metadata is {region.name!r}, with {mean_error(region.read)}."
        )
    if findings.tree is not None:
        return (
            "The cohort tree finds no region of the metadata that is certainly worse than the "
            "rest. Groups that the metadata does not name were not searched for."
        )
    return (
        "Groups that the metadata does not name were not searched for: that needs scores, the "
        f"clips' vectors and {4 * MIN_SPEAKERS} speakers."
    )


def left_out_lines(audit: Audit) -> list[str]:
    """Who and what is not counted, or that nothing is."""
    if not audit.left_out:
        return [NOTHING_LEFT_OUT]
    return [each.words for each in audit.left_out]


def mean_error(read: Contrast) -> str:
    """The error of a searched cohort against all others, on speakers who were not searched."""
    return (
        f"a mean error of {percent(read.error)}, against {percent(read.error_others)} for all "
        "others, on speakers that were not searched (difference: "
        f"{points(read.low, read.high)})"
    )


def cohort_sentence(cohort: Cohort, audit: Audit) -> str:
    """The worst cohort in one line; a known group by the rates of its table, and by no others."""
    read = cohort.read
    sure = "This is certain." if cohort.certain else "This is not certain."
    who = f"{cohort.name}: {len(cohort.speakers)} speakers ({percent(cohort.share)})"
    if cohort.kind == "group":
        return f"{who}{_own_rates(cohort, audit)}. {sure}"
    return (
        f"{who}, mean error {percent(read.error)}, against {percent(read.error_others)} for all "
        f"others: {contrast_words(read)}. {sure}"
    )


def _own_rates(cohort: Cohort, audit: Audit) -> str:
    """What the table of groups says of a known group, and of the others on average."""
    section = next(each for each in audit.groupings if each.name == cohort.grouping)
    judged = section.groups[section.groups["judged"].astype(bool)].set_index("group")
    groups = pd.concat([judged, section.pooled.set_index("group")])
    others = judged.drop(cohort.group, errors="ignore")
    if cohort.group not in groups.index or others.empty:
        return ""
    return "; " + " and ".join(
        f"{percent(groups.at[cohort.group, rate])} {RATE_WORDS[rate]} (others "
        f"{percent(others[rate].mean())})"
        for rate in audit.rates
        if rate in RATE_WORDS and rate != OWN_THRESHOLD
    )


def contrast_words(read: Contrast) -> str:
    """A difference with its interval."""
    return f"{signed(read.difference)} points ({points(read.low, read.high)})"


def threshold_words(threshold: Threshold) -> str:
    """How the shared threshold came about."""
    how = {
        "false_match_rate": ", which accepts {:.1%} of all strangers' trials",
        "cost": ", which costs least where {:.1%} of the trials are of one speaker",
        "given": ", as given",
    }[threshold.rule]
    how = how.format(threshold.target) if threshold.target is not None else how
    return f"{number(threshold.value)}{how.replace('%', ' %')}"


def method(findings: Findings) -> list[str]:
    """How it was measured."""
    audit = findings.audit
    if audit.threshold is None:
        lines = [
            "The answers are those that the household was given. A clip counts for the group of "
            "the person who speaks; a guest who is named counts as a false positive."
        ]
    else:
        lines = [
            "Everybody is judged at one shared threshold, as on one device: "
            f"{threshold_words(audit.threshold)}. A group's equal error rate is taken at the "
            "group's own threshold, where a shift of all its scores does not show; both are given.",
        ]
    lines += [
        f"A trial counts for a group when {SIDE_WORDS[audit.groupings[0].side]}. Intervals are "
        "95 % and treat the speakers, not the trials, as the random sample. Differences are "
        "corrected for the number of groups and columns tested (Holm).",
        f"GARBE gives false matches a weight of {audit.alpha:g}. Its interval comes from "
        f"{audit.n_resamples} resamplings of the speakers (seed {audit.seed}).",
    ]
    if findings.searched:
        lines.append(
            f"The mean error of a cohort that was searched for is {MEAN_ERROR}; the other speaker "
            "may be anybody. Known groups are told by the rates of their tables alone, which count "
            "the trials of each group. Its interval is Student's t over resampled speakers, "
            "corrected for the cohorts it was picked from (Bonferroni)."
        )
    if findings.tree is not None or findings.discovery is not None:
        lines.append(
            "Regions and cohorts of voices are searched for on one half of the speakers and "
            "measured on the other. On the half that was searched they look worse than they are, "
            "because they were picked for looking bad there."
        )
    if findings.discovery is not None:
        lines.append(
            "Voices: speakers' mean vectors are clustered by spherical k-means into "
            f"{len(findings.discovery.table)} cohorts. How many there are at first is chosen by "
            "how well two halves of the speakers agree (adjusted Rand index), never by the gap; "
            "each is halved further where the errors that are searched differ (Akaike's "
            "criterion). Errors are shrunk "
            "towards their mean before ranking, and the worst cohorts are merged until they hold "
            "the share that was asked for."
        )
    return lines


def limits(findings: Findings) -> list[str]:
    """What the audit cannot say."""
    return [
        f"A group of fewer than {MIN_SPEAKERS} speakers gets no verdict of its own; all "
        "such groups of a column are tested together. Where no difference is certain there may "
        "still be one.",
        "The figures hold for these speakers, recordings and trials. They say who is worse off, "
        "not why. Groups that the metadata does not name can hide in those that it does.",
        "This page names clips by path and holds no audio. Voices and vectors are biometric data, "
        "and being on the list of a cohort's speakers says something about a person.",
        *findings.audit.notes,
        *findings.notes,
    ]
