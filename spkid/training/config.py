"""What a training run is told: its data, its losses, its schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spkid.errors import BadConfig

FORMS = ("accumulated", "pseudo_label", "pairwise")  # of adversarial re-weighting


@dataclass(frozen=True)
class DataConfig:
    """Where the clips are: ``speech`` as :func:`spkid.data.sources.read_source` reads it.

    ``more`` are further places of speech. Of a corpus in ``leave_out``, nobody is trained on:
    its speakers are held out, to see how a recipe carries over to a corpus never heard.
    ``noise`` is a folder of environmental noise; without one, no noise is added. Batches are evened
    out over the groups that the columns of ``balance`` make together, such as gender and language.
    """

    speech: str = ""
    more: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    noise: str = ""
    balance: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainConfig:
    """One training run. ``crop_s`` are the crop lengths, one drawn for each step.

    ``n_speakers`` are those of a batch, over all processes; fewer where the corpus has fewer.
    ``single_clip_weight``, ``speed_chance`` and ``formant_chance`` are those of :class:`Sampler`;
    ``mixup_chance`` is that of a step whose voices are mixed (:mod:`.objectives.mixup`).
    With a ``patience`` above 0 the run ends after so many evaluations without a lower held-out
    error, and its result is the best of them; else the last.

    A network that is in part somebody else's may be trained with care: ``trunk_rate`` is the share
    of the learning rate that its ``trunk`` gets, and with ``hold_statistics`` its batch
    normalisation stays as it was. A teacher that listens hears crops of ``teacher_crop_s``, of
    which the encoder hears the beginning; 0: the same crop. The clips of a batch that it has heard
    serve ``n_steps_a_hearing`` steps, each with its own augmentation.

    A loss whose ``*_weight`` is 0 is not computed. ``adversarial_weight`` is the share of the
    loss that is taken at disturbed features, of Euclidean length ``adversarial_epsilon``
    (:mod:`spkid.training.adversarial`). ``reweighting`` is ``"none"`` or one of
    ``FORMS``; it begins after its warm-up, a share of the steps. ``ewc`` is the
    strength of elastic weight consolidation.
    """

    seed: int = 1
    n_steps: int = 10_000
    n_speakers: int = 28
    n_unlabelled: int = 8
    crop_s: tuple[float, ...] = (1.0, 2.0, 2.0, 3.0)
    single_clip_weight: float = 0.4
    speed_chance: float = 0.3
    formant_chance: float = 0.0
    mixup_chance: float = 0.0
    learning_rate: float = 1e-3
    warm_up: float = 0.05
    weight_decay: float = 0.02
    margin: float = 0.2
    n_sub_centres: int = 1
    aam_weight: float = 1.0
    prototypical_weight: float = 1.0
    ge2e_weight: float = 0.0
    teacher_weight: float = 10.0
    similarity_weight: float = 0.0
    teacher_crop_s: float = 0.0
    n_steps_a_hearing: int = 1
    trunk_rate: float = 1.0
    hold_statistics: bool = False
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
            raise BadConfig(
                f"TrainConfig.reweighting = {self.reweighting!r}",
                expected=" or ".join(("none", *FORMS)),
                do="correct the configuration",
            )
        if self.reweighting != "none" and not (self.prototypical_weight or self.ge2e_weight):
            raise BadConfig(
                f"TrainConfig.reweighting = {self.reweighting!r} without a pairwise loss",
                expected="prototypical_weight or ge2e_weight above 0, whose pairs are weighed",
                do="correct the configuration",
            )
        if not 0 <= self.adversarial_weight <= 1:
            raise BadConfig(
                f"TrainConfig.adversarial_weight = {self.adversarial_weight}",
                expected="a share between 0 and 1",
                do="correct the configuration",
            )
        whole = ("n_steps", "n_speakers", "checkpoint_every", "evaluate_every")
        for name in (*whole, "n_sub_centres", "n_regions", "n_steps_a_hearing"):
            if getattr(self, name) < 1:
                raise BadConfig(
                    f"TrainConfig.{name} = {getattr(self, name)}",
                    expected="1 or more",
                    do="correct the configuration",
                )

    @property
    def loss_weights(self) -> dict[str, float]:
        """The weight of each loss by its name, in the order in which they are added up."""
        return {
            "prototypical": self.prototypical_weight,
            "ge2e": self.ge2e_weight,
            "aam": self.aam_weight,
            "teacher": self.teacher_weight,
            "similarity": self.similarity_weight,
        }


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to one hundredth of the peak."""
    warm_up_steps = max(1, int(config.warm_up * config.n_steps))
    if step < warm_up_steps:
        return config.learning_rate * (step + 1) / warm_up_steps
    progress = (step - warm_up_steps) / max(1, config.n_steps - warm_up_steps)
    return float(config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress))))


def margin_at(step: int, config: TrainConfig) -> float:
    """No margin for the first tenth, full margin from three tenths on."""
    return config.margin * float(np.clip((step / config.n_steps - 0.1) / 0.2, 0.0, 1.0))
