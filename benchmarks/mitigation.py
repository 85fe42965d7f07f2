"""What can be done about the worst cohort, and what it costs.

    python -m benchmarks.mitigation --data DIR

A small network (see `small_runs.py`) is trained and audited on new speakers of two corpora, by
label and by voice. For the worst known group and for the discovered cohort, four mitigations:
re-weighting, oversampling, fine-tuning with elastic consolidation, calibration by group. They
train on speakers who are not audited, are chosen on the half of the audited speakers that was
searched, and are read on the other half: overall error and gap with 95 % intervals over
resampled speakers, paired with before. Two seeds. Writes `benchmarks/results/mitigation.json`.
Two long and twelve short runs; a stopped benchmark goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.small_runs import FINE_TUNING_SHARE, N_STEPS, SmallStudy, fine_tuning
from benchmarks.pages.audit_tables import mitigation
from spkid.audit import AuditResult
from spkid.audit.cohorts.findings import Findings, find_cohorts
from spkid.audit.verification import audit_scores
from spkid.mitigation.groupwise import CALIBRATION, TRAINED, groupwise_calibration
from spkid.mitigation.trade import BEFORE, Trade, trade_off
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.scoring.trials import score_trials
from spkid.training.config import DataConfig
from spkid.training.data.corpora import Corpora
from spkid.training.mitigate import trained_scores
from spkid.training.recipe import Recipe

SEEDS = (1, 2)
KINDS = ("group", "discovered")
LISTS = ("verify_new_speechocean762", "verify_new_commonvoice")
GROUPINGS = ("gender", "age_group")
STRENGTH = 1e4
FALSE_MATCH_RATE = 0.05


def worst_of(kind: str, found: Findings, folder: Path) -> WorstCohort | None:
    """The worst cohort of one kind, by way of the files that an audit writes; None without."""
    own = replace(found, cohorts=tuple(each for each in found.cohorts if each.kind == kind))
    if own.worst is None:
        return None
    AuditResult(own).save(folder)
    return WorstCohort.read(folder)


def traded(
    cohort: WorstCohort,
    found: Findings,
    manifest: pd.DataFrame,
    start: Path,
    recipe: Recipe,
    clips: Corpora,
    folder: Path,
) -> tuple[Trade, int]:
    """The trade, and the training speakers who are like the cohort."""
    trials = found.audit.trials
    trained = trained_scores(
        recipe,
        start / "encoder.safetensors",
        methods=TRAINED,
        cohort=cohort,
        metadata=manifest,
        trials=trials,
        out=folder,
        corpora=clips,
    )
    choosing = cohort.choosing(trials)
    calibrated = groupwise_calibration(
        trials, trained.scores[BEFORE], cohort=cohort.speakers, choosing=choosing
    )
    trade = trade_off(
        trials,
        {**trained.scores, CALIBRATION: calibrated},
        cohort=cohort.speakers,
        choosing=choosing,
        may_be_chosen=TRAINED,
        false_match_rate=FALSE_MATCH_RATE,
    )
    return trade, trained.n_like_cohort


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """What each method does to error and gap, of each seed and kind of cohort."""
    study = SmallStudy(data, steps)
    manifest = study.protocols.manifest.reset_index()
    listed = pd.concat([study.protocols.verify[name] for name in LISTS], ignore_index=True)
    n_steps = max(1, steps // FINE_TUNING_SHARE)
    results: list[Figures] = []
    for seed in SEEDS:
        start = study.run("plain", seed=seed)
        vectors = study.vectors(start)
        audit = audit_scores(
            listed.assign(score=score_trials(listed, vectors)),
            manifest,
            GROUPINGS,
            false_accept_rate=FALSE_MATCH_RATE,
        )
        found = find_cohorts(audit, manifest, title="small network", embeddings=vectors)
        tuning = Recipe(
            data=DataConfig(speech=str(study.speech)),
            train=fine_tuning(seed=seed, n_steps=n_steps, strength=STRENGTH),
        )
        for kind in KINDS:
            folder = start / f"mitigation-{kind}-{n_steps}"
            cohort = worst_of(kind, found, folder / "audit")
            if cohort is None:
                results.append({"seed": seed, "kind": kind, "cohort": None, "trade": []})
                continue
            trade, n_like = traded(cohort, found, manifest, start, tuning, study.clips, folder)
            results.append(
                {
                    "seed": seed,
                    "kind": kind,
                    "cohort": cohort.name,
                    "chosen": trade.chosen or None,
                    "n_like_cohort": n_like,
                    "n_choosing": trade.n_choosing,
                    "n_read": trade.n_read,
                    "n_read_cohort": trade.n_read_cohort,
                    "choosing": trade.choosing.to_dict("records"),
                    "trade": trade.table.to_dict("records"),
                }
            )
    gaps = [row for own in results for row in own["trade"] if row["figure"] == "gap"]
    return {
        "n_steps": steps,
        "n_steps_fine_tuning": n_steps,
        "strength": STRENGTH,
        "lists": LISTS,
        "mean_change_of_gap": {
            system: float(np.mean([row["change"] for row in gaps if row["system"] == system]))
            for system in (*TRAINED, CALIBRATION)
        },
        "results": results,
    }


BENCHMARK = Benchmark("mitigation", measure, (mitigation,), seed=SEEDS[0])

if __name__ == "__main__":
    BENCHMARK.main()
