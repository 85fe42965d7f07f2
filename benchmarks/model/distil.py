r"""Teach a thinned network what the frames of the whole one say, block by block.

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --no-python -- \
        python -m benchmarks.model.distil --data DIR \
        --start runs/small/start.safetensors --out runs/small/distilled

Both hear the same augmented crops. The thinned network's channels are some of the whole one's
(`start.json`, which `thin` writes beside the start), so each block has what it should say at every
frame: a crop teaches some hundred thousand numbers where its vector has 192 (FitNets, Romero et
al., ICLR 2015; TinyBERT, Jiao et al., 2020). Batch normalisation stays as it was. Started again, it
goes on from its last checkpoint. Each process draws batches of its own, functions of the seed, the
step and the process's number; all of a step have crops of one length.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from rich.progress import Progress
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.harness.benchmark import Data, File, run_command
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, training_data
from benchmarks.model.thin import attentive
from spkid.training.checkpoint import save_encoder, weights_fingerprint
from spkid.training.config import TrainConfig, learning_rate_at
from spkid.training.data.augment import AugmentConfig, augment
from spkid.training.data.corpora import Corpora, load_corpora, load_teacher
from spkid.training.data.sampler import Sampler
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.networks.registry import network_settings
from spkid.training.objectives.losses import similarity_distance, teacher_distance
from spkid.training.objectives.part import Values
from spkid.training.processes import Team, computes_in_half, joined
from spkid.training.run_state import RunState
from spkid.training.step import descend

AUGMENT = AugmentConfig(band_limit_chance=0.4, carrier_chance=0.25, pitch_chance=0.3)
LARGEST_GRADIENT = 1.0  # Euclidean length, over all parameters
REPORT_EVERY, CHECKPOINT_EVERY = 25, 100
Steps = Annotated[int, typer.Option(help="over which the rate rises and falls")]
Strides = Annotated[str, typer.Option(help="of each dense block, such as 1,2,1; else as they are")]
# what a block has of the whole one's: which channels, and one of how many frames
Kept = tuple[Tensor, int]


@dataclass(frozen=True)
class Distillation:
    """A process's batch and what its losses weigh.

    ``vector_weight`` is that of 1 - cosine; ``similarity_weight`` that of how far the cosines
    between the crops of a batch are from what the teacher has there. Without the latter, vectors
    come nearer to the teacher's and to each other too, and tell speakers apart no better.
    """

    seed: int = 1
    n_speakers: int = 6
    n_unlabelled: int = 4
    crop_s: tuple[float, ...] = (1.0, 2.0, 2.0, 3.0)
    speed_chance: float = 0.3
    formant_chance: float = 0.2
    vector_weight: float = 3.0
    similarity_weight: float = 20.0
    average_decay: float = 0.995


@dataclass(frozen=True)
class Said:
    """What a network says of features: the outputs of its blocks, and its unit vectors."""

    blocks: list[Tensor]  # each [batch, channels, frames]
    vectors: Tensor  # [batch, dim]


def with_strides(network: AttentiveTrunk, strides: tuple[int, ...]) -> AttentiveTrunk:
    """The same weights where each dense block hears every so many frames of the one before.

    Layers that saw frames further apart already see the same ones as before.
    """
    config = replace(cast(AttentiveTrunkConfig, network.config), strides=strides)
    dilations = (
        max(1, dilation // every)
        for dilation, every in zip(config.dilations, config.apart[1:], strict=True)
    )
    made = AttentiveTrunk(replace(config, dilations=tuple(dilations)))
    made.load_state_dict(network.state_dict())
    return made.eval()


def said_of(network: AttentiveTrunk, log_mel: Tensor) -> Said:
    """What ``network`` says of features ``[batch, mels, frames]``, block by block."""
    half = computes_in_half(log_mel.device)
    with torch.autocast(log_mel.device.type, dtype=torch.bfloat16, enabled=half):
        blocks = network.trunk.block_outputs(log_mel)
        statistics, _ = network.pooling(network.weighting(network.trunk.leave(blocks[-1])))
        vectors = network.head(statistics)
    return Said(blocks, nn.functional.normalize(vectors.float(), dim=1))


def losses(own: Said, wanted: Said, kept: list[Kept], config: Distillation) -> Values:
    """How much of each block's variance is missed, and how far vectors and similarities are off."""
    values: Values = {}
    for number, (channels, every) in enumerate(kept):
        target = wanted.blocks[number].float()[:, channels, ::every]
        missed = (own.blocks[number].float() - target).square().mean(dim=(0, 2))
        variance = target.var(dim=(0, 2)).clamp_min(1e-4)
        values[f"block {number}"] = (missed / variance).clamp_max(4.0).mean()
    blocks = torch.stack(list(values.values())).mean()
    values["vectors"] = teacher_distance(own.vectors, wanted.vectors).mean()
    values["similarity"] = similarity_distance(own.vectors, wanted.vectors).mean()
    values["loss"] = (
        blocks
        + config.vector_weight * values["vectors"]
        + config.similarity_weight * values["similarity"]
    )
    return values


def step_values(
    step: int,
    team: Team,
    network: AttentiveTrunk,
    whole: AttentiveTrunk,
    kept: list[Kept],
    sampler: Sampler,
    config: Distillation,
) -> Values:
    """The losses of this process's batch in a step, with their graph."""
    crop_s = float(np.random.default_rng([config.seed, step]).choice(config.crop_s))
    number = step * team.size + team.rank
    batch = sampler.batch(
        number, n_speakers=config.n_speakers, n_unlabelled=config.n_unlabelled, crop_s=crop_s
    )
    drawn = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
    with torch.no_grad():
        log_mel = network.log_mel(augment(batch.waveforms, batch.noises, AUGMENT, drawn))
        wanted = said_of(whole, log_mel)
    return losses(said_of(network, log_mel), wanted, kept, config)


def distil(
    network: AttentiveTrunk,
    whole: AttentiveTrunk,
    kept: list[Kept],
    corpora: Corpora,
    schedule: TrainConfig,
    *,
    out: Path,
    team: Team,
    progress: Progress,
    config: Distillation,
) -> AttentiveTrunk:
    """The running average of ``network`` after all steps; ``out`` gets checkpoints and the log."""
    sampler = Sampler(
        corpora.training,
        corpora.noise,
        load_teacher(None, corpora.training, 1),
        seed=config.seed,
        speed_chance=config.speed_chance,
        formant_chance=config.formant_chance,
    )
    settings: dict[str, Any] = {
        "distillation": asdict(config),
        "schedule": {"n_steps": schedule.n_steps, "learning_rate": schedule.learning_rate},
        "n_processes": team.size,
        "augment": asdict(AUGMENT),
        "clips": corpora.training.fingerprint(),
        "teacher_network": weights_fingerprint(whole),
        "start": weights_fingerprint(network),
        "encoder": network_settings(network.config),
    }
    parameters = list(network.parameters())
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay))
    optimiser = torch.optim.AdamW(parameters, weight_decay=schedule.weight_decay)
    modules: dict[str, nn.Module] = {"encoder": network, "average": average}
    run = RunState(out, settings, modules, {"adamw": optimiser})
    run.resume()
    if team.rank == 0:
        run.begin()
    task = progress.add_task("teaching", total=schedule.n_steps, completed=run.step)
    while run.step < schedule.n_steps:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(run.step, schedule)
        values = step_values(run.step, team, network, whole, kept, sampler, config)
        descend(run.step, values["loss"], parameters, optimiser, team, longest=LARGEST_GRADIENT)
        average.update_parameters(network)
        run.tick()
        progress.advance(task)
        last = run.step == schedule.n_steps
        if team.rank == 0 and (last or run.step % REPORT_EVERY == 0):
            run.write_line({name: round(value.item(), 4) for name, value in values.items()})
        if team.rank == 0 and (last or run.step % CHECKPOINT_EVERY == 0):
            run.save()
    return cast(AttentiveTrunk, average.module)


def main(
    data: Data,
    start: File,
    out: File,
    n_steps: Steps = 4_000,
    learning_rate: float = 4e-4,
    seed: int = 1,
    leave_out: str = LEFT_OUT,
    strides: Strides = "",
) -> None:
    """Teach, then write `encoder.safetensors` into the folder `out`."""
    schedule = TrainConfig(n_steps=n_steps, learning_rate=learning_rate)
    whole = attentive(CHECKPOINTS / "accurate.safetensors").requires_grad_(False)
    network = attentive(start)
    if strides:
        network = with_strides(network, tuple(int(stride) for stride in strides.split(",")))
    channels = json.loads(start.with_suffix(".json").read_text(encoding="utf-8"))
    kept = [
        (torch.tensor(own), every) for own, every in zip(channels, network.trunk.apart, strict=True)
    ]
    with joined() as team, Progress(disable=team.rank > 0) as progress:
        corpora = load_corpora(training_data(data, leave_out), progress)
        taught = distil(
            network,
            whole,
            kept,
            corpora,
            schedule,
            out=out,
            team=team,
            progress=progress,
            config=Distillation(seed=seed),
        )
        if team.rank == 0:
            save_encoder(out / "encoder.safetensors", taught)


if __name__ == "__main__":
    run_command(main, words=__doc__)
