"""Audits of real speech: children and adults, and cohorts found against groups that are known.

    python -m benchmarks.audit_real --data DIR --other resemblyzer=FILE.npz --other NAME=FILE.npz

`DIR` (default: $SPKID_DATA) holds `speech/manifest.csv` and `speech/protocols/`. The bundled
model's vectors are kept in `runs/accuracy.npz`; `--other` takes vectors of other systems, as
`spkid embed` writes them. Writes `benchmarks/results/audit_real.json`. Some minutes; with the
bundled model's vectors there, one minute a system.

Speaker sets: the new speakers of speechocean762, of all corpora, and the new with the known
speakers of speechocean762 (the known were in the bundled model's training data).
"""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmarks.accuracy import bundled_embeddings
from benchmarks.harness.record import RESULTS, write_result
from spkid.audit.cohorts.findings import Findings, find_cohorts
from spkid.audit.comparison import compare_audits
from spkid.audit.result import Audit
from spkid.audit.verification import RATES, audit_scores
from spkid.cli.evaluation import calibration_for
from spkid.data.manifest import read_manifest
from spkid.data.score_files import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.files import to_json
from spkid.scoring.trials import calibrated_trials

SETS = {
    "speechocean762_new": ("verify_new_speechocean762",),
    "all_new": (
        "verify_new_arabic-commands",
        "verify_new_commonvoice",
        "verify_new_librispeech",
        "verify_new_speechocean762",
    ),
    "speechocean762_new_and_known": (
        "verify_known_speechocean762",
        "verify_new_speechocean762",
    ),
}
KNOWN = "age_group*gender"  # the groups that discovered cohorts are held against
GROUPINGS = ("age_group", "gender", KNOWN)
TREE = ("corpus", "age_group", "gender", "language", "native_language")
FALSE_MATCH_RATE = 0.05
# Dheram et al., Interspeech 2022, on their own task and data
PAPER = {
    "discovered": {"relative_gap": 0.65, "share": 0.10},
    "known": {"relative_gap": 0.417, "share": 0.008},
}


def relative_gap(worst: float, best: float) -> float | None:
    """How much larger the worst error is than the best, as a share of the best."""
    return None if not best > 0 else (worst - best) / best


def known_gap(findings: Findings) -> dict | None:
    """Worst and best of the known groups that are large enough, in the mean of both rates."""
    groups = [
        each
        for each in findings.cohorts
        if each.kind == "group"
        and each.name.startswith(f"{KNOWN}: ")
        and not math.isnan(each.read.error)
    ]
    if len(groups) < 2:
        return None
    worst, best = (choose(groups, key=lambda each: each.read.error) for choose in (max, min))
    return {
        "worst": worst.name.partition(": ")[2],
        "best": best.name.partition(": ")[2],
        "error": worst.read.error,
        "error_best": best.read.error,
        "relative_gap": relative_gap(worst.read.error, best.read.error),
        "share": worst.share,
        "read": asdict(worst.read),
        "certain": worst.read.low > 0,
    }


def discovered_gap(findings: Findings) -> dict:
    """The worst cohorts merged against the best cohort, on speakers that were not searched."""
    found = findings.discovery
    best = found.table[~found.table["worst"]].nsmallest(1, "error_shrunk").iloc[0]
    worst = int(found.table["cohort"][found.table["worst"]].iloc[0])
    return {
        "n_cohorts": len(found.table),
        "error": found.read.error,
        "error_best": best["error_read"],
        "relative_gap": relative_gap(found.read.error, best["error_read"]),
        "share": found.share,
        "read": asdict(found.read),
        "naive": asdict(found.naive),
        "certain": found.read.low > 0,
        "described": findings.described[worst],
        "stability": found.stability.to_dict("records"),
    }


def figures_of(audit: Audit, findings: Findings) -> dict:
    """Rates by group, measures and cohorts of one set."""
    figures: dict = {
        "n_trials": len(audit.trials),
        "threshold": audit.threshold.value,
        "overall": audit.overall[audit.overall["figure"].isin(RATES)].to_dict("records"),
        "groupings": {},
    }
    for section in audit.groupings:
        columns = [f"{rate}{end}" for rate in RATES for end in ("", "_low", "_high")]
        counts = ["group", "n_speakers", "n_target", "n_impostor", "judged"]
        measures = section.measures[section.measures["figure"].isin(["", *RATES])]
        differences = section.differences[section.differences["figure"].isin(RATES)]
        figures["groupings"][section.name] = {
            "groups": section.groups[counts + columns].to_dict("records"),
            "measures": measures.to_dict("records"),
            "differences": differences.to_dict("records"),
        }
    figures["known"] = known_gap(findings)
    figures["discovered"] = discovered_gap(findings)
    figures["tree"] = [
        {"rule": leaf.rule, "n_grown": leaf.n_grown, "read": asdict(leaf.read)}
        for leaf in findings.tree.leaves
    ]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    parser.add_argument("--other", action="append", default=[], metavar="NAME=FILE.npz")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set SPKID_DATA")
    speech = Path(arguments.data) / "speech"
    manifest = read_manifest(speech / "manifest.csv")
    names = sorted({name for lists in SETS.values() for name in lists})
    lists = {name: read_trials(speech / "protocols" / f"{name}.txt") for name in names}
    paths = sorted(
        {path for table in lists.values() for path in (*table["enroll"], *table["test"])}
    )
    systems = {"bundled": bundled_embeddings(speech, paths)}
    for word in arguments.other:
        name, _, file = word.partition("=")
        systems[name] = EmbeddingTable.load(file)

    figures: dict = {"false_match_rate": FALSE_MATCH_RATE, "paper": PAPER, "systems": {}}
    audits: dict[str, dict[str, Audit]] = {}
    for system, embeddings in systems.items():
        own = figures["systems"][system] = {"model": embeddings.model, "sets": {}}
        audits[system] = {}
        calibration = calibration_for(embeddings)
        for name, parts in SETS.items():
            trials = pd.concat([lists[part] for part in parts], ignore_index=True)
            trials["score"] = calibrated_trials(trials, embeddings, calibration)
            audit = audit_scores(
                trials,
                manifest,
                GROUPINGS,
                false_accept_rate=FALSE_MATCH_RATE,
                seed=arguments.seed,
            )
            findings = find_cohorts(
                audit,
                manifest,
                title=name,
                tree_columns=TREE,
                embeddings=embeddings,
                seed=arguments.seed,
            )
            audits[system][name] = audit
            own["sets"][name] = figures_of(audit, findings)
            print(system, name, json.dumps(to_plain(own["sets"][name]["discovered"]))[:300])
    figures["bundled_against"] = {
        other: compare_audits(
            audits[other]["speechocean762_new"],
            audits["bundled"]["speechocean762_new"],
            names=(other, "bundled"),
            seed=arguments.seed,
        ).table.to_dict("records")
        for other in systems
        if other != "bundled"
    }
    command = "python -m benchmarks.audit_real"
    for word in arguments.other:
        name, _, file = word.partition("=")
        command += f" --other {name}=runs/teacher/{Path(file).name}"
    write_result(
        RESULTS / "audit_real.json", to_plain(figures), command=command, seed=arguments.seed
    )


def to_plain(figures: dict) -> dict:
    """NaN becomes null."""
    return json.loads(to_json(figures))


if __name__ == "__main__":
    main()
