"""Train an encoder: one straight loop that resumes from its last checkpoint.

The batch of a step depends on the seed and the step alone, so a resumed run takes the same
batches as one that was never stopped. What is optional (an adversary that weighs the pairs,
adversarial training, consolidation) stands in ``parts`` and shows the loop one face,
:class:`spkid.training.objectives.part.Part`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import cast

import torch
from rich.progress import Progress

from spkid.training.checkpoint import save_encoder
from spkid.training.config import learning_rate_at
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.data.corpus import Corpus
from spkid.training.held_out import held_out_errors
from spkid.training.listening import make_sampler
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.optional import optional_parts, pair_weighing
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.processes import Team, joined, share_batch_norm
from spkid.training.recipe import Recipe
from spkid.training.run_log import finish, report
from spkid.training.run_state import RunState
from spkid.training.start import check_corpora, first_encoder, parameter_groups, run_settings
from spkid.training.step import descend, train_step

LARGEST_GRADIENT = 5.0  # Euclidean length, over all parameters


def train(
    recipe: Recipe,
    *,
    out: Path,
    teacher: Path | None = None,
    start: Path | None = None,
    corpora: Corpora | None = None,
    kept: Corpus | None = None,
    oversampled: Collection[str] = (),
    progress: Progress | None = None,
) -> None:
    """Run or resume the training in ``out``; at the end ``out/encoder.safetensors`` is there.

    Writes ``checkpoint.safetensors`` (weights, optimiser, step), ``log.jsonl``, ``curves.svg``
    and ``run.json``. On a GPU where there is one; under torchrun in all its processes, of which
    the first writes.

    Parameters
    ----------
    recipe : Recipe
        Data, network, losses, schedule and augmentation.
    out : Path
        The folder of the run.
    teacher : Path, optional
        Vectors to distil from, as :func:`spkid.training.data.corpora.load_teacher` reads them, or
        an encoder.safetensors that listens to every crop (:mod:`spkid.training.listening`).
        Class centres start there.
    start : Path, optional
        The encoder whose weights are where it begins.
    corpora : Corpora, optional
        The recipe's clips, where they are in memory already.
    kept : Corpus, optional
        With ``recipe.train.ewc``: what the encoder knows of these clips is held on to.
    oversampled : collection of str
        Speakers who are drawn more often, as :class:`Sampler` says.
    progress : Progress, optional
        Where to show how far it is.

    Raises
    ------
    SpkidError
        If ``out`` holds a run with another configuration, the data do not suffice, the loss
        is not finite or the disk is full.
    """
    config, progress = recipe.train, progress or Progress(disable=True)
    with joined() as team:
        torch.manual_seed(config.seed)
        encoder = first_encoder(recipe.encoder, start).to(team.device)
        corpora = corpora or load_corpora(recipe.data, progress)
        check_corpora(corpora, config)
        dim, n_clips = recipe.encoder.embedding_dim, len(corpora.training)
        sampler = make_sampler(
            corpora, teacher, config, dim=dim, oversampled=oversampled, team=team
        )
        begun = encoder if start else None
        settings = run_settings(recipe, corpora, sampler, begun, oversampled)
        weighing = pair_weighing(config, embedding_dim=dim, n_clips=n_clips, device=team.device)
        losses = Losses(config, dim, sampler.n_classes, weighing).to(team.device)
        if team.size > 1:
            share_batch_norm(encoder)
        average = torch.optim.swa_utils.AveragedModel(
            encoder,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
            use_buffers=True,
        )
        averaged = cast(SpeakerNetwork, average.module)
        parameters = [*encoder.parameters(), *losses.parameters()]
        groups = parameter_groups(encoder, losses, config.trunk_rate)
        optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        parts = [weighing, *optional_parts(config, encoder, kept)]
        modules = {"encoder": encoder, "losses": losses, "average": average}
        run = RunState(out, settings, modules, {"optimiser": optimiser})
        for part in parts:
            run.modules |= part.modules
            run.optimisers |= part.optimisers
        run.resume()
        if run.step == 0:
            if config.aam_weight:
                losses.aam.begin_at(sampler.class_targets())
            for part in parts:
                part.begin()
        if team.rank == 0:
            run.begin()
        task = progress.add_task("training", total=config.n_steps, completed=run.step)
        while run.step < config.n_steps and not 0 < config.patience <= run.n_stale:
            for group in optimiser.param_groups:
                group["lr"] = group["rate"] * learning_rate_at(run.step, config)
            values = train_step(run.step, recipe, encoder, losses, sampler, team, parts)
            descend(run.step, values["loss"], parameters, optimiser, team, longest=LARGEST_GRADIENT)
            average.update_parameters(encoder)
            run.tick()
            for part in parts:
                part.after_step(run.step, values)

            last, errors = run.step == config.n_steps, None
            if last or run.step % config.evaluate_every == 0:
                errors = judge(run, averaged, corpora, team, keep_best=config.patience > 0)
            if team.rank == 0:
                report(run, values, errors, progress, task)
                if last or run.step % config.checkpoint_every == 0:
                    run.save()
        if team.rank == 0:
            finish(run, averaged, corpora.training, with_teacher=teacher is not None)


def judge(
    run: RunState, encoder: SpeakerNetwork, corpora: Corpora, team: Team, *, keep_best: bool
) -> dict[str, float]:
    """Held-out error by corpus, counted in ``run``, which keeps the best encoder if asked to."""
    errors = team.agree(held_out_errors(encoder, corpora.held_out) if team.rank == 0 else {})
    if errors and run.judge(errors) and keep_best and team.rank == 0:
        save_encoder(run.folder / "best.safetensors", encoder)
    return errors
