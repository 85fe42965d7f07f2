"""Audits of real speech: children and adults, and cohorts found against groups that are known.

    python -m benchmarks.audit_real --data DIR [--others FOLDER]

Both bundled models, whose vectors are kept in `runs/`. FOLDER holds tables of vectors of other
systems, `NAME.npz`, as `spkid embed` and `benchmarks.model.embed_clips` write them. Some minutes;
with the vectors there, one minute a system.

Speaker sets: the new speakers of speechocean762, of all corpora, and the new with the known
speakers of speechocean762 (the known were in the bundled models' training data).
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.pages.audit_tables import audit_cohorts, audit_gaps, audit_groups, audit_naive
from spkid.audit.cohorts.findings import Findings, find_cohorts
from spkid.audit.comparison import compare_audits
from spkid.audit.result import Audit
from spkid.audit.verification import RATES, audit_scores
from spkid.data.manifest import read_manifest
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.calibration import bundled_or_raw
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
SIDES = ("enroll", "test")
OURS = ("accurate", "small")
COMPARED = "speechocean762_new"  # where ours is held against other systems
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


def known_gap(findings: Findings) -> Figures | None:
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
    worst = max(groups, key=lambda each: each.read.error)
    best = min(groups, key=lambda each: each.read.error)
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


def discovered_gap(findings: Findings) -> Figures:
    """The worst cohorts merged against the best cohort, on speakers that were not searched."""
    found = findings.discovery
    assert found is not None  # vectors were given
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


def figures_of(audit: Audit, findings: Findings) -> Figures:
    """Rates by group, measures and cohorts of one set."""
    assert audit.threshold is not None  # an audit of scores has one
    figures: Figures = {
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
        for leaf in (findings.tree.leaves if findings.tree else ())
    ]
    return figures


def audited(
    embeddings: EmbeddingTable, trials: pd.DataFrame, manifest: pd.DataFrame, name: str, seed: int
) -> tuple[Audit, Findings]:
    """The audit of one system on one set of speakers, and its cohorts."""
    scores = calibrated_trials(trials, embeddings, bundled_or_raw(embeddings.model))
    audit = audit_scores(
        trials.assign(score=scores),
        manifest,
        GROUPINGS,
        false_accept_rate=FALSE_MATCH_RATE,
        seed=seed,
    )
    findings = find_cohorts(
        audit, manifest, title=name, tree_columns=TREE, embeddings=embeddings, seed=seed
    )
    return audit, findings


def measure(data: Data, others: Path | None = None, seed: Seed = 0) -> Figures:
    """Figures of every system on every set, and of ours against each other one."""
    speech = data / "speech"
    manifest = read_manifest(speech / "manifest.csv")
    names = sorted({name for lists in SETS.values() for name in lists})
    lists = {name: read_trials(speech / "protocols" / f"{name}.txt") for name in names}
    paths = sorted(set().union(*(own[side] for own in lists.values() for side in SIDES)))
    systems = {name: bundled_embeddings(speech, paths, model=name) for name in OURS}
    for file in sorted(others.glob("*.npz")) if others else ():
        systems[file.stem] = EmbeddingTable.load(file)
    figures: Figures = {"false_match_rate": FALSE_MATCH_RATE, "paper": PAPER, "systems": {}}
    audits: dict[str, Audit] = {}
    for system, embeddings in systems.items():
        own: Figures = {"model": embeddings.model, "sets": {}}
        figures["systems"][system] = own
        for name, parts in SETS.items():
            trials = pd.concat([lists[part] for part in parts], ignore_index=True)
            audit, findings = audited(embeddings, trials, manifest, name, seed)
            own["sets"][name] = figures_of(audit, findings)
            if name == COMPARED:
                audits[system] = audit
    figures[f"{OURS[0]}_against"] = {
        other: compare_audits(
            audits[other], audits[OURS[0]], names=(other, OURS[0]), seed=seed
        ).table.to_dict("records")
        for other in systems
        if other != OURS[0]
    }
    return figures


TABLES = (audit_groups, audit_gaps, audit_cohorts, audit_naive)
BENCHMARK = Benchmark("audit_real", measure, TABLES)

if __name__ == "__main__":
    BENCHMARK.main()
