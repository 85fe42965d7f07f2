"""Train an encoder: one straight loop that resumes from its last checkpoint.

The batch of a step depends on the seed and the step alone, so a resumed run takes the same
batches as one that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn

from spkid.config import fingerprint
from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.config import learning_rate_at, margin_at
from spkid.training.data.augment import augment, mask_features
from spkid.training.data.corpora import Corpora, load_corpora, load_teacher
from spkid.training.data.corpus import Corpus
from spkid.training.data.sampler import Sampler
from spkid.training.held_out import held_out_errors
from spkid.training.networks.attentive import EncoderConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.registry import build_network
from spkid.training.objectives.adversarial import fast_gradient
from spkid.training.objectives.ewc import ElasticWeights, hold_statistics, losses_of
from spkid.training.objectives.reweighting import Reweighting
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.processes import Team, joined, share_batch_norm
from spkid.training.recipe import Recipe
from spkid.training.run_state import RunState

LOG_EVERY = 50  # steps


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
    """Run, or go on with, the training in ``out``; at the end ``out/encoder.safetensors`` stands.

    Writes ``checkpoint.safetensors`` (weights, optimiser, step), ``log.jsonl``, ``curves.svg``
    and ``run.json``. On a GPU where there is one; under torchrun in all its processes, of which
    the first writes.

    Parameters
    ----------
    teacher : Path, optional
        Vectors to distil from, as :func:`load_teacher` reads them; class centres start there.
    start : Path, optional
        The encoder whose weights are where it begins.
    corpora : Corpora, optional
        The recipe's clips, where they are in memory already.
    kept : Corpus, optional
        With ``recipe.train.ewc``: what the encoder knows of these clips is held on to.
    oversampled : collection of str
        Speakers who are drawn more often, as :class:`Sampler` says.

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
        if config.patience and not len(corpora.held_out):
            raise SpkidError(
                f"patience {config.patience} and no speaker held out",
                expected="a held-out error to wait for",
                do="add speakers or set patience to 0",
            )
        if config.ewc and kept is None:
            raise SpkidError(
                f"ewc {config.ewc:g} without clips to hold on to",
                expected="a cohort to fine-tune on, so that the others are held on to",
                do="use spkid finetune, or set ewc to 0",
            )
        settings = {**recipe.settings(), "clips": corpora.training.fingerprint()}
        if start is not None:
            settings["start"] = weights_fingerprint(encoder)
        if oversampled:
            settings["oversampled"] = fingerprint("\n".join(sorted(oversampled)).encode())
        sampler = Sampler(
            corpora.training,
            corpora.noise,
            load_teacher(teacher, corpora.training, recipe.encoder.embedding_dim),
            seed=config.seed,
            single_clip_weight=config.single_clip_weight,
            speed_chance=config.speed_chance,
            oversampled=oversampled,
            device=team.device,
        )
        losses = Losses(config, recipe.encoder.embedding_dim, sampler.n_classes).to(team.device)
        losses.aam.begin_at(sampler.class_targets())
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
        optimisers = {"optimiser": optimiser}
        reweighting, elastic = None, None
        if config.reweighting != "none":
            reweighting = Reweighting(
                config.reweighting,
                embedding_dim=recipe.encoder.embedding_dim,
                n_regions=config.n_regions,
                largest=config.largest_weight,
            ).to(team.device)
            adversary = torch.optim.Adam(
                reweighting.parameters(), lr=config.adversary_learning_rate, maximize=True
            )
            modules["reweighting"], optimisers["adversary"] = reweighting, adversary
            epoch = math.ceil(len(corpora.training) / (2 * config.n_speakers))
        if config.ewc:
            elastic = modules["elastic"] = ElasticWeights(encoder)
        run = RunState(out, settings, modules, optimisers)
        run.resume()
        if elastic is not None and run.step == 0:
            elastic.measure(encoder, losses_of(encoder, kept, config))
        if team.rank == 0:
            run.begin()
        task = progress.add_task("training", total=config.n_steps, completed=run.step)
        while run.step < config.n_steps and not 0 < config.patience <= run.n_stale:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate_at(run.step, config)
            parts = train_step(run.step, recipe, encoder, losses, sampler, team, reweighting)
            if elastic is not None:
                parts["elastic"] = elastic(encoder)
                parts["loss"] = parts["loss"] + config.ewc * parts["elastic"]
            # min: the encoder lowers the loss under the weights as they are
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
            # max: the adversary raises it, with the encoder as it was
            if "gain" in parts:
                adversary.zero_grad(set_to_none=True)
                parts["gain"].backward()
                adversary.step()

            run.tick()
            if reweighting is not None and run.step % epoch == 0:
                reweighting.regions.refit(seed=config.seed + run.step)
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
    """Fresh weights, or the encoder at ``start``, refused where it has another configuration.

    One that does not read the long-term spectrum may begin to: that part changes nothing yet.
    """
    encoder = build_network(config)
    if start is None:
        return encoder
    begun = load_encoder(start)
    if begun.config == config:
        return begun
    if isinstance(config, EncoderConfig):
        deaf = replace(config, long_term_spectrum=False)
        if begun.config == deaf:
            encoder.load_state_dict(begun.state_dict(), strict=False)
            return encoder
    raise SpkidError(
        f"{start}: an encoder of another configuration",
        expected="the [encoder] table of this run",
        do="correct the configuration or start from another encoder",
    )


def train_step(
    step: int,
    recipe: Recipe,
    encoder: SpeakerNetwork,
    losses: Losses,
    sampler: Sampler,
    team: Team,
    reweighting: Reweighting | None = None,
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
    if config.ewc:
        hold_statistics(encoder)
    with torch.no_grad():
        waveforms = augment(batch.waveforms, batch.noises, recipe.augment, generator)
        log_mel = mask_features(encoder.log_mel(waveforms), generator)
    warm = step >= config.reweighting_warm_up * config.n_steps
    options = {"margin": margin_at(step, config), "reweighting": reweighting if warm else None}

    def parts_of(features: Tensor) -> dict[str, Tensor]:
        half = computes_in_half(team.device)
        with torch.autocast(team.device.type, dtype=torch.bfloat16, enabled=half):
            embeddings, _ = encoder.encode(features)
        embeddings = team.gather(embeddings.float())
        if reweighting is not None:
            reweighting.regions.observe(embeddings)
        return losses(embeddings, batch, **options)

    own = log_mel[team.share(len(log_mel))]
    if not config.adversarial_weight:
        return parts_of(own)
    own.requires_grad_()
    parts = parts_of(own)
    disturbance = fast_gradient(parts["loss"], own, epsilon=config.adversarial_epsilon)
    disturbed = parts_of(own.detach() + disturbance)["loss"]
    share = config.adversarial_weight
    loss = (1 - share) * parts["loss"] + share * disturbed
    return {**parts, "disturbed": disturbed, "loss": loss}


def computes_in_half(device: torch.device) -> bool:
    """Whether bfloat16 is native; a processor that imitates it is several times slower for it."""
    if device.type != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


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
