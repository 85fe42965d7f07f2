"""A training recipe: one TOML file with a table for each part, an unknown key is an error."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.training.augment import AugmentConfig
from spkid.training.backbones import (
    NetworkConfig,
    config_class,
    network_config,
    network_settings,
    without_architecture,
)
from spkid.training.encoder import EncoderConfig
from spkid.training.reweighting import FORMS


@dataclass(frozen=True)
class DataConfig:
    """Where the clips are: ``speech`` as :func:`spkid.sources.read_source` reads it.

    ``noise`` is a folder of environmental noise; without one, no noise is added.
    """

    speech: str = ""
    noise: str = ""


@dataclass(frozen=True)
class TrainConfig:
    """One training run. ``crop_s`` are the crop lengths, one drawn for each step.

    ``n_speakers`` are those of a batch, over all processes; fewer where the corpus has fewer.
    ``single_clip_weight`` and ``speed_chance`` are those of :class:`Sampler`. With a
    ``patience`` above 0 the run ends after so many evaluations without a lower held-out
    error, and its result is the best of them; else the last.

    A loss whose ``*_weight`` is 0 is not computed. ``adversarial_weight`` is the share of the
    loss that is taken at disturbed features, of Euclidean length ``adversarial_epsilon``
    (:mod:`spkid.training.adversarial`). ``reweighting`` is ``"none"`` or one of
    ``reweighting.FORMS``; it begins after its warm-up, a share of the steps. ``ewc`` is the
    strength of elastic weight consolidation.
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
    n_sub_centres: int = 1
    aam_weight: float = 1.0
    prototypical_weight: float = 1.0
    ge2e_weight: float = 0.0
    teacher_weight: float = 10.0
    adversarial_weight: float = 0.0
    adversarial_epsilon: float = 2.0
    reweighting: str = "none"
    n_regions: int = 16
    reweighting_warm_up: float = 0.2
    adversary_learning_rate: float = 0.01
    largest_weight: float = 6.0
    ewc: float = 0.0
    average_decay: float = 0.998
    checkpoint_every: int = 500
    evaluate_every: int = 1_000
    patience: int = 0

    def __post_init__(self) -> None:
        if self.reweighting not in ("none", *FORMS):
            raise SpkidError(
                f"TrainConfig.reweighting = {self.reweighting!r}",
                expected=" or ".join(("none", *FORMS)),
                do="correct the configuration",
            )
        if not 0 <= self.adversarial_weight <= 1:
            raise SpkidError(
                f"TrainConfig.adversarial_weight = {self.adversarial_weight}",
                expected="a share between 0 and 1",
                do="correct the configuration",
            )
        whole = ("n_steps", "n_speakers", "checkpoint_every", "evaluate_every")
        for name in (*whole, "n_sub_centres", "n_regions"):
            if getattr(self, name) < 1:
                raise SpkidError(
                    f"TrainConfig.{name} = {getattr(self, name)}",
                    expected="1 or more",
                    do="correct the configuration",
                )


@dataclass(frozen=True)
class Recipe:
    """All that a run is made from."""

    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: NetworkConfig = field(default_factory=EncoderConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def settings(self) -> dict[str, Any]:
        """What must be the same when a run goes on: all but the place of the data."""
        tables = {"train": dataclasses.asdict(self.train)}
        tables["encoder"] = network_settings(self.encoder)
        tables["augment"] = dataclasses.asdict(self.augment)
        return tables


TABLES = {"data": DataConfig, "train": TrainConfig, "augment": AugmentConfig}


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe at ``path`` with ``changes`` such as ``train.n_steps=500``.

    A folder in ``[data]`` starts from where the command runs.

    Raises
    ------
    SpkidError
        If the file is not TOML, or a table, a key or a value is not one of ours.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpkidError(
            f"{path}: {error}", expected="a readable TOML file", do="correct the configuration"
        ) from error
    return recipe_of(tables, changes, origin=str(path))


def recipe_of(tables: dict[str, Any], changes: Sequence[str] = (), *, origin: str) -> Recipe:
    """The recipe of ``tables`` by name, with ``changes``; ``origin`` is named in errors.

    Raises
    ------
    SpkidError
        If a table, a key or a value is not one of ours.
    """
    texts: dict[str, dict[str, str]] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        table, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise SpkidError(
                f"--set {change}",
                expected="table.key=value, such as train.n_steps=500",
                do="correct the option",
            )
        texts.setdefault(table, {})[key] = text.strip()
    if unknown := (set(tables) | set(texts)) - {*TABLES, "encoder"}:
        raise SpkidError(
            f"{origin}: unknown table {', '.join(sorted(unknown))}",
            expected=" or ".join(f"[{name}]" for name in (*TABLES, "encoder")),
            do="correct the configuration",
        )
    read: dict[str, Any] = {}
    for name, cls in TABLES.items():
        changed = typed(cls, texts.get(name, {}))
        read[name] = from_mapping(cls, {**_table(origin, tables, name), **changed})
    network = {**_table(origin, tables, "encoder"), **texts.get("encoder", {})}
    changed = typed(config_class(network), without_architecture(texts.get("encoder", {})))
    return Recipe(**read, encoder=network_config({**network, **changed}))


def _table(origin: str, tables: dict[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise SpkidError(
            f"{origin}: {name} is no table", expected=f"[{name}]", do="correct the configuration"
        )
    return table


def typed(cls: type, texts: dict[str, str]) -> dict[str, Any]:
    """Values of the command line as their fields have them: text as it is, else as TOML."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, text in texts.items():
        values[key] = text
        if not isinstance(defaults.get(key), str):
            try:
                values[key] = tomllib.loads(f"value = {text}")["value"]
            except tomllib.TOMLDecodeError:
                continue  # the config names the type that it wants
    return values


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
