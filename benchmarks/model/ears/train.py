"""Train the ears on mixtures made on the fly; about forty minutes on one core.

    OMP_NUM_THREADS=1 python -m benchmarks.model.ears.train --data DIR --out runs/ears

Started again, it goes on from its last checkpoint, to as many steps as it is told then. Each batch
is a function of the seed and the step alone. One speaker in ten of the split `train` is held out,
and of the noises those whose name has the fold 4 or 5. At the end the running average of the
weights is written as one ONNX graph, `ears.onnx`, with `ears.json` beside it: settings, log and
what was held out.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.harness.noises import fold_of
from benchmarks.model.ears.mixtures import (
    NOT_COUNTED,
    Mixture,
    MixtureConfig,
    Voices,
    draw_mixture,
)
from benchmarks.model.ears.network import EarsConfig, EarsNetwork, begin_from, export_ears
from spkid.config import fingerprint
from spkid.files import to_json, write_text
from spkid.training.config import DataConfig
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.data.corpus import Corpus
from spkid.training.processes import computes_in_half
from spkid.training.run_state import RunState

TRAINING_FOLDS = (1, 2, 3)
CHOICE_FOLDS = (4,)
FALL = 0.5  # share of the steps in which the rate falls
CLASS_WEIGHTS = (1.0, 1.0, 1.5)  # several at once are rare
N_JUDGED = 48
N_STATISTICS = 10  # batches
JUDGED_S = 5.0
JUDGED_SEED = 10**6


@dataclass(frozen=True)
class EarsTraining:
    """How fast: the rate rises for ``warm_up`` steps and falls to zero in the last quarter."""

    seed: int = 1
    batch: int = 16
    learning_rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 0.01
    change_weight: float = 2.0
    average_decay: float = 0.995
    evaluate_every: int = 100


def of_folds(noise: Corpus, folds: tuple[int, ...]) -> Corpus:
    """The noises whose name has one of these folds."""
    return noise.subset([fold_of(Path(path)) in folds for path in noise.paths])


def tensors_of(mixtures: list[Mixture]) -> tuple[Tensor, Tensor, Tensor]:
    """Waveforms ``[batch, samples]``, voices and changes ``[batch, frames]``."""
    return (
        torch.from_numpy(np.stack([mixture.waveform for mixture in mixtures])),
        torch.from_numpy(np.stack([mixture.n_voices() for mixture in mixtures])),
        torch.from_numpy(np.stack([mixture.changes() for mixture in mixtures])),
    )


def batch_of(
    voices: Voices, noises: Corpus, mixture: MixtureConfig, config: EarsTraining, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The tensors of batch ``step``, all of one duration."""
    rng = np.random.default_rng([config.seed, step])
    duration_s = float(rng.choice(mixture.durations_s))
    drawn = (
        draw_mixture(voices, noises, mixture, rng, duration_s=duration_s)
        for _ in range(config.batch)
    )
    return tensors_of(list(drawn))


def losses(
    network: EarsNetwork, batch: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy of the voices and of the changes over what counts, and the voices' logits."""
    waveforms, voices, changes = batch
    with torch.no_grad():
        features = network.features(waveforms)
    half = computes_in_half(waveforms.device)
    with torch.autocast(waveforms.device.type, dtype=torch.bfloat16, enabled=half):
        said_voices, said_change = (said.float() for said in network.logits(features))
    of_voices = nn.functional.cross_entropy(
        said_voices, voices, weight=torch.tensor(CLASS_WEIGHTS), ignore_index=NOT_COUNTED
    )
    counted = changes != NOT_COUNTED
    of_change = nn.functional.binary_cross_entropy_with_logits(
        said_change[counted], changes[counted].float()
    )
    return of_voices, of_change, said_voices


def judged(network: nn.Module, mixtures: list[Mixture], change_weight: float) -> dict[str, float]:
    """Losses on held-out mixtures, frame error of speech, and F1 of several voices at once."""
    inner = network.module if isinstance(network, AveragedModel) else network
    with torch.inference_mode():
        batch = tensors_of(mixtures)
        of_voices, of_change, logits = losses(inner.eval(), batch)  # type: ignore[arg-type]
    said, truth = logits.argmax(dim=1), batch[1]
    counted = truth != NOT_COUNTED
    both = ((said == 2) & (truth == 2)).sum().item()
    either = ((said == 2) & counted).sum().item() + (truth == 2).sum().item()
    wrong = ((said > 0) != (truth > 0))[counted].float().mean().item()
    return {
        "held_out_loss": of_voices.item() + change_weight * of_change.item(),
        "held_out_change_loss": of_change.item(),
        "speech_error": wrong,
        "several_f1": 2 * both / max(either, 1),
    }


def learning_rate(step: int, n_steps: int, config: EarsTraining) -> float:
    """A linear rise, then level, then a linear fall to zero."""
    left = (n_steps - step) / (FALL * n_steps)
    return config.learning_rate * min(1.0, (step + 1) / config.warm_up, left)


def train(
    corpora: Corpora,
    folder: Path,
    ears: EarsConfig,
    mixture: MixtureConfig,
    config: EarsTraining,
    *,
    n_steps: int,
    start: Path | None = None,
) -> EarsNetwork:
    """The running average after all steps; ``folder`` gets checkpoints and the log.

    ``n_steps`` may be another when a run goes on. ``start`` is a graph to begin from.
    """
    torch.manual_seed(config.seed)
    network = EarsNetwork(ears)
    voices, noises = Voices(corpora.training), of_folds(corpora.noise, TRAINING_FOLDS)
    if start is not None:
        heard, _, _ = batch_of(voices, noises, mixture, config, n_steps)
        begin_from(network, start, heard)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.average_decay))
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    settings = {"ears": asdict(ears), "mixture": asdict(mixture), "train": asdict(config)}
    settings["clips"] = {"fingerprint": corpora.training.fingerprint()}
    settings["start"] = {"fingerprint": fingerprint(start.read_bytes()) if start else ""}
    modules: dict[str, nn.Module] = {"network": network, "average": average}
    run = RunState(folder, settings, modules, {"adamw": optimiser})
    run.resume()
    run.begin()
    others, other_noises = Voices(corpora.held_out), of_folds(corpora.noise, CHOICE_FOLDS)
    held_out = [
        draw_mixture(
            others,
            other_noises,
            mixture,
            np.random.default_rng([JUDGED_SEED, number]),
            duration_s=JUDGED_S,
        )
        for number in range(N_JUDGED)
    ]
    while run.step < n_steps:
        drawn = batch_of(voices, noises, mixture, config, run.step)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(run.step, n_steps, config)
        of_voices, of_change, _ = losses(network.train(), drawn)
        optimiser.zero_grad()
        (of_voices + config.change_weight * of_change).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(network)
        run.tick()
        values = {"voices": of_voices.item(), "change": of_change.item()}
        if run.step % config.evaluate_every == 0 or run.step == n_steps:
            values |= judged(average, held_out, config.change_weight)
            run.save()
        if run.step % 25 == 0 or len(values) > 2:
            run.write_line({name: round(value, 4) for name, value in values.items()})
    network.load_state_dict(average.module.state_dict())
    steps = range(n_steps, n_steps + N_STATISTICS)  # averaged weights have statistics of their own
    update_bn((batch_of(voices, noises, mixture, config, step)[0] for step in steps), network)
    return network.eval()


def record(folder: Path, corpora: Corpora) -> dict[str, Any]:
    """The log and what the run heard."""
    log = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "n_clips": len(corpora.training),
        "n_speakers": len(set(corpora.training.speakers) - {""}),
        "held_out_speakers": len(set(corpora.held_out.speakers)),
        "noise_folds": TRAINING_FOLDS,
        "log": [json.loads(line) for line in log],
    }


def main(
    data: Data, out: Path = Path("runs/ears"), n_steps: int = 2_000, start: Path | None = None
) -> None:
    """Train, from a graph ``start`` or from nothing, then write the graph and the record."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ears, mixture, config = EarsConfig(), MixtureConfig(), EarsTraining()
    places = DataConfig(
        speech=str(data / "speech"), more=(str(data / "extra"),), noise=str(data / "noise")
    )
    with Progress() as progress:
        corpora = load_corpora(places, progress)
    network = train(corpora, out, ears, mixture, config, n_steps=n_steps, start=start)
    export_ears(network, out / "ears.onnx")
    settings = {"ears": asdict(ears), "mixture": asdict(mixture), "train": asdict(config)}
    write_text(out / "ears.json", to_json({**settings, **record(out, corpora)}) + "\n")


if __name__ == "__main__":
    run_command(main, words=__doc__)
