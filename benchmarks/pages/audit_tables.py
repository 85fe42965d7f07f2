"""The tables of audits: groups, gaps, cohorts and planted truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.harness.result_files import (
    CALIBRATED,
    change_cell,
    drawn,
    fingerprint_of,
    table,
    with_interval,
)
from benchmarks.pages.training_tables import FAIR_SECTIONS

SETS = {
    "speechocean762_new": "speechocean762, new speakers",
    "all_new": "new speakers of all corpora",
    "speechocean762_new_and_known": "speechocean762, new and known speakers",
}

RATES = ("false_match_rate", "false_non_match_rate", "equal_error_rate")


def named(systems: Iterable[str]) -> list[tuple[str, str]]:
    """Each system with what it is called on the pages."""
    return [(name, CALIBRATED.get(name, name)) for name in systems]


def audit_groups(own: Any) -> str:
    """Rates by group at one shared threshold, a row a system and group."""
    systems = own["systems"]
    rows = []
    for column in ("age_group", "gender"):
        for name, words in named(systems):
            section = systems[name]["sets"]["speechocean762_new"]["groupings"][column]
            for group in section["groups"]:
                cells = [
                    with_interval(group, figure)
                    for figure in ("false_non_match_rate", "false_match_rate", "equal_error_rate")
                ]
                rows.append([f"{group['group']}, {words}", str(group["n_speakers"]), *cells])
    header = ["%, with 95 % intervals", "speakers", "own rejected", "strangers accepted", "own EER"]
    return table(header, rows)


def audit_gaps(own: Any) -> str:
    """GARBE by grouping with its interval, a row a system."""
    systems = own["systems"]
    columns = ("age_group", "gender", "age_group*gender")
    rows = []
    for name, words in named(systems):
        sections = systems[name]["sets"]["speechocean762_new"]["groupings"]
        cells = []
        for column in columns:
            garbe = next(row for row in sections[column]["measures"] if row["measure"] == "garbe")
            cells.append(f"{garbe['value']:.2f} ({garbe['low']:.2f} to {garbe['high']:.2f})")
        rows.append([words, *cells])
    return table(["GARBE (0 is alike), 95 % interval", *columns], rows)


def audit_cohorts(own: Any) -> str:
    """Worst against best: known groups and discovered cohorts, beside the paper's figures."""

    def cells(found: dict[str, Any] | None) -> list[str]:
        if found is None or found["relative_gap"] is None:
            return ["too few", "–" if found is None else f"{100 * found['share']:.0f}", "–"]
        sure = "yes" if found["certain"] else "no"
        return [f"{100 * found['relative_gap']:+.0f}", f"{100 * found['share']:.0f}", sure]

    rows = []
    for part, said in SETS.items():
        for name, words in named(own["systems"]):
            part_of = own["systems"][name]["sets"][part]
            known = part_of["known"]["worst"] if part_of["known"] else "–"
            rows.append(
                [f"{said}: {words}", known, *cells(part_of["known"]), *cells(part_of["discovered"])]
            )
    paper = own["paper"]
    numbers = [
        [f"{100 * paper[kind]['relative_gap']:+.1f}", f"{100 * paper[kind]['share']:.1f}", ""]
        for kind in ("known", "discovered")
    ]
    rows.append(["the paper, its task and data", "geo-demographic", *numbers[0], *numbers[1]])
    header = ["speakers: system", "worst known group", "gap, %", "share, %", "certain"]
    return table([*header, "found: gap, %", "share, %", "certain"], rows)


def audit_naive(own: Any) -> str:
    """What the worst discovered cohort looks like on the speakers it was picked on."""
    rows = []
    for part, said in SETS.items():
        for name, words in named(own["systems"]):
            found = own["systems"][name]["sets"][part]["discovered"]
            read, naive = found["read"], found["naive"]
            if read["difference"] is None or naive["difference"] is None:
                continue
            limits = f"{100 * read['low']:+.1f} to {100 * read['high']:+.1f}"
            rows.append(
                [
                    f"{said}: {words}",
                    str(found["n_cohorts"]),
                    f"{100 * naive['difference']:+.1f}",
                    f"{100 * read['difference']:+.1f} ({limits})",
                    found["described"] or "nothing certain",
                ]
            )
    header = ["speakers: system", "cohorts", "picked on, points", "not seen, points (95 %)"]
    return table([*header, "more than their share"], rows)


def planted_truth(own: Any) -> str:
    """How often intervals cover what was planted, and what is called certain that is not there."""
    shown = {
        "groups": (*RATES, "min_dcf", "calibration_loss"),
        "garbe": ("both",),
    }
    rows = []
    for name, found in own.items():
        if isinstance(found, dict) and "cover_percent" in found:
            cover = found["cover_percent"]
            cells = [f"{cover[kind][key]['covered']:.1f}" for kind in shown for key in shown[kind]]
            rows.append([name, *cells, f"{found['false_alarms_percent']:.1f}"])
    header = ["95 % intervals that cover the truth, %", "false matches", "false non-matches"]
    header += ["EER", "minDCF", "calibration loss", "GARBE", "audits with a false alarm"]
    return table(header, rows)


def audit_pages(own: Any) -> str:
    """What became of random small tables."""
    row = [f"{own[name]:,}" for name in ("n_tables", "n_pages", "n_refused", "n_findings")]
    return table(["random small tables", "audited", "refused", "findings"], [row])


def voice_cohorts(own: Any) -> str:
    """A row a halving: the worst by voice on speakers who were not searched, and what helps."""
    rows = []
    for result in own["halvings"]:
        cells = []
        for kind in ("worst_half", "worst_tenth"):
            found = result[kind]
            read = found["read"]
            interval = f"{100 * read['low']:+.1f} to {100 * read['high']:+.1f}"
            cells += [
                f"{100 * found['share']:.0f}",
                f"{100 * found['relative_gap']:+.0f}",
                f"{100 * read['difference']:+.1f} ({interval})",
            ]
        rows.append([str(result["halving"]), *cells])
    header = ["halving", "of all, %", "worse by, %", "points (95 %)"]
    return table([*header, "of all, %", "worse by, %", "points (95 %)"], rows)


def voice_calibrations(own: Any) -> str:
    """Change of error and gap by both calibrations, the mean over halvings."""
    rows = []
    systems = {"calibration": "by group", "membership": "by membership"}
    trade = [row for result in own["halvings"] for row in result["trade"] if "refused" not in row]
    for cohort in dict.fromkeys(row["cohort"] for row in trade):
        for system, words in systems.items():
            cells, counted = [], 0
            for figure in ("error", "gap"):
                of_figure = [
                    row
                    for row in trade
                    if (row["cohort"], row["system"], row["figure"]) == (cohort, system, figure)
                ]
                counted = len(of_figure)
                changes = [100 * row["change"] for row in of_figure]
                n_certain = sum(bool(row["certain"]) for row in of_figure)
                cells += [f"{sum(changes) / counted:+.2f}", f"{n_certain} of {counted}"]
            before = [
                100 * row["value"]
                for row in trade
                if (row["cohort"], row["system"], row["figure"]) == (cohort, "before", "gap")
            ]
            rows.append([f"{cohort}: {words}", f"{sum(before) / counted:+.1f}", *cells])
    header = ["cohort: calibration", "gap before", "error, points", "certain", "gap, points"]
    return table([*header, "certain"], rows)


GAPS = {"gap": "own EER", "gap_shared": "at one threshold"}


def group_gaps(own: Any) -> str:
    """The largest difference between groups with either model, and its change."""
    rows = []
    for name, section in own["sections"].items():
        for figure, words in GAPS.items():
            cells = [f"{100 * each[figure]:.2f}" for each in section["systems"].values()]
            change = change_cell(section["change"][figure])
            rows.append([f"{FAIR_SECTIONS[name]}: {words}", *cells, change])
    systems = [
        words if own["models"][name] == fingerprint_of(name) else "the model before"
        for name, words in named(own["models"])
    ]
    return table(["largest difference, points", *systems, "change"], rows)


BLOCKS = {
    "group_gaps": drawn(group_gaps, "group_gaps"),
    "audit_pages": drawn(audit_pages, "audit_pages"),
    "audit_groups": drawn(audit_groups, "audit_real"),
    "audit_gaps": drawn(audit_gaps, "audit_real"),
    "audit_cohorts": drawn(audit_cohorts, "audit_real"),
    "audit_naive": drawn(audit_naive, "audit_real"),
    "planted_truth": drawn(planted_truth, "planted_truth"),
    "voice_cohorts": drawn(voice_cohorts, "voice_cohorts"),
    "voice_calibrations": drawn(voice_calibrations, "voice_cohorts"),
}
