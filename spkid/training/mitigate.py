"""Three ways to train an encoder further for a cohort, and what each scores the trials with.

Re-weighting knows of no cohort: its adversary looks for what the encoder is worst at.
Oversampling draws the cohort's speakers as often as all others together (as Dheram et al.,
Interspeech 2022, do with their bottom cohort). Elastic consolidation tunes on the cohort alone
and holds the weights that the others rest on. Each starts from the same encoder and takes the
same number of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import Progress

from spkid.audit.grouping import speakers_of
from spkid.errors import BadTable
from spkid.mitigation.trade import BEFORE
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.scoring.trials import score_trials
from spkid.training.checkpoint import load_encoder
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.heard import embedded, heard_voices, some_clips, trial_clips
from spkid.training.methods import train_by, without_speakers
from spkid.training.recipe import Recipe

LEAST_SPEAKERS = 2  # like the cohort, to train on: they are told apart from one another


@dataclass(frozen=True)
class Trained:
    """``scores`` ``[trials]`` of each system, ``before`` first: cosines of the encoders.

    ``n_trained`` speakers were trained on, ``n_like_cohort`` of them like the cohort's.
    """

    scores: dict[str, NDArray[np.float64]]
    n_trained: int
    n_like_cohort: int


def trained_scores(
    recipe: Recipe,
    start: Path,
    *,
    methods: Sequence[str],
    cohort: WorstCohort,
    metadata: pd.DataFrame,
    trials: pd.DataFrame,
    out: Path,
    corpora: Corpora | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train ``start`` further by each of ``methods`` and score ``trials`` with what comes out.

    No audited speaker is trained on. Run again with the same ``out``, it resumes.

    Parameters
    ----------
    recipe : Recipe
        Of each of the runs, as ``fine_tuning_recipe`` makes it; ``train.ewc`` is the strength of
        the consolidation, ``data.speech`` has the training clips and those of the trials.
    methods : sequence of str
        Of ``mitigation.TRAINED``.
    metadata : DataFrame
        Of the training speakers too, where the cohort is known by a label or a rule.
    trials : DataFrame
        The audited trials, whose sides are paths of clips.
    corpora : Corpora, optional
        The training clips, where they are in memory already.

    Raises
    ------
    BadTable
        If the data lack a clip of the trials or two training speakers who are like the cohort;
        else as :func:`load_corpora`, :func:`train` and :func:`finetune`.
    """
    encoder = load_encoder(start)
    recipe = replace(recipe, encoder=encoder.config)
    progress = progress or Progress(disable=True)
    corpora = corpora or load_corpora(recipe.data, progress)
    corpora = without_speakers(corpora, set(speakers_of(trials)))
    heard = trial_clips(recipe.data, trials, progress)
    before = embedded(start, heard, out / f"{BEFORE}.npz")
    voices = heard_voices(heard, before)
    if cohort.kind == "discovered":
        some = some_clips(corpora.training)
        other = heard_voices(some, embedded(start, some, out / "training.npz"))
        voices = (pd.concat([voices[0], other[0]]), np.concatenate([voices[1], other[1]]))
    trained = set(corpora.training.speakers) - {""}
    like_cohort = sorted(cohort.like_them(metadata, voices) & trained)
    if len(like_cohort) < LEAST_SPEAKERS:
        raise BadTable(
            f"training speakers like the cohort ({cohort.name}): {len(like_cohort)}",
            expected=f"{LEAST_SPEAKERS} or more in the data who were not audited",
            do="add such speakers and describe them in metadata=",
            code="small_cohort",
        )
    scores = {BEFORE: score_trials(trials, before)}
    for method in methods:
        run = train_by(method, recipe, start, like_cohort, corpora, out / method, progress)
        table = embedded(run / "encoder.safetensors", heard, run / "trials.npz")
        scores[method] = score_trials(trials, table)
    return Trained(scores, len(trained), len(like_cohort))
