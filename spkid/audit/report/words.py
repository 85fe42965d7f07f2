"""An audit in plain sentences: the verdict, how it was measured, and what it cannot say."""

from __future__ import annotations

import math

from spkid.audit.cohorts.findings import Cohort, Findings
from spkid.audit.result import Audit, Threshold
from spkid.audit.statistics.contrast import Contrast
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.pages import percent, points

RATE_WORDS = {
    "false_match_rate": "of strangers' clips are accepted",
    "false_non_match_rate": "of own clips are rejected",
    "false_negative_identification_rate": "of members' clips are missed",
    "false_positive_identification_rate": "of guests' clips are taken for a member",
    "misidentification_rate": "of members' clips are taken for another member",
}
SIDE_TITLES = {
    "both": "trials within each group",
    "enroll": "trials by the group of the enrolled speaker",
    "test": "trials by the group of the tested speaker",
}
# the one error by which cohorts are compared; the rates of groups are those of their own trials
MEAN_ERROR = "(FMR + FNMR) / 2 over every trial that one of the speakers is in"
SIDE_WORDS = {
    "both": "both its sides belong to it",
    "enroll": "its enrolled side belongs to it",
    "test": "its tested side belongs to it",
}


def verdict(findings: Findings) -> list[str]:
    """Three sentences: the known groups, how far they are apart, and the cohorts nobody named."""
    return [
        known_sentence(findings.audit),
        apart_sentence(findings.audit),
        found_sentence(findings),
    ]


def known_sentence(audit: Audit) -> str:
    """The largest certain difference between known groups, or that none is certain."""
    notable = audit.notable()
    notable = notable[notable["figure"].isin(RATE_WORDS) & notable["difference"].notna()]
    if notable.empty:
        return f"No column has two groups of {MIN_SPEAKERS} speakers: no verdict."
    certain = notable[notable["certain"].astype(bool) & (notable["difference"] > 0)]
    row = (certain if len(certain) else notable).iloc[0]
    if len(certain):
        head = f"It is worse for {row['group']!r} (by {row['grouping']})"
    else:
        head = (
            "These data do not show that it is worse for any of the groups asked about; the "
            f"largest difference is that of {row['group']!r} (by {row['grouping']})"
        )
    others = row["value"] - row["difference"]
    alone = not len(certain) and (row["low"] > 0 or row["high"] < 0)
    return (
        f"{head}: {percent(row['value'])} {RATE_WORDS[row['figure']]} against {percent(others)} "
        f"for the others ({points(row['low'], row['high'])}"
        f"{', which would do had it been the only question' if alone else ''})."
    )


def apart_sentence(audit: Audit) -> str:
    """GARBE of the grouping that is farthest apart, and how many differences are certain."""
    found = [
        (row["value"], section.name, row)
        for section in audit.groupings
        for row in section.measures.to_dict("records")
        if row["measure"] == "garbe" and not math.isnan(row["value"])
    ]
    notable = audit.notable()
    n_certain = int(notable["certain"].astype(bool).sum())
    counted = f"{n_certain} of {len(notable)} differences of error rates are certain"
    if not found:
        return f"{counted}; no measure over all groups is defined."
    value, name, row = max(found, key=lambda item: item[0])
    return (
        f"Groups are farthest apart by {name}, with GARBE {value:.2f} (95 % interval "
        f"{row['low']:.2f} to {row['high']:.2f}; 0 is alike, 1 as unequal as can be); {counted}."
    )


def found_sentence(findings: Findings) -> str:
    """What was found without labels, or in the tree; else what was not looked for."""
    found = findings.discovery
    if found is not None:
        if math.isnan(found.read.difference):
            return (
                "Without labels, the worst cohort that was found has too few speakers on the half "
                "that was not searched to say anything of it."
            )
        read = found.read
        sure = "" if read.certain else ", which is not certain"
        return (
            f"Without labels, {percent(found.share)} of the speakers, who sound alike, have an "
            f"error of {percent(read.error)} against {percent(read.error_others)} for the others "
            f"on speakers that the search did not see ({points(read.low, read.high)}){sure}; on "
            f"those it saw the gap was {100 * found.naive.difference:+.1f} points."
        )
    region = next((each for each in findings.cohorts if each.kind == "region"), None)
    if region is not None and region.read.low > 0:
        return (
            f"Of all regions of the metadata the worst is {region.name}: an error of "
            f"{percent(region.read.error)} against {percent(region.read.error_others)} on "
            f"speakers that the search did not see ({points(region.read.low, region.read.high)})."
        )
    if findings.tree is not None:
        return (
            "The cohort tree over the metadata finds no region that is certainly worse than the "
            "rest; groups that the metadata does not name were not looked for."
        )
    return (
        "Groups that nobody named were not looked for: that needs scores, the clips' vectors and "
        f"{4 * MIN_SPEAKERS} speakers."
    )


def cohort_sentence(cohort: Cohort) -> str:
    """The worst cohort in one line."""
    read = cohort.read
    sure = "certain" if read.low > 0 else "not certain"
    return (
        f"{cohort.name}: {len(cohort.speakers)} speakers ({percent(cohort.share)}), error "
        f"{percent(read.error)} against {percent(read.error_others)} for the others, "
        f"{contrast_words(read)}: {sure}."
    )


def contrast_words(read: Contrast) -> str:
    return f"{100 * read.difference:+.1f} points ({points(read.low, read.high)})"


def threshold_words(threshold: Threshold) -> str:
    """How the shared threshold came about."""
    how = {
        "false_match_rate": "accepts {:.1%} of all strangers' trials",
        "cost": "costs least where {:.1%} of trials are of the same speaker",
        "given": "was given",
    }[threshold.rule]
    how = how.format(threshold.target) if threshold.target is not None else how
    return f"{threshold.value:.3f}, the one that {how.replace('%', ' %')}"


def method(findings: Findings) -> list[str]:
    """How it was measured."""
    audit = findings.audit
    if audit.threshold is None:
        lines = [
            "The answers are those that were given, at whatever threshold. A clip counts for the "
            "group of the person who speaks; a guest who is named counts as a false positive."
        ]
    else:
        lines = [
            "One shared threshold is used for everybody, as one device would: "
            f"{threshold_words(audit.threshold)}. A group's equal error rate is taken at its own "
            "threshold and hides a shift of the group's scores; that is why both are shown.",
        ]
    lines += [
        f"A trial counts for a group when {SIDE_WORDS[audit.groupings[0].side]}. Intervals are "
        "95 % and treat the speakers, not the trials, as what might have been drawn otherwise; "
        "differences are corrected for the number of questions asked (Holm).",
        f"Between groups: GARBE weighs false matches with {audit.alpha:g}. Its interval comes "
        f"from {audit.n_resamples} resamplings of speakers (seed {audit.seed}).",
    ]
    if findings.tree is not None or findings.discovery is not None:
        lines.append(
            "Cohorts are ranked by the mean of both error rates at the shared threshold, in "
            "which a trial of two speakers counts for each of the two. What was searched for was "
            "searched for on one half of the speakers and read on the other half; the speakers "
            "who were searched look worse than they are, because they were picked for it."
        )
    if findings.discovery is not None:
        lines.append(
            f"Voices: the mean vector of each speaker, spherical k-means into "
            f"{len(findings.discovery.table)} cohorts, a number chosen by how well two halves of "
            "the speakers agree (adjusted Rand index), never by the gap; errors are drawn towards "
            "their mean before ranking, and the worst cohorts are merged to the share asked for."
        )
    return lines


def limits(findings: Findings) -> list[str]:
    """What the audit cannot say."""
    return [
        f"A group of fewer than {MIN_SPEAKERS} speakers gets its counts and no verdict. That no "
        "difference is certain does not show that there is none.",
        "The figures hold for these speakers, recordings and trials. They say who is worse off, "
        "not why, and groups that the metadata does not name can hide in those that it does.",
        "This page names clips by their path and holds no audio. Voices and vectors are biometric "
        "data; a list of the speakers of a cohort says something about each of them.",
        *findings.audit.notes,
        *findings.notes,
    ]
