"""A corpus that training never heard: which recipe carries over to it?

    python -m benchmarks.unseen_corpus --data DIR --teacher runs/teacher

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

import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import small_runs
from benchmarks.harness.record import RESULTS, write_result
from benchmarks.model.teacher import (
    N_RESEMBLYZER,
    drawn_to_speaker_means,
    heard_in_training,
    projected,
    save,
    shapes_the_teacher,
)
from spkid.cli.output import to_json
from spkid.data.manifest import read_manifest
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import all_pairs
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpora import Corpora
from spkid.training.data.sampler import SPEEDS
from spkid.training.held_out import CLIPS_PER_SPEAKER, held_out_errors

SEED = 1
LEFT_OUT = ("arabic-commands", "speechocean762")
RECIPES = {
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

    Parameters
    ----------
    vectors : Path
        The folder with ``heard-1.npy`` and so on.
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


def main() -> None:
    options = small_runs.parser(__doc__)
    options.add_argument("--teacher", type=Path, required=True)
    arguments = small_runs.parsed(options)
    table = read_manifest(
        arguments.data / "speech" / "manifest.csv", required=("path", "speaker", "split", "corpus")
    )
    clips = small_runs.training_clips(arguments.data)
    found, facts = {}, {}
    for corpus in LEFT_OUT:
        folder = small_runs.RUNS / f"teacher-without-{corpus}"
        projection = teacher_without(corpus, table, arguments.teacher, folder)
        rows = (table["corpus"] == corpus) & (table["split"] == "train")
        rows = table[rows].groupby("speaker").head(CLIPS_PER_SPEAKER)
        heard = np.load(arguments.teacher / "heard-1.npy")[rows.index, :N_RESEMBLYZER]
        heard /= np.linalg.norm(heard, axis=1, keepdims=True)
        speakers = rows["speaker"].to_numpy()
        errors = {
            "Resemblyzer": equal_error_rate(*all_pairs(heard, speakers)),
            "Resemblyzer + LDA": equal_error_rate(*all_pairs(projection[rows.index], speakers)),
        }
        whole = clips.training
        unseen = whole.subset([name == corpus for name in whole.corpora])
        rest = Corpora(
            training=whole.subset([name != corpus for name in whole.corpora]),
            held_out=clips.held_out.subset([name != corpus for name in clips.held_out.corpora]),
            noise=clips.noise,
        )
        for name, changes in RECIPES.items():
            recipe = small_runs.small_recipe(seed=SEED, n_steps=arguments.steps, **changes)
            teacher = {}
            if changes["teacher_weight"]:
                by_speed = name.endswith("speeds")
                teacher["teacher"] = folder if by_speed else folder / "speed-1.npz"
            label = f"without-{corpus}-{name.replace(', ', '-').replace(' ', '-')}"
            run = small_runs.small_run(label, recipe, rest, **teacher)
            errors[name] = held_out_errors(load_encoder(run / "encoder.safetensors"), unseen)[
                corpus
            ]
            facts = json.loads((run / "run.json").read_text())
        found[corpus] = {"n_speakers": len(set(unseen.speakers)), "eer": errors}
        print(corpus, {name: round(100 * value, 2) for name, value in errors.items()})
    figures = {
        "n_parameters": facts["n_parameters"],
        "n_steps": arguments.steps,
        "clips_a_speaker": CLIPS_PER_SPEAKER,
        "left_out": found,
    }
    command = small_runs.command("unseen_corpus", arguments) + " --teacher runs/teacher"
    path = arguments.out or RESULTS / "unseen_corpus.json"
    write_result(path, json.loads(to_json(figures)), command=command, seed=SEED)


if __name__ == "__main__":
    main()
