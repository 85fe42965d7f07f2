"""Fine-tuning on the worst cohort, with and without elastic weight consolidation.

    python -m benchmarks.cohort_finetuning --data DIR

A small network (see `small_runs.py`) is trained; k-means regions of its embedding space are
found with the training speakers, with no label; the worst region is the one with the highest
error among its *held-out* training speakers. The network is fine-tuned on that region's
training speakers, plainly and with consolidation of four strengths, of which one is chosen on
the held-out speakers. Reported on new speakers, assigned to regions by the first network: EER
of the worst cohort, of all others (what was forgotten) and of all, on every list. Two seeds.
Writes `benchmarks/results/cohort_finetuning.json`. Two long and ten short runs; a stopped
benchmark goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import Protocols
from benchmarks.harness.small_runs import (
    FINE_TUNING_SHARE,
    N_STEPS,
    SMALL,
    SmallStudy,
    fine_tuning,
    run_embeddings,
    small_recipe,
)
from benchmarks.pages.training_tables import cohort_finetuning
from spkid.config import canonical_json, fingerprint
from spkid.data.cells import to_csv
from spkid.encoder.vectors import EmbeddingTable
from spkid.files import made_folder, write_text
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import all_pairs, score_trials
from spkid.training.data.corpora import Corpora
from spkid.training.data.corpus import Corpus
from spkid.training.finetune import finetune

SEEDS = (1, 2)
N_REGIONS = 4
STRENGTHS = (1e2, 1e4, 1e6, 1e8)
LEAST_SPEAKERS = 10
CLIPS_A_SPEAKER = 4


def some_clips(corpus: Corpus) -> Corpus:
    """At most four clips of each known speaker."""
    counts: dict[str, int] = {}
    kept = []
    for speaker in corpus.speakers:
        counts[speaker] = counts.get(speaker, 0) + 1
        kept.append(bool(speaker) and counts[speaker] <= CLIPS_A_SPEAKER)
    return corpus.subset(kept)


def speaker_means(table: EmbeddingTable, corpus: Corpus) -> pd.DataFrame:
    """A row a speaker, the mean of the unit vectors."""
    rows = [table.row_of[path] for path in corpus.paths]
    return pd.DataFrame(table.vectors[rows]).groupby(np.array(corpus.speakers)).mean()


def pair_errors(table: EmbeddingTable, corpus: Corpus, speakers: set[str]) -> float:
    """EER over all pairs of the clips of ``speakers``."""
    rows = [i for i, name in enumerate(corpus.speakers) if name in speakers]
    names = np.array([corpus.speakers[row] for row in rows])
    vectors = table.vectors[[table.row_of[corpus.paths[row]] for row in rows]]
    return equal_error_rate(*all_pairs(vectors, names))


class Regions:
    """k-means over the training speakers' means; the worst by held-out speakers."""

    def __init__(self, folder: Path, training: Corpus, held_out: Corpus, *, seed: int) -> None:
        means = speaker_means(run_embeddings(folder, training, name="training"), training)
        self.k_means = KMeans(N_REGIONS, n_init=4, random_state=seed).fit(means.to_numpy())
        self.training = self.assigned(means)
        held_out_table = run_embeddings(folder, held_out, name="held_out")
        self.held_out = self.assigned(speaker_means(held_out_table, held_out))
        self.errors = {}
        for region in range(N_REGIONS):
            own = self.members(self.held_out, region)
            if len(own) >= LEAST_SPEAKERS:
                self.errors[region] = pair_errors(held_out_table, held_out, own)
        self.worst = max(self.errors, key=lambda region: self.errors[region])

    def assigned(self, means: pd.DataFrame) -> pd.Series:
        """The region of each speaker."""
        return pd.Series(self.k_means.predict(means.to_numpy()), index=means.index)

    @staticmethod
    def members(assigned: pd.Series, region: int) -> set[str]:
        """Who is in a region."""
        return set(assigned.index[assigned == region])


def fine_tuned(
    start: Path, cohort: set[str], clips: Corpora, *, seed: int, n_steps: int, strength: float
) -> Path:
    """The folder of the finished run."""
    config = fine_tuning(seed=seed, n_steps=n_steps, strength=strength)
    recipe = replace(small_recipe(seed=seed, n_steps=n_steps), train=config)
    names = canonical_json({**recipe.settings(), "cohort": sorted(cohort), "start": str(start)})
    folder = SMALL / f"cohort-{strength:g}-{seed}-{fingerprint(names)[:8]}"
    if not (folder / "encoder.safetensors").exists():
        print(f"training {folder}")
        table = to_csv(pd.DataFrame({"speaker": sorted(cohort)}))
        write_text(made_folder(folder) / "cohort.csv", table)
        finetune(
            recipe,
            start / "encoder.safetensors",
            cohort=folder / "cohort.csv",
            out=folder,
            corpora=clips,
        )
    return folder


def list_errors(protocols: Protocols, table: EmbeddingTable, cohort: set[str]) -> Figures:
    """EER of each list over all trials, those within the cohort and those without it."""
    figures: Figures = {}
    speaker = protocols.manifest["speaker"]
    for name, trials in protocols.verify.items():
        if not name.startswith("verify_new"):
            continue
        score, label = score_trials(trials, table), trials["label"].to_numpy()
        inside = np.array([trials[s].map(speaker).isin(cohort) for s in ("enroll", "test")])
        parts = {
            "all": np.ones(len(trials), dtype=bool),
            "worst cohort": inside.all(axis=0),
            "others": ~inside.any(axis=0),
        }
        figures[name] = {}
        for part, rows in parts.items():
            enough = min(label[rows].sum(), (~label[rows]).sum()) >= 50
            error = equal_error_rate(score[rows & label], score[rows & ~label]) if enough else None
            figures[name][part] = error
    return figures


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """Figures before and after, and how the strength was chosen."""
    study = SmallStudy(data, steps)
    training, held_out = some_clips(study.clips.training), some_clips(study.clips.held_out)
    n_steps = max(1, steps // FINE_TUNING_SHARE)
    before, regions_of = {}, {}
    tuned: dict[tuple[int, float], Path] = {}
    for seed in SEEDS:
        start = before[seed] = study.run("plain", seed=seed)
        regions = regions_of[seed] = Regions(start, training, held_out, seed=seed)
        cohort = regions.members(regions.training, regions.worst)
        for strength in (0.0, *STRENGTHS):
            tuned[seed, strength] = fine_tuned(
                start, cohort, study.clips, seed=seed, n_steps=n_steps, strength=strength
            )

    def held_out_error(seed: int, strength: float) -> float:
        """Half the cohort's, half everybody's."""
        table = run_embeddings(tuned[seed, strength], held_out, name="held_out")
        regions = regions_of[seed]
        own = regions.members(regions.held_out, regions.worst)
        errors = [pair_errors(table, held_out, group) for group in (own, set(held_out.speakers))]
        return float(np.mean(errors))

    choice = {s: float(np.mean([held_out_error(seed, s) for seed in SEEDS])) for s in STRENGTHS}
    chosen = min(choice, key=lambda strength: choice[strength])
    results = []
    for seed, regions in regions_of.items():
        first = speaker_means(study.vectors(before[seed]), study.heard)
        cohort = regions.members(regions.assigned(first), regions.worst)
        systems = {
            "before": before[seed],
            "plain": tuned[seed, 0.0],
            "consolidated": tuned[seed, chosen],
        }
        results.append(
            {
                "seed": seed,
                "n_cohort_training": len(regions.members(regions.training, regions.worst)),
                "n_cohort_reported": len(cohort),
                "held_out_eer_by_region": {str(k): v for k, v in regions.errors.items()},
                "systems": {
                    name: list_errors(study.protocols, study.vectors(folder), cohort)
                    for name, folder in systems.items()
                },
            }
        )
    return {
        **study.size(before[SEEDS[0]]),
        "n_steps_fine_tuning": n_steps,
        "strength": chosen,
        "held_out_error_by_strength": {f"{k:g}": v for k, v in choice.items()},
        "seeds": results,
    }


BENCHMARK = Benchmark("cohort_finetuning", measure, (cohort_finetuning,), seed=SEEDS[0])

if __name__ == "__main__":
    BENCHMARK.main()
