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

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import small_runs
from benchmarks.harness.protocols import Protocols
from benchmarks.harness.record import RESULTS, write_result
from spkid.audit import AuditResult
from spkid.audit.cohorts.findings import Findings, find_cohorts
from spkid.audit.verification import audit_scores
from spkid.files import to_json
from spkid.mitigation.groupwise import CALIBRATION, TRAINED, groupwise_calibration
from spkid.mitigation.trade import BEFORE, Trade, trade_off
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.scoring.trials import score_trials
from spkid.training.config import DataConfig
from spkid.training.data.corpora import Corpora
from spkid.training.finetune import FINE_TUNING
from spkid.training.mitigate import trained_scores
from spkid.training.recipe import Recipe

SEEDS = (1, 2)
KINDS = ("group", "discovered")
LISTS = ("verify_new_speechocean762", "verify_new_commonvoice")
GROUPINGS = ("gender", "age_group")
STRENGTH = 1e4
FALSE_MATCH_RATE = 0.05
FINE_TUNING_STEPS = 4  # a run of these takes so many times fewer steps than the first


def fine_tuning(seed: int, n_steps: int, data: Path) -> Recipe:
    """The recipe of each of the trained methods."""
    config = replace(
        FINE_TUNING,
        seed=seed,
        n_steps=n_steps,
        n_speakers=small_runs.SMALL_TRAIN.n_speakers,
        crop_s=small_runs.SMALL_TRAIN.crop_s,
        evaluate_every=n_steps,
        ewc=STRENGTH,
    )
    return Recipe(data=DataConfig(speech=str(data / "speech")), train=config)


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
        false_accept_rate=FALSE_MATCH_RATE,
    )
    return trade, trained.n_like_cohort


def main() -> None:
    arguments = small_runs.parsed(small_runs.parser(__doc__))
    protocols = Protocols.read(arguments.data / "speech")
    manifest = protocols.manifest.reset_index()
    clips = small_runs.training_clips(arguments.data)
    heard = small_runs.protocol_clips(arguments.data, protocols)
    listed = pd.concat([protocols.verify[name] for name in LISTS], ignore_index=True)
    n_steps = max(1, arguments.steps // FINE_TUNING_STEPS)
    results = []
    for seed in SEEDS:
        recipe = small_runs.small_recipe(seed=seed, n_steps=arguments.steps)
        start = small_runs.small_run(f"plain-{seed}", recipe, clips)
        vectors = small_runs.run_embeddings(start, heard)
        audit = audit_scores(
            listed.assign(score=score_trials(listed, vectors)),
            manifest,
            GROUPINGS,
            false_match_rate=FALSE_MATCH_RATE,
        )
        found = find_cohorts(audit, manifest, title="small network", embeddings=vectors)
        for kind in KINDS:
            folder = start / f"mitigation-{kind}-{n_steps}"
            cohort = worst_of(kind, found, folder / "audit")
            if cohort is None:
                print(f"seed {seed}: no {kind} cohort is worse off")
                results.append({"seed": seed, "kind": kind, "cohort": None, "trade": []})
                continue
            tuning = fine_tuning(seed, n_steps, arguments.data)
            trade, n_like = traded(cohort, found, manifest, start, tuning, clips, folder)
            print(f"seed {seed}, {cohort.words}")
            for system in trade.systems:
                error, gap = (trade.at(system, figure) for figure in ("error", "gap"))
                print(
                    f"  {system}: error {100 * error.value:.2f} %, gap {100 * gap.value:+.2f} "
                    f"points (change {100 * gap.change:+.2f}, {100 * gap.change_low:+.2f} to "
                    f"{100 * gap.change_high:+.2f})"
                )
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
    figures = {
        "n_steps": arguments.steps,
        "n_steps_fine_tuning": n_steps,
        "strength": STRENGTH,
        "lists": LISTS,
        "mean_change_of_gap": {
            system: float(
                np.mean(
                    [
                        row["change"]
                        for result in results
                        for row in result["trade"]
                        if row["system"] == system and row["figure"] == "gap"
                    ]
                )
            )
            for system in (*TRAINED, CALIBRATION)
        },
        "results": results,
    }
    command = small_runs.command("mitigation", arguments)
    out = arguments.out or RESULTS / "mitigation.json"
    write_result(out, json.loads(to_json(figures)), command=command, seed=SEEDS[0])


if __name__ == "__main__":
    main()
