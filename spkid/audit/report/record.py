"""An audit as JSON, CSV tables and the list of the speakers who are worst off."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from spkid import __version__
from spkid.audit.cohorts.findings import Cohort, Findings
from spkid.audit.report.conclusion import conclusion
from spkid.audit.report.frequencies import frequencies
from spkid.audit.report.glossary import terms_of
from spkid.audit.report.words import cohort_sentence, limits, method, verdict
from spkid.data.cells import to_csv
from spkid.files import to_json

SCHEMA = Path(__file__).parents[2] / "schemas" / "audit.schema.json"
COHORT_FILE = "cohort.csv"
TABLES = (
    "overall",
    "groups",
    "small",
    "measures",
    "differences",
    "cohorts",
    "cohort",
    "discovered",
)


def audit_record(findings: Findings) -> dict[str, Any]:
    """All figures as plain values, as ``schemas/audit.schema.json`` describes them."""
    audit = findings.audit
    worst = findings.worst
    return {
        "spkid": __version__,
        "kind": audit.kind,
        "title": findings.title,
        "origin": None if findings.origin is None else dataclasses.asdict(findings.origin),
        "conclusion": [dataclasses.asdict(each) for each in conclusion(findings)],
        "verdict": verdict(findings),
        "left_out": [dataclasses.asdict(each) for each in audit.left_out],
        "checks": [dataclasses.asdict(each) for each in findings.checks],
        "notes": [*audit.notes, *findings.notes],
        "method": method(findings),
        "limits": limits(findings),
        "glossary": terms_of(audit),
        "threshold": None if audit.threshold is None else dataclasses.asdict(audit.threshold),
        "n_trials": len(audit.trials),
        "n_unmatched": audit.n_unmatched,
        "n_resamples": audit.n_resamples,
        "seed": audit.seed,
        "alpha": audit.alpha,
        "figures": [{"name": each.name, "words": each.words} for each in audit.figures],
        "overall": audit.overall.to_dict("records"),
        "groupings": [
            {
                "name": section.name,
                "columns": list(section.columns),
                "side": section.side,
                "n_unknown": section.n_unknown,
                "n_across": section.n_across,
                "frequencies": [dataclasses.asdict(each) for each in frequencies(audit, section)],
                "groups": section.groups.to_dict("records"),
                "small": section.small.to_dict("records"),
                "pooled": section.pooled.to_dict("records"),
                "mistaken": section.mistaken.to_dict("records"),
                "measures": section.measures.to_dict("records"),
                "differences": section.differences.to_dict("records"),
            }
            for section in audit.groupings
        ],
        "cohorts": [cohort_row(each) for each in findings.cohorts],
        "worst_cohort": None
        if worst is None
        else {**cohort_row(worst), "words": cohort_sentence(worst, audit), "file": COHORT_FILE},
        "discovery": discovery_record(findings),
        "tree": tree_record(findings),
    }


def cohort_row(cohort: Cohort) -> dict[str, Any]:
    """One cohort without the names of its speakers."""
    read = dataclasses.asdict(cohort.read)
    return {
        "kind": cohort.kind,
        "name": cohort.name,
        "grouping": cohort.grouping or None,
        "group": cohort.group or None,
        "labels": list(cohort.labels),
        "conditions": [dataclasses.asdict(each) for each in cohort.conditions],
        "n_speakers": len(cohort.speakers),
        "n_read": read.pop("n_speakers"),
        "share": cohort.share,
        "certain": cohort.certain if cohort.kind == "group" else cohort.read.certain,
        **read,
    }


def discovery_record(findings: Findings) -> dict[str, Any] | None:
    """Cohorts found without labels; None where none were searched for."""
    found = findings.discovery
    if found is None:
        return None
    return {
        "share": found.share,
        "seed": found.seed,
        "read": dataclasses.asdict(found.read),
        "naive": dataclasses.asdict(found.naive),
        "stability": found.stability.to_dict("records"),
        "cohorts": [
            {
                **row,
                "described": findings.described[row["cohort"]],
                "typical_clips": found.typical[found.typical["cohort"] == row["cohort"]][
                    ["path", "cosine"]
                ].to_dict("records"),
            }
            for row in found.table.to_dict("records")
        ],
        "over_represented": findings.over_represented.to_dict("records"),
    }


def tree_record(findings: Findings) -> dict[str, Any] | None:
    """The leaves of the cohort tree; None where none was grown."""
    tree = findings.tree
    if tree is None:
        return None
    return {
        "columns": list(tree.columns),
        "categories": {column: list(values) for column, values in tree.categories.items()},
        "n_grown": tree.n_grown,
        "n_read": tree.n_read,
        "seed": tree.seed,
        "leaves": [
            {
                "rule": leaf.rule,
                "conditions": [dataclasses.asdict(each) for each in leaf.conditions],
                "n_grown": leaf.n_grown,
                "error_grown": leaf.error_grown,
                "certain": leaf.read.certain,
                "read": dataclasses.asdict(leaf.read),
            }
            for leaf in tree.leaves
        ],
    }


def headline_figures(findings: Findings) -> dict[str, dict[str, float]]:
    """For each grouping the figures that a condition may name.

    ``garbe``, ``fdr``, ``inequity_rate``, then ``gap_<figure>``, ``ratio_<figure>`` and
    ``standard_deviation_<figure>``, ``n_certain`` (differences of rates).
    """
    rates = findings.audit.rates
    figures = {}
    for section in findings.audit.groupings:
        own = {
            row["measure"] + (f"_{row['figure']}" if row["figure"] else ""): float(row["value"])
            for row in section.measures.to_dict("records")
        }
        differences = section.differences
        is_rate = differences["figure"].isin(rates)
        own["n_certain"] = float(differences["certain"][is_rate].astype(bool).sum())
        figures[section.name] = own
    return figures


def record_files(findings: Findings) -> dict[str, str]:
    """``audit.json``, the tables as CSV and ``cohort.csv``, by name.

    ``cohort.csv`` has a row a speaker of the worst cohort (``speaker``, ``cohort``,
    ``certain``), known or found; it is empty but for its header where there is none.
    """
    audit = findings.audit

    def stacked(name: str) -> pd.DataFrame:
        tables = [
            getattr(section, name).assign(grouping=section.name) for section in audit.groupings
        ]
        table = pd.concat(tables, ignore_index=True)
        return table[["grouping", *table.columns.drop("grouping")]]

    worst = findings.worst
    members = {"speaker": [] if worst is None else list(worst.speakers)}
    cohort = pd.DataFrame(members, dtype=str).assign(
        cohort="" if worst is None else worst.name,
        certain=False if worst is None else worst.certain,
    )
    tables = {
        "overall.csv": audit.overall,
        "groups.csv": stacked("groups"),
        "small.csv": stacked("small"),
        "measures.csv": stacked("measures"),
        "differences.csv": stacked("differences"),
        "cohorts.csv": pd.DataFrame(map(cohort_row, findings.cohorts)).drop(
            columns=["conditions", "labels"], errors="ignore"
        ),
        COHORT_FILE: cohort,
    }
    if findings.discovery is not None:
        tables["discovered.csv"] = findings.discovery.members
    texts = {name: to_csv(table) for name, table in tables.items()}
    return {**texts, "audit.json": to_json(audit_record(findings)) + "\n"}
