"""A corpus that training never heard: which recipe carries over to it?

    python -m benchmarks.unseen_corpus --data DIR [--teacher runs/teacher]

One corpus after another is left out of training altogether, and of the teacher's projection too.
Small networks (see `small_runs.py`) are trained on the rest with labels alone; with Resemblyzer's
vectors of the clips as they are beside the labels; and with those of the clips at all five
speeds. Reported on the speakers of the corpus that was left out (its training speakers, so that
the test lists stay untouched while a recipe is chosen): EER over all pairs of up to eight clips
a speaker, beside that of Resemblyzer and of its projection. `--teacher` is where `teacher.py`
left Resemblyzer's vectors. Writes `benchmarks/results/unseen_corpus.json`. Six runs; a stopped
benchmark goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.small_runs import (
    N_STEPS,
    SMALL,
    SmallStudy,
    run_facts,
    small_recipe,
    small_run,
)
from benchmarks.model.teacher import (
    N_RESEMBLYZER,
    drawn_to_speaker_means,
    heard_in_training,
    projected,
    save,
    shapes_the_teacher,
    unit,
)
from benchmarks.pages.training_tables import unseen_corpus
from spkid.data.manifest import read_manifest
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import all_pairs
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpora import Corpora
from spkid.training.data.speeds import SPEEDS
from spkid.training.held_out import CLIPS_PER_SPEAKER, held_out_errors

SEED = 1
TEACHER = Path("runs") / "teacher"
LEFT_OUT = ("arabic-commands", "speechocean762")
RECIPES: dict[str, dict[str, Any]] = {
    "labels": {"teacher_weight": 0.0},
    "labels, teacher": {"teacher_weight": 15.0, "n_unlabelled": 8},
    "labels, teacher at five speeds": {
        "teacher_weight": 15.0,
        "n_unlabelled": 8,
        "speed_chance": 0.5,
    },
}


def teacher_without(corpus: str, table: pd.DataFrame, vectors: Path, out: Path) -> np.ndarray:
    """Write the teacher's vectors by speed to ``out``; those of all clips as they are.

    ``vectors`` is the folder with ``heard-1.npy`` and so on.
    """
    taught = heard_in_training(table)
    shaping = shapes_the_teacher(table) & (table["corpus"] != corpus).to_numpy()
    heard = np.load(vectors / "heard-1.npy")[:, :N_RESEMBLYZER]
    project = projected(table, heard, shaping)
    out.mkdir(parents=True, exist_ok=True)
    for speed in SPEEDS:
        own = np.load(vectors / f"heard-{speed:g}.npy")[:, :N_RESEMBLYZER]
        if speed == 1.0:
            own = own[taught]
        speakers = table["speaker"].to_numpy()[taught]
        targets = drawn_to_speaker_means(project(own), speakers)
        save(out / f"speed-{speed:g}.npz", table[taught], targets)
    return project(heard)


def without(corpus: str, clips: Corpora) -> Corpora:
    """The clips that training may hear."""
    training, held_out = (
        own.subset([name != corpus for name in own.corpora])
        for own in (clips.training, clips.held_out)
    )
    return Corpora(training, held_out, clips.noise)


def measure(data: Data, steps: int = N_STEPS, teacher: Path = TEACHER) -> Figures:
    """EER of every recipe and of Resemblyzer on each corpus that was left out."""
    study = SmallStudy(data, steps)
    table = read_manifest(
        study.speech / "manifest.csv", required=("path", "speaker", "split", "corpus")
    )
    found, run = {}, Path()
    for corpus in LEFT_OUT:
        folder = SMALL / f"teacher-without-{corpus}"
        projection = teacher_without(corpus, table, teacher, folder)
        rows = (table["corpus"] == corpus) & (table["split"] == "train")
        rows = table[rows].groupby("speaker").head(CLIPS_PER_SPEAKER)
        heard = unit(np.load(teacher / "heard-1.npy")[rows.index, :N_RESEMBLYZER])
        speakers = rows["speaker"].to_numpy()
        errors = {
            "Resemblyzer": equal_error_rate(*all_pairs(heard, speakers)),
            "Resemblyzer + LDA": equal_error_rate(*all_pairs(projection[rows.index], speakers)),
        }
        unseen = study.clips.training.subset(
            [name == corpus for name in study.clips.training.corpora]
        )
        rest = without(corpus, study.clips)
        for name, changes in RECIPES.items():
            recipe = small_recipe(seed=SEED, n_steps=steps, **changes)
            drawn_to = None
            if changes["teacher_weight"]:
                drawn_to = folder if name.endswith("speeds") else folder / "speed-1.npz"
            label = f"without-{corpus}-{name.replace(', ', '-').replace(' ', '-')}"
            run = small_run(label, recipe, rest, teacher=drawn_to)
            encoder = load_encoder(run / "encoder.safetensors")
            errors[name] = held_out_errors(encoder, unseen)[corpus]
        found[corpus] = {"n_speakers": len(set(unseen.speakers)), "eer": errors}
    return {
        "n_parameters": run_facts(run)["n_parameters"],
        "n_steps": steps,
        "clips_a_speaker": CLIPS_PER_SPEAKER,
        "left_out": found,
    }


BENCHMARK = Benchmark("unseen_corpus", measure, (unseen_corpus,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
