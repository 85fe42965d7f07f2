"""Which optional parts a run has, by its configuration."""

from __future__ import annotations

import torch

from spkid.errors import BadConfig
from spkid.training.config import TrainConfig
from spkid.training.data.corpus import Corpus
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.adversarial import AdversarialTraining
from spkid.training.objectives.ewc import Consolidation
from spkid.training.objectives.held_statistics import HeldStatistics
from spkid.training.objectives.part import Part
from spkid.training.objectives.weighing import AdversarialWeighing, PairWeighing


def pair_weighing(
    config: TrainConfig, *, embedding_dim: int, n_clips: int, device: torch.device
) -> PairWeighing:
    """The adversary's weighing where ``config.reweighting`` names a form, else the plain one."""
    if config.reweighting == "none":
        return PairWeighing()
    return AdversarialWeighing(config, embedding_dim=embedding_dim, n_clips=n_clips, device=device)


def optional_parts(config: TrainConfig, encoder: SpeakerNetwork, kept: Corpus | None) -> list[Part]:
    """Held statistics, adversarial training and consolidation, where ``config`` asks for them.

    Raises
    ------
    BadConfig
        If there is to be consolidation and no clips, ``kept``, to hold on to.
    """
    parts: list[Part] = []
    if config.hold_statistics:
        parts.append(HeldStatistics())
    if config.adversarial_weight:
        parts.append(AdversarialTraining(config.adversarial_weight, config.adversarial_epsilon))
    if config.ewc:
        if kept is None:
            raise BadConfig(
                f"ewc = {config.ewc:g} and no clips of other speakers",
                expected="a cohort to fine-tune for, so that the other speakers can be held on to",
                do="use spkid finetune, or set ewc to 0",
            )
        parts.append(Consolidation(encoder, kept, config))
    return parts
