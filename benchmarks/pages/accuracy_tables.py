"""The tables of errors on trial lists and in simulated homes."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.harness.result_files import (
    CALIBRATED,
    LISTS,
    drawn,
    percent,
    table,
    with_interval,
)

GROUPED = ("verify_new_speechocean762", "verify_known_speechocean762", "verify_new_commonvoice")
MODELS = ("accurate", "small")
HOMES = {
    "households_new_speechocean762": "new",
    "households_known_speechocean762": "known",
}
MICROPHONES = {
    "as_recorded": "as recorded",
    "test_side": "one side through another microphone",
    "both_sides": "both sides",
}
NORMS = {"calibrated": "as shipped", "raw_cosines": "raw cosine", "normalized": "s-norm"}


def verification(*each: Any) -> str:
    """EER of each list and group, a column a system."""
    systems = {name: own["verify"] for name, own in zip(CALIBRATED, each, strict=True)}
    rows = []
    for name, words in LISTS.items():
        row = [percent(lists[name]["equal_error_rate"]) for lists in systems.values()]
        rows.append([words, *row])
        if name in GROUPED:
            for group in systems["accurate"][name]["group_eer"]:
                own = [percent(lists[name]["group_eer"].get(group)) for lists in systems.values()]
                rows.append([f"– {group}", *own])
    return table(["EER, %", *CALIBRATED.values()], rows)


def headline(*each: Any) -> str:
    """The README's one table: what a household and an audit are told, beside the peers."""
    names = ("accurate", "small", "resemblyzer", "cam_plus_plus_calibrated")
    systems = dict(zip(CALIBRATED, each, strict=True))
    new, many = "verify_new_speechocean762", "verify_new_commonvoice"
    rows = [["members missed, 5 % of strangers let in"]]
    rows[0] += [
        percent(systems[name]["households"]["households_new_speechocean762"]["all"]["fnir"])
        for name in names
    ]
    for words, trials, group in (
        ("two clips, adults", new, "adult"),
        ("two clips, children", new, "child"),
        ("two clips, 59 languages, men", many, "male"),
        ("two clips, 59 languages, women", many, "female"),
    ):
        errors = (systems[name]["verify"][trials]["group_eer"][group] for name in names)
        rows.append([words, *map(percent, errors)])
    return table(["errors, %", *(CALIBRATED[name] for name in names)], rows)


def detection_costs(own: Any) -> str:
    """A model's other figures on each list."""
    lists = own["verify"]
    rows = [
        [
            words,
            str(lists[name]["n_target"] + lists[name]["n_impostor"]),
            percent(lists[name]["equal_error_rate"]),
            *(f"{lists[name][key]:.3f}" for key in ("min_dcf_001", "min_dcf_005")),
            *(f"{lists[name][key]:.3f}" for key in ("cllr", "min_cllr")),
        ]
        for name, words in LISTS.items()
    ]
    header = ["list", "trials", "EER, %", "minDCF 0.01", "minDCF 0.05", "Cllr", "min. Cllr"]
    return table(header, rows)


def misses(*each: Any) -> str:
    """Members missed at 5 % of guests accepted, a column a system."""
    systems = {name: own["households"] for name, own in zip(CALIBRATED, each, strict=True)}
    rows = []
    for protocol, words in HOMES.items():
        for row in systems["accurate"][protocol]:
            own = [percent(homes[protocol][row]["fnir"]) for homes in systems.values()]
            rows.append([f"{words}, {row}", *own])
    return table(["members missed at 5 % of guests accepted, %", *CALIBRATED.values()], rows)


def homes(own: Any) -> str:
    """A model's figures over simulated homes."""
    protocols = own["households"]
    rows = []
    for protocol, words in HOMES.items():
        for row, rates in protocols[protocol].items():
            strict = protocols[f"{protocol} at 1 %"][row]
            keys = ("closed_set_error", "fnir", "open_set_eer", "shipped_fpir", "shipped_fnir")
            cells = [percent(rates[key]) for key in keys]
            rows.append([f"{words}, {row}", *cells[:2], percent(strict["fnir"]), *cells[2:]])
    header = [
        "homes, %",
        "closed-set error",
        "misses at 5 % guests",
        "misses at 1 % guests",
        "open-set EER",
        "shipped 5 % threshold: guests",
        "misses",
    ]
    return table(header, rows)


def other_days(*each: Any) -> str:
    """Homes of callers on other days, at both stated rates, by each model."""
    header = ["homes, %", "taken for another", "open-set EER"]
    for rate in each[0]["rates"]:
        header += [
            f"misses at {float(rate):.0%} guests",
            f"shipped {float(rate):.0%}: guests / misses",
        ]
    rows = []
    for number, own in enumerate(each):
        model = f"{MODELS[number]}, " if len(each) > 1 else ""
        for words, found in next(iter(own["rates"].values())).items():
            row = [
                model + words,
                percent(found["closed_set_error"]),
                percent(found["open_set_eer"]),
            ]
            for figures in own["rates"].values():
                shipped = (percent(figures[words][f"shipped_{key}"]) for key in ("fpir", "fnir"))
                row += [percent(figures[words]["fnir"]), " / ".join(shipped)]
            rows.append(row)
    return table(header, rows)


def homes_sizes(own: Any) -> str:
    """Homes of two to ten members: by size, then by enrollment clips, then by kind."""
    cells = {(row["kind"], row["size"], row["n_clips"]): row for row in own["cells"]}
    shown = {f"{size} members": ("mixed", size, 3) for size in (2, 3, 4, 6, 8, 10)}
    shown |= {
        "6 members, 1 clip": ("mixed", 6, 1),
        "6 members, 5 clips": ("mixed", 6, 5),
        "6 members, same gender": ("same-gender", 6, 3),
        "6 members, family": ("family", 6, 3),
        "6 members, many languages": ("languages", 6, 3),
    }
    rows = []
    for words, key in shown.items():
        cell = cells[key]
        row = [words, percent(cell["closed_set_error"])]
        row += [with_interval(cell, "at_rate_0.05_fnir"), percent(cell["at_rate_0.01_fnir"])]
        for far in ("0.05", "0.01"):
            for decision in ("shipped", "own"):
                rates = (cell[f"{decision}_{far}_{figure}"] for figure in ("fpir", "fnir"))
                row.append(" / ".join(percent(rate) for rate in rates))
        rows.append(row)
    header = ["homes (mixed, 3 clips each), %", "taken for another", "misses at 5 % guests (95 %)"]
    header += ["at 1 %", "shipped 5 %: guests / misses", "own 5 %", "shipped 1 %", "own 1 %"]
    return table(header, rows)


def score_norm(own: Any) -> str:
    """Error as shipped, of raw cosines and with adaptive s-norm."""
    rows = []
    for name, words in LISTS.items():
        errors = own["verify"][name]["equal_error_rate"]
        rows.append([f"EER, {words}", *(percent(errors[system]) for system in NORMS)])
    for name, words in HOMES.items():
        for key, far in (("fnir_at_0.05", "5 %"), ("fnir_at_0.01", "1 %")):
            systems = (own["households"][name][system] for system in NORMS)
            cells = [percent(system[key]) for system in systems]
            rows.append([f"misses at {far} of guests, homes of {words} speakers", *cells])
    return table(["%", *NORMS.values()], rows)


def landmarks(own: Any) -> str:
    """EER of each corpus by how the crowd is counted, and the mean."""
    corpora = list(next(iter(own["errors"].values())))
    rows = [
        [way, *map(percent, errors.values()), percent(statistics.mean(errors.values()))]
        for way, errors in own["errors"].items()
    ]
    return table(["EER, %", *corpora, "mean"], rows)


def microphones(own: Any) -> str:
    """EER of raw cosines as recorded and through other microphones, by system."""
    systems = list(next(iter(own.values())))
    rows = [
        [words, *(percent(own[name][system][key]) for system in systems for key in MICROPHONES)]
        for name, words in LISTS.items()
    ]
    header = [f"{system}, {words}" for system in systems for words in MICROPHONES.values()]
    return table(["EER of raw cosines, %", *header], rows)


SYSTEMS = [f"accuracy_{name}" for name in CALIBRATED]
BLOCKS = {
    "headline": drawn(headline, *SYSTEMS),
    "verification": drawn(verification, *SYSTEMS),
    "detection_costs": drawn(detection_costs, "accuracy_small"),
    "detection_costs_accurate": drawn(detection_costs, "accuracy_accurate"),
    "homes_accurate": drawn(homes, "accuracy_accurate"),
    "misses": drawn(misses, *SYSTEMS),
    "homes": drawn(homes, "accuracy_small"),
    "homes_sizes": drawn(homes_sizes, "homes"),
    "other_days": drawn(other_days, *(f"other_days_{model}" for model in MODELS)),
    "score_norm": drawn(score_norm, "score_norm"),
    "landmarks": drawn(landmarks, "landmarks"),
    "microphones": drawn(microphones, "microphones"),
}
