"""Where a run begins: its first weights, and what it must be the same in to be resumed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from spkid.config import fingerprint
from spkid.errors import BadConfig
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.config import TrainConfig
from spkid.training.data.corpora import Corpora
from spkid.training.data.sampler import Sampler
from spkid.training.networks.attentive import EncoderConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.registry import build_network
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.recipe import Recipe


def first_encoder(config: NetworkConfig, start: Path | None) -> SpeakerNetwork:
    """Fresh weights, or the encoder at ``start``.

    One that does not read the long-term spectrum may begin to: that part changes nothing yet.

    Raises
    ------
    BadConfig
        If the encoder at ``start`` has another configuration.
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
    raise BadConfig(
        f"{start}: an encoder of another configuration",
        expected="the [encoder] table of this run",
        do="correct the configuration or start from another encoder",
    )


def parameter_groups(
    encoder: SpeakerNetwork, losses: Losses, trunk_rate: float
) -> list[dict[str, Any]]:
    """The encoder's trunk and all other weights, each with its ``"rate"`` of the learning rate."""
    trunk: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in encoder.named_parameters():
        (trunk if name.startswith("trunk.") else others).append(parameter)
    groups = [(trunk, trunk_rate), ([*others, *losses.parameters()], 1.0)]
    return [{"params": own, "rate": rate} for own, rate in groups if own]


def check_corpora(corpora: Corpora, config: TrainConfig) -> None:
    """Refuse to wait for a held-out error where nobody is held out."""
    if config.patience and not len(corpora.held_out):
        raise BadConfig(
            f"patience = {config.patience} and no speaker held out",
            expected="a held-out error to wait for",
            do="add speakers or set patience to 0",
        )


def run_settings(
    recipe: Recipe,
    corpora: Corpora,
    sampler: Sampler,
    begun: SpeakerNetwork | None,
    oversampled: Collection[str],
) -> dict[str, Any]:
    """What must be the same when a run is resumed; ``begun`` is the encoder that it starts from."""
    settings = {**recipe.settings(), "clips": corpora.training.fingerprint()}
    if begun is not None:
        settings["start"] = weights_fingerprint(begun)
    if sampler.teacher_name:
        settings["teacher_network"] = sampler.teacher_name
    if oversampled:
        settings["oversampled"] = fingerprint("\n".join(sorted(oversampled)).encode())
    return settings
