"""Train an encoder: one straight loop that resumes from its last checkpoint.

The batch of a step depends on the seed and the step alone, so a resumed run takes the same
batches as one that was never stopped.
"""

from __future__ import annotations

from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn

from spkid.errors import SpkidError
from spkid.training.augment import augment, mask_features
from spkid.training.backbones import NetworkConfig, build_network
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.corpora import Corpora, load_corpora, load_teacher
from spkid.training.corpus import Sampler
from spkid.training.held_out import held_out_errors
from spkid.training.network import SpeakerNetwork
from spkid.training.objective import Losses
from spkid.training.processes import Team, joined, share_batch_norm
from spkid.training.recipe import Recipe, learning_rate_at, margin_at
from spkid.training.run_state import RunState

LOG_EVERY = 50  # steps


def train(
    recipe: Recipe,
    *,
    out: Path,
    teacher: Path | None = None,
    start: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Run, or go on with, the training in ``out``; at the end ``out/encoder.safetensors`` stands.

    Writes ``checkpoint.safetensors`` (weights, optimiser, step), ``log.jsonl``, ``curves.svg``
    and ``run.json``. With ``start``, the weights of that encoder are where it begins. On a GPU
    where there is one; under torchrun in all its processes, of which the first writes.

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
        corpora = load_corpora(recipe.data, progress)
        if config.patience and not len(corpora.held_out):
            raise SpkidError(
                f"patience {config.patience} and no speaker held out",
                expected="a held-out error to wait for",
                do="add speakers or set patience to 0",
            )
        settings = {**recipe.settings(), "clips": corpora.training.fingerprint()}
        if start is not None:
            settings["start"] = weights_fingerprint(encoder)
        sampler = Sampler(
            corpora.training,
            corpora.noise,
            load_teacher(teacher, corpora.training, recipe.encoder.embedding_dim),
            seed=config.seed,
            single_clip_weight=config.single_clip_weight,
            speed_chance=config.speed_chance,
            device=team.device,
        )
        losses = Losses(config, recipe.encoder.embedding_dim, sampler.n_classes).to(team.device)
        if team.size > 1:
            share_batch_norm(encoder)
        average = torch.optim.swa_utils.AveragedModel(
            encoder,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
            use_buffers=True,
        )
        parameters = [*encoder.parameters(), *losses.parameters()]
        optimiser = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        modules = {"encoder": encoder, "losses": losses, "average": average}
        run = RunState(out, settings, modules, optimiser)
        run.resume()
        if team.rank == 0:
            run.begin()
        task = progress.add_task("training", total=config.n_steps, completed=run.step)
        while run.step < config.n_steps and not 0 < config.patience <= run.n_stale:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate_at(run.step, config)
            parts = train_step(run.step, recipe, encoder, losses, sampler, team)
            optimiser.zero_grad(set_to_none=True)
            parts["loss"].backward()
            team.average_gradients(parameters)
            gradient_norm = nn.utils.clip_grad_norm_(parameters, 5.0)
            if not torch.isfinite(parts["loss"] + gradient_norm):
                raise SpkidError(
                    f"loss {parts['loss'].item()} at step {run.step}, "
                    f"gradient {gradient_norm.item()}",
                    expected="a finite loss",
                    do="lower learning_rate; the last checkpoint is kept",
                )
            optimiser.step()
            average.update_parameters(encoder)

            run.tick()
            last = run.step == config.n_steps
            errors = None
            if last or run.step % config.evaluate_every == 0:
                errors = judge(run, average.module, corpora, team, keep_best=config.patience > 0)
            if team.rank == 0:
                report(run, parts, errors, progress, task)
                if last or run.step % config.checkpoint_every == 0:
                    run.save()
        if team.rank == 0:
            finish(run, average.module, corpora, with_teacher=teacher is not None)


def first_encoder(config: NetworkConfig, start: Path | None) -> SpeakerNetwork:
    """Fresh weights, or the encoder at ``start``, refused where it has another configuration."""
    if start is None:
        return build_network(config)
    encoder = load_encoder(start)
    if encoder.config != config:
        raise SpkidError(
            f"{start}: an encoder of another configuration",
            expected="the [encoder] table of this run",
            do="correct the configuration or start from another encoder",
        )
    return encoder


def train_step(
    step: int,
    recipe: Recipe,
    encoder: SpeakerNetwork,
    losses: Losses,
    sampler: Sampler,
    team: Team,
) -> dict[str, Tensor]:
    """The losses of one step, with their graph.

    Every process makes the features of the whole batch, so that what is drawn at random is
    the same for any number of them, and encodes its share.
    """
    config = recipe.train
    drawn = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    crop_s = config.crop_s[int(torch.randint(len(config.crop_s), (1,), generator=drawn))]
    generator = drawn
    if team.device.type != "cpu":
        generator = torch.Generator(team.device).manual_seed(config.seed * 1_000_003 + step)
    batch = sampler.batch(
        step, n_speakers=config.n_speakers, n_unlabelled=config.n_unlabelled, crop_s=crop_s
    )
    encoder.train()
    with torch.no_grad():
        waveforms = augment(batch.waveforms, batch.noises, recipe.augment, generator)
        log_mel = mask_features(encoder.log_mel(waveforms), generator)
    with torch.autocast(team.device.type, dtype=torch.bfloat16):
        embeddings, _ = encoder.encode(log_mel[team.share(len(log_mel))])
    embeddings = team.gather(embeddings.float())
    return losses(embeddings, batch, margin=margin_at(step, config))


def judge(
    run: RunState, encoder: SpeakerNetwork, corpora: Corpora, team: Team, *, keep_best: bool
) -> dict[str, float]:
    """Held-out error by corpus, counted in ``run``, which keeps the best encoder if asked to."""
    errors = held_out_errors(encoder, corpora.held_out) if team.rank == 0 else {}
    errors = team.agree(errors)
    if errors and run.judge(errors) and keep_best and team.rank == 0:
        save_encoder(run.folder / "best.safetensors", encoder)
    return errors


def report(
    run: RunState,
    parts: dict[str, Tensor],
    errors: dict[str, float] | None,
    progress: Progress,
    task: int,
) -> None:
    """Show the step, and log it where it is due."""
    if run.step % LOG_EVERY == 0 or errors is not None:
        values = {name: round(value.item(), 4) for name, value in parts.items()}
        run.write_line(values if errors is None else {**values, "held_out_eer": errors})
    shown = f"training, loss {parts['loss'].item():.2f}"
    if run.lowest_error is not None:
        shown += f", best held-out EER {100 * run.lowest_error:.1f} %"
    progress.update(task, completed=run.step, description=shown)


def finish(run: RunState, encoder: SpeakerNetwork, corpora: Corpora, *, with_teacher: bool) -> None:
    """Write the encoder (the best one where the run waited for it) and the record."""
    if run.settings["train"]["patience"]:
        encoder = load_encoder(run.folder / "best.safetensors")
    save_encoder(run.folder / "encoder.safetensors", encoder)
    corpus = corpora.training
    facts = {
        "n_clips": len(corpus),
        "n_hours": round(len(corpus.samples) / 16_000 / 3600, 2),
        "n_speakers": len(set(corpus.speakers) - {""}),
        "n_parameters": sum(p.numel() for p in encoder.parameters()),
        "teacher": with_teacher,
    }
    run.write_record(facts)
