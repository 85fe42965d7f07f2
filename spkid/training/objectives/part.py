"""The one face that every optional part of training shows to the loop."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

from spkid.training.networks.base import SpeakerNetwork

Values = dict[str, Tensor]  # scalars by name; "loss" is what the encoder lowers


class Part:
    """An optional part of a training run; what a child does not override changes nothing.

    Attributes
    ----------
    modules : dict of nn.Module
        What of this part a checkpoint carries, by the name that it has there.
    optimisers : dict of Optimizer
        The same for its optimisers.
    """

    def __init__(self) -> None:
        self.modules: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Optimizer] = {}

    def begin(self) -> None:
        """Before the first step of all; not when a run is resumed."""

    def before_step(self, step: int, encoder: SpeakerNetwork, features: Tensor) -> None:
        """Before ``encoder``, in training mode, reads ``features`` ``[batch, mels, frames]``."""

    def add(
        self, values: Values, features: Tensor, values_at: Callable[[Tensor], Values]
    ) -> Values:
        """``values`` with what this part adds to the loss or to the log.

        ``values_at`` gives the values at other features of the same shape.
        """
        return values

    def after_step(self, n_done: int, values: Values) -> None:
        """After the encoder's update, which was step number ``n_done``, counted from 1."""
