"""Fairness trained in: what each method does to error and gaps, of the accurate model.

    python -m benchmarks.fair_training --data DIR

The trunk of the accurate model stays as it is; what stands above it (attention, pooling, the last
layer) is trained further from where it is, with the angular prototypical loss and each method in
turn, three seeds each, on a second of each crop (see `harness/trunk_frames.py`). Strengths are
chosen on held-out training speakers. Read on speakers whom neither training heard, two seconds of
each clip: the trial lists, corpora that were left out, and all of them together; by age, sex,
language region and cohorts that were found by voice among the training speakers. Changes are
against the plain run, with 95 % intervals over resampled speakers. Writes
`benchmarks/results/fair_training.json`. The trunk takes a quarter of an hour of one core, the runs
half an hour; a stopped benchmark goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.fair_study import ENCODER, N_STEPS, TRAIN, Study, curve
from benchmarks.harness.gaps import (
    FIGURES,
    N_RESAMPLES,
    Section,
    change_of,
    mark_certain,
    section_figures,
)
from benchmarks.harness.small_runs import mean_of, run_facts
from benchmarks.harness.trunk_frames import frame_vectors
from benchmarks.pages.training_tables import (
    fair_training,
    fair_training_before,
    fair_training_gaps,
    fair_training_shared,
)
from spkid.encoder.vectors import Floats
from spkid.mitigation.groupwise import groupwise_calibration
from spkid.mitigation.membership import membership_calibration, trial_membership
from spkid.scoring.trials import score_trials
from spkid.training.config import FORMS

SEEDS = (1, 2, 3)
LEARNING_RATES = (3e-4, 1e-3)
ADVERSARY_RATES = (0.01, 0.03, 0.1)
STRENGTHS = (1e2, 1e4, 1e6)
AS_PLAIN = ("plain", "balanced", "oversampling")  # what differs is who is drawn
BASES = ("plain", "before")  # what is compared with
PAPER = {"equal_error_rate": -0.076, "gap": -0.17, "deviation": -0.10}


def calibrated(study: Study, encoder: Path) -> dict[str, Floats]:
    """Scores by both calibrations, which are fitted on training speakers; ``[trials]`` each."""
    trials = pd.concat([study.fitted, study.trials], ignore_index=True)
    table, choosing = study.fitted_vectors(encoder), set(study.fitted["enroll_speaker"])
    scores, shares = score_trials(trials, table), trial_membership(trials, table, choosing=choosing)
    by_group = groupwise_calibration(trials, scores, cohort=study.children, choosing=choosing)
    by_voice = membership_calibration(trials, scores, shares, choosing=choosing)
    n_fitted = len(study.fitted)
    return {"calibration": by_group[n_fitted:], "membership": by_voice[n_fitted:]}


def told(sections: dict[str, Section], systems: dict[str, list[Floats]]) -> Figures:
    """Every system's figures in every section, and their changes from ``BASES``."""
    found: Figures = {}
    for name, section in sections.items():
        runs = {
            system: [section_figures(section, own[section.at]) for own in scores]
            for system, scores in systems.items()
        }
        means = {system: mean_of(own) for system, own in runs.items()}
        found[name] = {
            "n_trials": len(section.at),
            "n_speakers": section.n_speakers,
            "systems": {
                system: {
                    "by_seed": [float(run["equal_error_rate"][0]) for run in runs[system]],
                    **{figure: float(values[0]) for figure, values in own.items()},
                    "change": {
                        base: {each: change_of(own[each], means[base][each]) for each in FIGURES}
                        for base in BASES
                        if system != base
                    },
                }
                for system, own in means.items()
            },
        }
    for base in BASES:
        marked = [
            change
            for section in found.values()
            for own in section["systems"].values()
            for change in own["change"].get(base, {}).values()
        ]
        mark_certain(marked)
    return found


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """How strengths were chosen, and what every method does."""
    study = Study(data, steps)

    def tried(
        options: Sequence[float], run: Callable[[float], Path], *groups: Collection[str]
    ) -> dict[float, float]:
        """Held-out error with each; half that of a group, where one is given."""
        found = {}
        for each in options:
            encoder = run(each) / ENCODER
            own = [study.held_out_error(encoder, group) for group in (None, *groups)]
            found[each] = float(np.mean(own))
        return found

    rates = tried(LEARNING_RATES, lambda rate: study.run("plain", SEEDS[0], learning_rate=rate))
    own = {"learning_rate": least(rates)}

    def weighed(form: str, seed: int, rate: float) -> Path:
        options = {"reweighting": form, "adversary_learning_rate": rate}
        return study.run(form, seed, **own, **options)

    adversaries = tried(ADVERSARY_RATES, lambda rate: weighed("pairwise", SEEDS[0], rate))
    strengths = tried(
        STRENGTHS, lambda ewc: study.run("ewc", SEEDS[0], **own, ewc=ewc), study.children
    )
    runs: dict[str, list[Path]] = {}
    for seed in SEEDS:
        by_method = {method: study.run(method, seed, **own) for method in AS_PLAIN}
        by_method |= {form: weighed(form, seed, least(adversaries)) for form in FORMS}
        by_method["ewc"] = study.run("ewc", seed, **own, ewc=least(strengths))
        for method, folder in by_method.items():
            runs.setdefault(method, []).append(folder)

    trials = study.trials
    start = study.frames.start()
    systems = {
        "before": [score_trials(trials, frame_vectors(start, study.heard))],
        "membership_before": [calibrated(study, start)["membership"]],
    }
    for name, own_runs in runs.items():
        tables = [frame_vectors(run / ENCODER, study.heard) for run in own_runs]
        systems[name] = [score_trials(trials, table) for table in tables]
    for seed, plain in enumerate(runs["plain"]):
        scores, on_children = systems["plain"][seed], systems["ewc"][seed]
        # a child who has said so at enrolling is heard by both networks
        declared = trials["enroll_speaker"].isin(study.children).to_numpy()
        fused = np.where(declared, (scores + on_children) / 2, scores)
        for name, own_scores in {"fusion": fused, **calibrated(study, plain / ENCODER)}.items():
            systems.setdefault(name, []).append(own_scores)
    return {
        "n_parameters": run_facts(runs["plain"][0])["n_parameters"],
        "n_steps": steps,
        "n_crops_a_step": 2 * TRAIN.n_speakers,
        "n_training_speakers": len(set(study.corpora.training.speakers)),
        "n_training_crops": len(study.corpora.training),
        "n_children": len(study.children & set(study.corpora.training.speakers)),
        "held_out_eer": {
            "before": study.held_out_error(start),
            "by_learning_rate": named(rates),
            "by_adversary_learning_rate": named(adversaries),
            "by_strength": named(strengths),
            **{n: [study.held_out_error(run / ENCODER) for run in r] for n, r in runs.items()},
        },
        "held_out_eer_of_plain_by_step": [curve(run) for run in runs["plain"]],
        "training_error_by_group": study.errors_by_group(),
        "n_resamples": N_RESAMPLES,
        "paper_relative_change_on_voxceleb": PAPER,
        "sections": told(study.sections, systems),
    }


def least(errors: dict[float, float]) -> float:
    """The value with the lowest error."""
    return min(errors, key=errors.__getitem__)


def named(errors: dict[float, float]) -> dict[str, float]:
    """The same by the value in words."""
    return {f"{value:g}": error for value, error in errors.items()}


BENCHMARK = Benchmark(
    "fair_training",
    measure,
    (fair_training, fair_training_before, fair_training_gaps, fair_training_shared),
    seed=SEEDS[0],
)

if __name__ == "__main__":
    BENCHMARK.main()
