"""The three ways to train further: each one run of the usual loop from the same encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.progress import Progress

from spkid.data.cells import to_csv
from spkid.files import made_folder, write_text
from spkid.training.data.corpora import Corpora
from spkid.training.finetune import finetune
from spkid.training.recipe import Recipe
from spkid.training.train import train

FORM = "pairwise"  # of re-weighting: the one that works best in the paper


def train_by(
    method: str,
    recipe: Recipe,
    start: Path,
    like_cohort: Sequence[str],
    corpora: Corpora,
    folder: Path,
    progress: Progress,
) -> Path:
    """Run one method; the folder of the run."""
    if method == "ewc":
        cohort = made_folder(folder) / "cohort.csv"
        write_text(cohort, to_csv(pd.DataFrame({"speaker": like_cohort})))
        finetune(recipe, start, cohort=cohort, out=folder, corpora=corpora, progress=progress)
        return folder
    form = FORM if method == "reweighting" else "none"
    train(
        replace(recipe, train=replace(recipe.train, ewc=0.0, reweighting=form)),
        out=folder,
        start=start,
        corpora=corpora,
        oversampled=frozenset(like_cohort) if method == "oversampling" else (),
        progress=progress,
    )
    return folder


def without_speakers(corpora: Corpora, speakers: set[str]) -> Corpora:
    """``corpora`` with no clip of ``speakers``."""
    return replace(
        corpora,
        **{
            name: part.subset([speaker not in speakers for speaker in part.speakers])
            for name, part in (("training", corpora.training), ("held_out", corpora.held_out))
        },
    )
