"""Batch normalisation that stays as it was, while all else is trained."""

from __future__ import annotations

from torch import Tensor

from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.ewc import hold_statistics
from spkid.training.objectives.part import Part


class HeldStatistics(Part):
    """Normalises by the statistics that the encoder began with.

    Those of a network that somebody trained on far more speakers than we have are better than
    those of our batches.
    """

    def before_step(self, step: int, encoder: SpeakerNetwork, features: Tensor) -> None:
        """Hold them for this step."""
        hold_statistics(encoder)
