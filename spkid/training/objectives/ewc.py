"""Elastic weight consolidation: learn something new, keep the weights that the old rests on.

The penalty is ``(lambda / 2) sum_i F_i (theta_i - theta*_i)^2`` (Kirkpatrick et al., PNAS 2017;
for the worst cohort of a speaker model Trinh et al., Interspeech 2022, arXiv 2207.07850;
docs/methods.md, section 6), with ``theta*`` the weights before and ``F`` the diagonal of the
Fisher information on the original data: where the old loss is steep, a weight is held tight.
Batch statistics are no weights, but the old rests on them as well: batches of one cohort would
move them for everybody, so they stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from spkid.training.config import TrainConfig
from spkid.training.data.corpora import load_teacher
from spkid.training.data.corpus import Corpus
from spkid.training.data.sampler import Sampler
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.losses import AngularPrototypical
from spkid.training.objectives.part import Part, Values

N_BATCHES = 30
N_SPEAKERS = 8  # of a batch; each query costs a backward pass of its own


class Consolidation(Part):
    """What ``encoder`` knows of the clips of ``kept`` is held while it learns something else.

    Parameters
    ----------
    encoder : SpeakerNetwork
        With the weights that are to be held.
    kept : Corpus
        Clips of the speakers who must not be forgotten.
    config : TrainConfig
        ``ewc`` is the strength.
    """

    def __init__(self, encoder: SpeakerNetwork, kept: Corpus, config: TrainConfig) -> None:
        super().__init__()
        self.encoder, self.kept, self.config = encoder, kept, config
        self.elastic = ElasticWeights(encoder)
        self.modules = {"elastic": self.elastic}

    def begin(self) -> None:
        """Measure which weights the clips rest on."""
        self.elastic.measure(self.encoder, losses_of(self.encoder, self.kept, self.config))

    def before_step(self, step: int, encoder: SpeakerNetwork, features: Tensor) -> None:
        """Batch statistics stay as they are."""
        hold_statistics(encoder)

    def add(
        self, values: Values, features: Tensor, values_at: Callable[[Tensor], Values]
    ) -> Values:
        """The penalty, times its strength."""
        penalty = self.elastic(self.encoder)
        return {**values, "elastic": penalty, "loss": values["loss"] + self.config.ewc * penalty}


def losses_of(encoder: SpeakerNetwork, corpus: Corpus, config: TrainConfig) -> Iterator[Tensor]:
    """What ``encoder`` loses on clips of ``corpus``, a query each: ``N_BATCHES`` of ``[queries]``.

    Clean crops, the network as it is when it is used.
    """
    device = next(encoder.parameters()).device
    sampler = Sampler(
        corpus,
        corpus.subset([False] * len(corpus)),
        load_teacher(None, corpus, 1),
        seed=config.seed,
        speed_chance=0.0,
        device=device,
    )
    loss = AngularPrototypical().to(device)
    encoder.eval()
    for step in range(N_BATCHES):
        batch = sampler.batch(
            step, n_speakers=N_SPEAKERS, n_unlabelled=0, crop_s=float(np.median(config.crop_s))
        )
        vectors = encoder(batch.waveforms)[0]
        yield loss(vectors.unflatten(0, (batch.n_speakers, 2)))


def hold_statistics(network: nn.Module) -> None:
    """Normalise by the running statistics and leave them as they are, until ``network.train()``."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def diagonal_fisher(parameters: Sequence[Tensor], losses: Iterable[Tensor]) -> list[Tensor]:
    """The mean over samples of the squared gradient of the sample's loss, a tensor a parameter.

    ``losses`` yields unreduced losses ``[samples]`` with their graphs, each ``-log p`` of what
    was observed (the empirical Fisher information); a parameter that none depends on gets zeros.
    """
    total = [torch.zeros_like(parameter) for parameter in parameters]
    n_samples = 0
    for values in losses:
        for value in values:
            gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            for place, gradient in zip(total, gradients, strict=True):
                if gradient is not None:
                    place += gradient.square()
        n_samples += len(values)
    return [place / max(1, n_samples) for place in total]


class ElasticWeights(nn.Module):
    """The weights of ``network`` as they are now, and how much each of them matters.

    Buffers alone, so that a checkpoint carries them; ``measure`` fills the Fisher information.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for index, parameter in enumerate(network.parameters()):
            self.register_buffer(f"before_{index}", parameter.detach().clone())
            self.register_buffer(f"fisher_{index}", torch.zeros_like(parameter))

    def measure(self, network: nn.Module, losses: Iterable[Tensor]) -> None:
        """Set the Fisher information by :func:`diagonal_fisher`."""
        for index, fisher in enumerate(diagonal_fisher(list(network.parameters()), losses)):
            getattr(self, f"fisher_{index}").copy_(fisher)

    def forward(self, network: nn.Module) -> Tensor:
        """``1/2 sum_i F_i (theta_i - theta*_i)^2`` of the network's weights, a scalar."""
        moved = [
            (
                getattr(self, f"fisher_{index}")
                * (parameter - getattr(self, f"before_{index}")) ** 2
            ).sum()
            for index, parameter in enumerate(network.parameters())
        ]
        return torch.stack(moved).sum() / 2
