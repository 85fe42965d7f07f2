"""Fine-tune a trained encoder on a chosen cohort of speakers, and hold on to all others.

After Trinh et al., Interspeech 2022 (arXiv 2207.07850): further training on those for whom the
model works worst, with elastic weight consolidation so that it stays good for everybody else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.progress import Progress

from spkid.data.manifest import read_manifest
from spkid.errors import BadTable, NotFound
from spkid.training.checkpoint import load_encoder
from spkid.training.config import TrainConfig
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.data.corpus import Corpus, is_held_out
from spkid.training.recipe import Recipe, recipe_of
from spkid.training.train import train

# new class centres would start anywhere and drag a trained encoder about: pairwise loss alone
FINE_TUNING = TrainConfig(
    n_steps=300,
    n_unlabelled=0,
    learning_rate=2e-4,
    aam_weight=0.0,
    teacher_weight=0.0,
    average_decay=0.98,
    checkpoint_every=100,
    evaluate_every=100,
)


def fine_tuning_recipe(changes: Sequence[str] = ()) -> Recipe:
    """``FINE_TUNING`` with ``changes`` such as ``train.n_steps=500``."""
    return recipe_of({"train": asdict(FINE_TUNING)}, changes, origin="--set")


def read_cohort(path: Path) -> list[str]:
    """The distinct speakers of a CSV with a column ``speaker``, in its order.

    Raises
    ------
    NotFound, BadTable
        If the file cannot be read or names nobody.
    """
    named = read_manifest(path, required=("speaker",))["speaker"]
    speakers = list(dict.fromkeys(name for name in named if name))
    if not speakers:
        raise BadTable(
            f"{path}: a cohort without speakers",
            expected="a CSV whose column speaker names two speakers or more",
            do="give the cohort that the audit wrote",
            code="empty_cohort",
        )
    return speakers


def split_by_cohort(corpus: Corpus, speakers: Collection[str]) -> tuple[Corpus, Corpus]:
    """The clips of ``speakers``, and the labelled clips of all others.

    Speakers that are held out by name stay held out.

    Raises
    ------
    NotFound
        If a speaker has no clip.
    BadTable
        If fewer than two are left to train on, inside the cohort or outside it.
    """
    known = set(corpus.speakers)
    missing = [name for name in speakers if name not in known and not is_held_out(name)]
    if missing:
        raise NotFound(
            f"the cohort's speaker {missing[0]} has no clip in the data ({len(missing)} such)",
            expected="speakers of the split train",
            do="give the data that the cohort was found in",
            code="unknown_speaker",
        )
    own = corpus.subset([name in speakers for name in corpus.speakers])
    others = corpus.subset([name not in speakers and name != "" for name in corpus.speakers])
    for part, words in ((own, "in the cohort"), (others, "outside the cohort")):
        n_speakers = len(set(part.speakers))
        if n_speakers < 2:
            raise BadTable(
                f"speakers to train on {words}: {n_speakers}",
                expected="two or more, who can be told apart",
                do="choose another cohort or add data",
                code="small_cohort",
            )
    return own, others


def finetune(
    recipe: Recipe,
    start: Path,
    *,
    cohort: Path,
    out: Path,
    corpora: Corpora | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the encoder at ``start`` on the speakers in ``cohort``, as :func:`train` does.

    ``recipe.train.ewc`` is the strength of the consolidation, 0 for plain fine-tuning; the
    network is that of ``start``, whatever ``recipe.encoder`` says. ``corpora`` are clips that
    are in memory already.

    Raises
    ------
    SpkidError
        As :func:`read_cohort`, :func:`split_by_cohort`, :func:`train` and ``load_encoder``.
    """
    speakers = read_cohort(cohort)
    recipe = replace(recipe, encoder=load_encoder(start).config)
    progress = progress or Progress(disable=True)
    corpora = corpora or load_corpora(recipe.data, progress)
    own, others = split_by_cohort(corpora.training, set(speakers))
    train(
        recipe,
        out=out,
        start=start,
        corpora=replace(corpora, training=own),
        kept=others,
        progress=progress,
    )
