"""The tables of the model's own audit: groups, gaps and cohorts."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import SYSTEMS, figures, table, with_interval

SETS = {
    "speechocean762_new": "speechocean762, new speakers",
    "all_new": "new speakers of all corpora",
    "speechocean762_new_and_known": "speechocean762, new and known speakers",
}


def audit_groups() -> str:
    """Rates by group at one shared threshold, a row a system and group."""
    systems = figures("audit_real")["systems"]
    rows = []
    for column in ("age_group", "gender"):
        for name, words in SYSTEMS.items():
            section = systems[name]["sets"]["speechocean762_new"]["groupings"][column]
            for group in section["groups"]:
                cells = [
                    with_interval(group, figure)
                    for figure in ("false_non_match_rate", "false_match_rate", "equal_error_rate")
                ]
                rows.append([f"{group['group']}, {words}", str(group["n_speakers"]), *cells])
    header = ["%, with 95 % intervals", "speakers", "own rejected", "strangers accepted", "own EER"]
    return table(header, rows)


def audit_gaps() -> str:
    """GARBE by grouping with its interval, a row a system."""
    systems = figures("audit_real")["systems"]
    columns = ("age_group", "gender", "age_group*gender")
    rows = []
    for name, words in SYSTEMS.items():
        sections = systems[name]["sets"]["speechocean762_new"]["groupings"]
        cells = []
        for column in columns:
            garbe = next(row for row in sections[column]["measures"] if row["measure"] == "garbe")
            cells.append(f"{garbe['value']:.2f} ({garbe['low']:.2f} to {garbe['high']:.2f})")
        rows.append([words, *cells])
    return table(["GARBE (0 is alike), 95 % interval", *columns], rows)


def audit_cohorts() -> str:
    """Worst against best: known groups and discovered cohorts, beside the paper's figures."""

    def cells(found: dict[str, Any] | None) -> list[str]:
        if found is None or found["relative_gap"] is None:
            return ["too few", "–" if found is None else f"{100 * found['share']:.0f}", "–"]
        sure = "yes" if found["certain"] else "no"
        return [f"{100 * found['relative_gap']:+.0f}", f"{100 * found['share']:.0f}", sure]

    real = figures("audit_real")
    rows = []
    for part, said in SETS.items():
        for name, words in SYSTEMS.items():
            own = real["systems"][name]["sets"][part]
            known = own["known"]["worst"] if own["known"] else "–"
            rows.append(
                [f"{said}: {words}", known, *cells(own["known"]), *cells(own["discovered"])]
            )
    paper = real["paper"]
    numbers = [
        [f"{100 * paper[kind]['relative_gap']:+.1f}", f"{100 * paper[kind]['share']:.1f}", ""]
        for kind in ("known", "discovered")
    ]
    rows.append(["the paper, its task and data", "geo-demographic", *numbers[0], *numbers[1]])
    header = ["speakers: system", "worst known group", "gap, %", "share, %", "certain"]
    return table([*header, "found: gap, %", "share, %", "certain"], rows)


def audit_naive() -> str:
    """What the worst discovered cohort looks like on the speakers it was picked on."""
    rows = []
    for part, said in SETS.items():
        for name, words in SYSTEMS.items():
            found = figures("audit_real")["systems"][name]["sets"][part]["discovered"]
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


BLOCKS = {
    "audit_groups": audit_groups,
    "audit_gaps": audit_gaps,
    "audit_cohorts": audit_cohorts,
    "audit_naive": audit_naive,
}
