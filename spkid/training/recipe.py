"""A training recipe: one TOML file with a table for each part, an unknown key is an error."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spkid.config import from_mapping
from spkid.errors import BadConfig, NotFound
from spkid.files import read_text, why_unreadable
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.data.augment import AugmentConfig
from spkid.training.networks.attentive import EncoderConfig
from spkid.training.networks.base import NetworkConfig
from spkid.training.networks.registry import (
    config_class,
    network_config,
    network_settings,
    without_architecture,
)


@dataclass(frozen=True)
class Recipe:
    """All that a run is made from."""

    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: NetworkConfig = field(default_factory=EncoderConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def settings(self) -> dict[str, Any]:
        """What must be the same when a run is resumed: all but the place of the data."""
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
    NotFound
        If there is no such file.
    BadConfig
        If it is not TOML, or a table, a key or a value is not one of ours.
    """
    if not path.exists():
        raise NotFound(f"{path}: no such file", expected="a TOML file", do="check the path")
    try:
        tables = tomllib.loads(read_text(path))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(
            f"{path}: {why_unreadable(error)}",
            expected="a readable TOML file",
            do="correct the configuration",
        ) from error
    return recipe_of(tables, changes, origin=str(path))


def recipe_of(tables: dict[str, Any], changes: Sequence[str] = (), *, origin: str) -> Recipe:
    """The recipe of ``tables`` by name, with ``changes``; ``origin`` is named in errors.

    Raises
    ------
    BadConfig
        If a table, a key or a value is not one of ours.
    """
    texts: dict[str, dict[str, str]] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        table, dot, key = name.strip().partition(".")
        if not (equals and dot and key):
            raise BadConfig(
                f"changes={change!r}",
                expected="table.key=value, such as train.n_steps=500",
                do="correct it",
            )
        texts.setdefault(table, {})[key] = text.strip()
    if unknown := (set(tables) | set(texts)) - {*TABLES, "encoder"}:
        raise BadConfig(
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
        raise BadConfig(
            f"{origin}: {name} is not a table", expected=f"[{name}]", do="correct the configuration"
        )
    return table


def typed(cls: type, texts: dict[str, str]) -> dict[str, Any]:
    """Typed values of ``texts``: text where the field of ``cls`` holds text, else read as TOML."""
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
