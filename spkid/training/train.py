"""Train the encoder: one straight loop that resumes from its last checkpoint.

The batch of a step depends on the seed and the step alone, so a resumed run takes the same
batches as one that was never stopped.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.manifest import read_manifest
from spkid.training.augment import AugmentConfig, augment, mask_features
from spkid.training.checkpoint import (
    load_encoder,
    load_tensors,
    save_encoder,
    save_tensors,
    weights_fingerprint,
)
from spkid.training.corpus import Batch, Corpus, Sampler, is_held_out
from spkid.training.encoder import EncoderConfig, SelfAttentiveEncoder
from spkid.training.held_out import held_out_errors
from spkid.training.losses import AAMSoftmax, AngularPrototypical, teacher_distance
from spkid.trials import EmbeddingTable


@dataclass(frozen=True)
class TrainConfig:
    """One training run. ``crop_s`` are the crop lengths, one drawn for each step.

    ``single_clip_weight`` and ``speed_chance`` are those of :class:`Sampler`.
    """

    seed: int = 1
    n_steps: int = 10_000
    n_speakers: int = 28
    n_unlabelled: int = 8
    crop_s: tuple[float, ...] = (1.0, 2.0, 2.0, 3.0)
    single_clip_weight: float = 0.4
    speed_chance: float = 0.3
    learning_rate: float = 1e-3
    warm_up: float = 0.05
    weight_decay: float = 0.02
    margin: float = 0.2
    aam_weight: float = 1.0
    prototypical_weight: float = 1.0
    teacher_weight: float = 10.0
    average_decay: float = 0.998
    checkpoint_every: int = 500
    evaluate_every: int = 1_000


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to one hundredth of the peak."""
    warm_up_steps = max(1, int(config.warm_up * config.n_steps))
    if step < warm_up_steps:
        return config.learning_rate * (step + 1) / warm_up_steps
    progress = (step - warm_up_steps) / max(1, config.n_steps - warm_up_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress)))


def margin_at(step: int, config: TrainConfig) -> float:
    """No margin for the first tenth, full margin from three tenths on."""
    return config.margin * float(np.clip((step / config.n_steps - 0.1) / 0.2, 0.0, 1.0))


class Losses(nn.Module):
    """The weighted sum of the losses of one batch, and its parts for the log."""

    def __init__(self, config: TrainConfig, embedding_dim: int, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.aam = AAMSoftmax(embedding_dim, n_classes)
        self.prototypical = AngularPrototypical()

    def forward(self, embeddings: Tensor, batch: Batch, *, margin: float) -> dict[str, Tensor]:
        labelled = batch.classes >= 0
        taught = batch.targets.any(dim=1)
        pairs = embeddings[: 2 * batch.n_speakers].unflatten(0, (batch.n_speakers, 2))
        parts = {"prototypical": self.prototypical(pairs).mean()}
        if labelled.any():
            parts["aam"] = self.aam(
                embeddings[labelled], batch.classes[labelled], margin=margin
            ).mean()
        if taught.any():
            parts["teacher"] = teacher_distance(embeddings[taught], batch.targets[taught]).mean()
        parts["loss"] = sum(getattr(self.config, f"{name}_weight") * parts[name] for name in parts)
        return parts


def load_corpora(root: Path, noise_root: Path, progress: Progress) -> tuple[Corpus, Corpus, Corpus]:
    """Training clips (unlabelled ones too), held-out clips and noise, decoded into memory."""
    table = read_manifest(root / "manifest.csv", required=("path", "speaker", "split"))
    table = table[table["split"].isin(["train", "unlabelled"])]
    held_out = table["speaker"].map(is_held_out).astype(bool) & (table["speaker"] != "")
    kept_out = table[held_out]
    counts = kept_out["speaker"].map(kept_out["speaker"].value_counts())
    kept_out = kept_out[counts >= 2]
    noise_paths = sorted(
        str(path.relative_to(noise_root))
        for path in noise_root.rglob("*")
        if path.suffix in {".opus", ".ogg", ".wav", ".flac"}
    )
    loaded = []
    for name, folder, paths, speakers in (
        ("training clips", root, table[~held_out]["path"], table[~held_out]["speaker"]),
        ("held-out clips", root, kept_out["path"], kept_out["speaker"]),
        ("noise", noise_root, noise_paths, [""] * len(noise_paths)),
    ):
        task = progress.add_task(f"reading {name}", total=len(paths))
        loaded.append(
            Corpus.load(
                folder,
                list(paths),
                list(speakers),
                advance=lambda task=task: progress.advance(task),
            )
        )
    return loaded[0], loaded[1], loaded[2]


def started_from(path: Path, config: EncoderConfig) -> SelfAttentiveEncoder:
    """The encoder at ``path``, refused where it has another configuration."""
    encoder = load_encoder(path)
    if encoder.config != config:
        raise SpkidError(
            f"{path}: an encoder of another configuration",
            expected="the [encoder] table of this run",
            do="correct the configuration or start from another encoder",
        )
    return encoder


def load_teacher(path: Path | None, corpus: Corpus, dim: int) -> np.ndarray:
    """Teacher vectors ``[clips, dim]`` in the corpus's order; zeros where there is none.

    ``path`` is a file as ``spkid embed`` writes it (``paths``, ``embeddings``).

    Raises
    ------
    SpkidError
        If the file is unusable or the vectors have another dimension than the encoder's.
    """
    vectors = np.zeros((len(corpus), dim), dtype=np.float32)
    if path is None:
        return vectors
    known = EmbeddingTable.load(path)
    if known.vectors.shape[1] != dim:
        raise SpkidError(
            f"{path}: teacher vectors of {known.vectors.shape[1]} dimensions",
            expected=f"{dim}, as many as the encoder has",
            do="project them first",
        )
    for row, clip_path in enumerate(corpus.paths):
        if clip_path in known.row_of:
            vectors[row] = known.vectors[known.row_of[clip_path]]
    return vectors


def train(
    config: TrainConfig,
    encoder_config: EncoderConfig,
    augment_config: AugmentConfig,
    *,
    root: Path,
    noise_root: Path,
    out: Path,
    teacher: Path | None = None,
    start: Path | None = None,
) -> None:
    """Run, or go on with, the training in ``out``; at the end ``out/encoder.safetensors`` stands.

    Writes ``checkpoint.safetensors`` (weights, optimiser, step), ``log.jsonl`` and
    ``run.json``. With ``start``, the weights of that encoder are where it begins.

    Raises
    ------
    SpkidError
        If ``out`` holds a run with another configuration, or the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "train": asdict(config),
        "encoder": asdict(encoder_config),
        "augment": asdict(augment_config),
    }
    settings = json.loads(json.dumps(settings))
    torch.manual_seed(config.seed)
    encoder = SelfAttentiveEncoder(encoder_config)
    if start is not None:
        encoder = started_from(start, encoder_config)
        settings["start"] = weights_fingerprint(encoder)
    with Progress() as progress:
        corpus, held_out, noise = load_corpora(root, noise_root, progress)
        sampler = Sampler(
            corpus,
            noise,
            load_teacher(teacher, corpus, encoder_config.embedding_dim),
            seed=config.seed,
            single_clip_weight=config.single_clip_weight,
            speed_chance=config.speed_chance,
        )
        losses = Losses(config, encoder_config.embedding_dim, sampler.n_classes)
        average = torch.optim.swa_utils.AveragedModel(
            encoder,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average_decay),
            use_buffers=True,
        )
        parameters = [*encoder.parameters(), *losses.parameters()]
        optimiser = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        state = {"encoder": encoder, "losses": losses, "average": average}
        checkpoint = out / "checkpoint.safetensors"
        first_step, seconds_before = 0, 0.0
        if checkpoint.exists():
            first_step, seconds_before = resume(checkpoint, state, optimiser, settings)
        started = time.monotonic()
        task = progress.add_task("training", total=config.n_steps, completed=first_step)
        for step in range(first_step, config.n_steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate_at(step, config)
            parts = train_step(step, config, augment_config, encoder, losses, sampler)
            optimiser.zero_grad(set_to_none=True)
            parts["loss"].backward()
            gradient_norm = nn.utils.clip_grad_norm_(parameters, 5.0)
            if not torch.isfinite(parts["loss"] + gradient_norm):
                raise SpkidError(
                    f"loss {parts['loss'].item()} at step {step}, gradient {gradient_norm.item()}",
                    expected="a finite loss",
                    do="lower learning_rate; the last checkpoint is kept",
                )
            optimiser.step()
            average.update_parameters(encoder)

            done = step + 1
            elapsed_s = seconds_before + time.monotonic() - started
            record = {name: round(value.item(), 4) for name, value in parts.items()}
            if done % config.evaluate_every == 0 or done == config.n_steps:
                record["held_out_eer"] = held_out_errors(average.module, held_out)
            if done % 50 == 0 or "held_out_eer" in record:
                append_line(
                    out / "log.jsonl", {"step": done, "elapsed_s": round(elapsed_s), **record}
                )
            if done % config.checkpoint_every == 0 or done == config.n_steps:
                save_checkpoint(checkpoint, state, optimiser, settings, done, elapsed_s)
            progress.update(task, advance=1, description=f"training, loss {record['loss']:.2f}")
    save_encoder(out / "encoder.safetensors", average.module)
    run = {
        **settings,
        "n_clips": len(corpus),
        "n_hours": round(len(corpus.samples) / 16_000 / 3600, 2),
        "n_speakers": len(set(corpus.speakers) - {""}),
        "n_parameters": sum(p.numel() for p in encoder.parameters()),
        "training_s": round(seconds_before + time.monotonic() - started),
        "torch": torch.__version__,
        "teacher": teacher is not None,
    }
    (out / "run.json").write_text(json.dumps(run, indent=2) + "\n")


def train_step(
    step: int,
    config: TrainConfig,
    augment_config: AugmentConfig,
    encoder: SelfAttentiveEncoder,
    losses: Losses,
    sampler: Sampler,
) -> dict[str, Tensor]:
    """The losses of one step, with their graph."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    choice = int(torch.randint(len(config.crop_s), (1,), generator=generator))
    batch = sampler.batch(
        step,
        n_speakers=config.n_speakers,
        n_unlabelled=config.n_unlabelled,
        crop_s=config.crop_s[choice],
    )
    encoder.train()
    with torch.no_grad():
        waveforms = augment(batch.waveforms, batch.noises, augment_config, generator)
        log_mel = mask_features(encoder.log_mel(waveforms), generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings, _ = encoder.encode(log_mel)
    return losses(embeddings.float(), batch, margin=margin_at(step, config))


def append_line(path: Path, record: dict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def save_checkpoint(
    path: Path,
    state: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    settings: dict,
    step: int,
    elapsed_s: float,
) -> None:
    """Everything that a resumed run needs, in one safetensors file."""
    tensors = {
        f"{name}/{key}": value
        for name, module in state.items()
        for key, value in module.state_dict().items()
    }
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{key}": value for key, value in moments.items()}
    save_tensors(path, tensors, {"settings": settings, "step": step, "elapsed_s": elapsed_s})


def resume(
    path: Path, state: dict[str, nn.Module], optimiser: torch.optim.Optimizer, settings: dict
) -> tuple[int, float]:
    """Load a checkpoint of the same settings strictly; returns the step and the seconds so far."""
    tensors, metadata = load_tensors(path)
    if metadata["settings"] != settings:
        raise SpkidError(
            f"{path}: a checkpoint of another configuration",
            expected="the configuration that started this run",
            do="choose an empty folder or restore the configuration",
        )
    for name, module in state.items():
        prefix = f"{name}/"
        own = {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)}
        module.load_state_dict(own, strict=True)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            _, index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    return metadata["step"], metadata["elapsed_s"]


def train_from_file(
    path: Path,
    *,
    root: Path,
    noise_root: Path,
    out: Path,
    teacher: Path | None = None,
    start: Path | None = None,
) -> None:
    """:func:`train` with the tables ``[train]``, ``[encoder]`` and ``[augment]`` of a TOML file."""
    import tomllib

    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpkidError(
            f"{path}: {error}", expected="a readable TOML file", do="correct the configuration"
        ) from error
    unknown = set(tables) - {"train", "encoder", "augment"}
    if unknown:
        raise SpkidError(
            f"{path}: unknown table {', '.join(sorted(unknown))}",
            expected="[train], [encoder] and [augment]",
            do="correct the configuration",
        )
    train(
        from_mapping(TrainConfig, tables.get("train", {})),
        from_mapping(EncoderConfig, tables.get("encoder", {})),
        from_mapping(AugmentConfig, tables.get("augment", {})),
        root=root,
        noise_root=noise_root,
        out=out,
        teacher=teacher,
        start=start,
    )
