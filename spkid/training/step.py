"""One step of training: from the clips that are drawn to the losses, with their graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from spkid.errors import SpkidError
from spkid.training.config import margin_at
from spkid.training.data.augment import augment, mask_features
from spkid.training.data.sampler import Sampler
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.mixup import draw_mix, for_both_speakers, mix_features
from spkid.training.objectives.part import Part, Values
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.processes import Team, computes_in_half
from spkid.training.recipe import Recipe


def train_step(
    step: int,
    recipe: Recipe,
    encoder: SpeakerNetwork,
    losses: Losses,
    sampler: Sampler,
    team: Team,
    parts: Sequence[Part] = (),
) -> Values:
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
        log_mel = mask_features(encoder.log_mel(waveforms), generator)  # [batch, mels, frames]
        mix = draw_mix(
            step,
            chance=config.mixup_chance,
            n_speakers=batch.n_speakers,
            seed=config.seed,
            device=log_mel.device,
        )
        if mix is not None:
            log_mel = mix_features(log_mel, mix)
    features = log_mel[team.share(len(log_mel))]
    for part in parts:
        part.before_step(step, encoder, features)

    def values_at(features: Tensor) -> Values:
        half = computes_in_half(team.device)
        with torch.autocast(team.device.type, dtype=torch.bfloat16, enabled=half):
            embeddings, _ = encoder.encode(features)
        embeddings = team.gather(embeddings.float())  # [batch, dim]
        margin = margin_at(step, config)
        return for_both_speakers(lambda own: losses(own, batch, margin=margin), embeddings, mix)

    values = values_at(features)
    for part in parts:
        values = part.add(values, features, values_at)
    return values


def descend(
    step: int,
    loss: Tensor,
    parameters: Sequence[nn.Parameter],
    optimiser: Optimizer,
    team: Team,
    *,
    longest: float,
) -> None:
    """Update ``parameters`` along the gradient of ``loss``, whose length is at most ``longest``.

    Raises
    ------
    SpkidError
        If the update would spoil the weights.
    """
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    team.average_gradients(parameters)
    norm = nn.utils.clip_grad_norm_(parameters, longest)
    if not torch.isfinite(loss + norm):
        raise SpkidError(
            f"loss {loss.item()} at step {step}, gradient {norm.item()}",
            expected="a finite loss",
            do="lower learning_rate; the last checkpoint is kept",
        )
    optimiser.step()
