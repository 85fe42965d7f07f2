"""Adversarial re-weighting: none against its three forms. Who gains, and what does it cost?

    python -m benchmarks.reweighting --data DIR

Small networks (see `small_runs.py`) trained with the angular prototypical loss alone, as in the
paper, three seeds each. The adversary's learning rate is chosen by the error on held-out
training speakers. Reported on new speakers: EER overall; EER and rates at one shared threshold by
gender, age group and language region; their largest difference and standard deviation;
relative changes with 95 % intervals over resampled speakers. Writes
`benchmarks/results/reweighting.json`. Thirteen runs; a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import Protocols
from benchmarks.harness.resampled_rates import (
    Floats,
    interval,
    trial_weights,
    weighted_equal_error_rates,
    weighted_share,
)
from benchmarks.harness.small_runs import N_STEPS, SmallStudy, mean_of, run_facts
from benchmarks.pages.training_tables import reweighting
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.metrics import threshold_at_false_match_rate
from spkid.scoring.trials import score_trials

FORMS = ("none", "accumulated", "pseudo_label", "pairwise")
SEEDS = (1, 2, 3)
LEARNING_RATES = (0.003, 0.03)  # of the adversary
FALSE_MATCH_RATE = 0.05  # of all strangers' trials, at the shared threshold
N_RESAMPLES = 300
PAPER = {"equal_error_rate": -0.076, "gap": -0.17, "deviation": -0.10}
# no language has ten test speakers: languages by family or region
REGIONS = {
    "Indo-European, Europe": "br cy en eo es fr fy-NL ga-IE lv pl pt rm-sursilv rm-vallader ro ru "
    "sv-SE",
    "South Asia": "as dv hi pa-IN",
    "East and South-East Asia": "cnh id ja mn th vi",
    "Africa and Near East": "ar fa kab lg mt rw",
    "Uralic, Turkic, Basque, Georgian": "cv eu fi hu ka ky sah",
}
SECTIONS = (
    ("verify_new_speechocean762", "gender"),
    ("verify_new_speechocean762", "age_group"),
    ("verify_new_commonvoice", "gender"),
    ("verify_new_commonvoice", "region"),
)
LEAST_SPEAKERS = 10


def with_region(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest with a column ``region``, empty where the language is in none."""
    region_of = {code: name for name, codes in REGIONS.items() for code in codes.split()}
    return manifest.assign(region=manifest["language"].map(region_of).fillna(""))


def held_out_error(folder: Path) -> float:
    """Mean over corpora of the EER on held-out training speakers at a run's end."""
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    return float(np.mean(list(last["held_out_eer"].values())))


def resampled_rates(
    score: Floats, label: NDArray[np.bool_], weights: NDArray[np.int64], threshold: float
) -> dict[str, Floats]:
    """Each rate in each resample, ``[resamples]``; the first row weighs every trial once."""
    return {
        "equal_error_rate": weighted_equal_error_rates(score, label, weights),
        "false_non_match_rate": weighted_share(score[label] < threshold, weights[:, label]),
        "false_match_rate": weighted_share(score[~label] >= threshold, weights[:, ~label]),
    }


def section_rates(
    trials: pd.DataFrame, manifest: pd.DataFrame, column: str, embeddings: EmbeddingTable
) -> dict[str, dict[str, Floats]]:
    """Rates overall (``"all"``) and by group; ``[1 + resamples]``, the first as measured."""
    score, label = score_trials(trials, embeddings), trials["label"].to_numpy()
    speakers = [trials[side].map(manifest["speaker"]).to_numpy() for side in ("enroll", "test")]
    _, number = np.unique(np.concatenate(speakers), return_inverse=True)
    sides = number[: len(trials)], number[len(trials) :]
    weights = trial_weights(*sides, n_resamples=N_RESAMPLES, seed=0)
    threshold = threshold_at_false_match_rate(score[~label], FALSE_MATCH_RATE)
    rates = {"all": resampled_rates(score, label, weights, threshold)}
    groups = [trials[side].map(manifest[column]).to_numpy() for side in ("enroll", "test")]
    for group in sorted(set(groups[0]) - {""}):
        rows = (groups[0] == group) & (groups[1] == group)
        n_speakers = len(np.unique(np.concatenate([side[rows] for side in sides])))
        if n_speakers >= LEAST_SPEAKERS and label[rows].any() and not label[rows].all():
            rates[group] = resampled_rates(score[rows], label[rows], weights[:, rows], threshold)
    return rates


def summary(rates: dict[str, dict[str, Floats]]) -> dict[str, Floats]:
    """Overall EER, and the gap and deviation over the groups, each ``[1 + resamples]``."""
    figures = {"equal_error_rate": rates["all"]["equal_error_rate"]}
    groups = [own for name, own in rates.items() if name != "all"]
    for rate, suffix in (("equal_error_rate", ""), ("false_non_match_rate", "_rejections")):
        values = np.stack([own[rate] for own in groups])  # [groups, 1 + resamples]
        figures[f"gap{suffix}"] = values.max(axis=0) - values.min(axis=0)
        figures[f"deviation{suffix}"] = values.std(axis=0)
    return figures


def compared(
    systems: dict[str, list[EmbeddingTable]], protocols: Protocols, manifest: pd.DataFrame
) -> Figures:
    """Figures of each form in each section, and their changes against none."""
    sections: Figures = {}
    for name, column in SECTIONS:
        trials = protocols.verify[name]
        rates = {
            form: [section_rates(trials, manifest, column, table) for table in tables]
            for form, tables in systems.items()
        }
        totals = {form: mean_of([summary(r) for r in own]) for form, own in rates.items()}
        section: Figures = {}
        for form, own in rates.items():
            as_measured = mean_of(own)
            section[form] = {
                "groups": {
                    group: {rate: float(values[0]) for rate, values in group_rates.items()}
                    for group, group_rates in as_measured.items()
                },
                **{figure: float(values[0]) for figure, values in totals[form].items()},
                "by_seed": [float(r["all"]["equal_error_rate"][0]) for r in own],
            }
            if form != "none":
                section[form]["relative_change"] = changes(totals[form], totals["none"])
        sections[f"{name}, {column}"] = section
    return sections


def changes(own: dict[str, Floats], none: dict[str, Floats]) -> Figures:
    """Relative change of each figure, with its interval over the same resamples of speakers."""
    found = {}
    for figure in own:
        with np.errstate(divide="ignore", invalid="ignore"):  # no gap at all in a resample
            change = own[figure] / none[figure] - 1
        change = np.where(np.isfinite(change), change, np.nan)
        low, high = interval(change[1:])
        found[figure] = {"change": float(change[0]), "low": low, "high": high}
    return found


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """Figures of every form, and how the adversary's learning rate was chosen."""
    study = SmallStudy(data, steps)

    def run(form: str, seed: int, learning_rate: float) -> Path:
        changes = {} if form == "none" else {"adversary_learning_rate": learning_rate}
        return study.run(
            f"reweighting-{form}", seed=seed, aam_weight=0.0, reweighting=form, **changes
        )

    choice = {rate: held_out_error(run("pairwise", SEEDS[0], rate)) for rate in LEARNING_RATES}
    chosen = min(choice, key=lambda rate: choice[rate])
    folders = {form: [run(form, seed, chosen) for seed in SEEDS] for form in FORMS}
    systems = {form: [study.vectors(folder) for folder in own] for form, own in folders.items()}
    return {
        **study.size(folders["none"][0]),
        "training_s": [run_facts(f)["training_s"] for own in folders.values() for f in own],
        "adversary_learning_rate": chosen,
        "held_out_eer_by_adversary_learning_rate": {str(k): v for k, v in choice.items()},
        "held_out_eer": {form: [held_out_error(f) for f in own] for form, own in folders.items()},
        "n_resamples": N_RESAMPLES,
        "paper_relative_change_on_voxceleb": PAPER,
        "sections": compared(systems, study.protocols, with_region(study.protocols.manifest)),
    }


BENCHMARK = Benchmark("reweighting", measure, (reweighting,), seed=SEEDS[0])

if __name__ == "__main__":
    BENCHMARK.main()
