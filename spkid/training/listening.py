"""A teacher that listens: a frozen network hears every crop before it is augmented.

What it says of the clean crop, at whatever speed that is played, is what the encoder should say of
the augmented one. So each augmentation and each clip without a speaker teaches too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.errors import ModelMismatch
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.config import TrainConfig
from spkid.training.data.corpora import Corpora, load_teacher
from spkid.training.data.sampler import Batch, Sampler, cut
from spkid.training.data.speeds import SPEEDS, resample
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.processes import Team, computes_in_half

CENTRE_CROP_S = 2.0  # of a class, where its centre begins
CHUNK = 16  # crops in one pass


class ListeningSampler(Sampler):
    """Batches whose targets are what ``teacher`` says of the crops as they are drawn.

    The teacher hears crops of ``teacher_crop_s`` where those of the batch are shorter; the batch
    has their beginning. What it has heard serves ``n_steps_a_hearing`` steps, each with its own
    augmentation. Each process of ``team`` listens to its share.
    """

    def __init__(
        self,
        corpora: Corpora,
        teacher: SpeakerNetwork,
        *,
        teacher_crop_s: float,
        team: Team,
        seed: int,
        n_steps_a_hearing: int = 1,
        single_clip_weight: float = 0.4,
        speed_chance: float = 0.3,
        formant_chance: float = 0.0,
        oversampled: Collection[str] = (),
    ) -> None:
        dim = teacher.config.embedding_dim
        super().__init__(
            corpora.training,
            corpora.noise,
            load_teacher(None, corpora.training, dim),
            seed=seed,
            single_clip_weight=single_clip_weight,
            speed_chance=speed_chance,
            formant_chance=formant_chance,
            oversampled=oversampled,
            device=team.device,
        )
        self.network = teacher.to(team.device).eval().requires_grad_(False)
        self.teacher_name = weights_fingerprint(self.network)
        self.teacher_crop_s, self.team = teacher_crop_s, team
        self.n_steps_a_hearing = n_steps_a_hearing
        self.heard = lru_cache(maxsize=1)(self._heard)
        self.taught_speeds = np.arange(len(SPEEDS))

    def vectors(self, waveforms: Tensor) -> Tensor:
        """Unit vectors ``[batch, dim]`` of ``[batch, samples]``; no graph behind them."""
        kind, half = waveforms.device.type, computes_in_half(waveforms.device)
        with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            parts = [self.network(part)[0].float() for part in waveforms.split(CHUNK)]
        return torch.cat(parts)

    def batch(self, step: int, *, n_speakers: int, n_unlabelled: int, crop_s: float) -> Batch:
        """Batch ``step``, listened to."""
        longest_s = max(crop_s, self.teacher_crop_s)
        heard = self.heard(step // self.n_steps_a_hearing, n_speakers, n_unlabelled, longest_s)
        n_samples = int(crop_s * SAMPLE_RATE_HZ)
        return replace(
            heard, waveforms=heard.waveforms[:, :n_samples], noises=heard.noises[:, :n_samples]
        )

    def _heard(self, number: int, n_speakers: int, n_unlabelled: int, crop_s: float) -> Batch:
        drawn = super().batch(
            number, n_speakers=n_speakers, n_unlabelled=n_unlabelled, crop_s=crop_s
        )
        own = drawn.waveforms[self.team.share(len(drawn.waveforms))]
        return replace(drawn, targets=self.team.gather(self.vectors(own)))

    def class_targets(self) -> Tensor:
        """What the teacher says of one crop of each class, ``[classes, dim]``."""
        rng = np.random.default_rng(self.seed)
        several = [clips for clips in self.clips_of if len(clips) >= 2]
        if not several:
            return super().class_targets()
        n_samples = int(CENTRE_CROP_S * SAMPLE_RATE_HZ)
        found = []
        for speed in SPEEDS:
            length = round(n_samples * speed)
            clips = [int(rng.choice(own)) for own in several]
            cuts = [cut(self.samples, self.corpus.starts, clip, length, rng) for clip in clips]
            found.append(self.vectors(resample(torch.stack(cuts), speed, n_samples)))
        return torch.cat(found)


def make_sampler(
    corpora: Corpora,
    teacher: Path | None,
    config: TrainConfig,
    *,
    dim: int,
    oversampled: Collection[str],
    team: Team,
) -> Sampler:
    """Batches with the targets of ``teacher``: vectors in files, or an encoder that listens.

    Raises
    ------
    NotFound, SpkidError
        If the teacher cannot be read.
    ModelMismatch
        If its vectors have another dimension than ``dim``.
    """
    if teacher is None or teacher.suffix != ".safetensors":
        return Sampler(
            corpora.training,
            corpora.noise,
            load_teacher(teacher, corpora.training, dim),
            seed=config.seed,
            single_clip_weight=config.single_clip_weight,
            speed_chance=config.speed_chance,
            formant_chance=config.formant_chance,
            oversampled=oversampled,
            device=team.device,
        )
    network = load_encoder(teacher)
    if network.config.embedding_dim != dim:
        raise ModelMismatch(
            f"{teacher}: teacher vectors of {network.config.embedding_dim} dimensions",
            expected=f"{dim}, as many as the encoder has",
            do="choose another teacher, or set embedding_dim",
        )
    return ListeningSampler(
        corpora,
        network,
        teacher_crop_s=config.teacher_crop_s,
        n_steps_a_hearing=config.n_steps_a_hearing,
        team=team,
        seed=config.seed,
        single_clip_weight=config.single_clip_weight,
        speed_chance=config.speed_chance,
        formant_chance=config.formant_chance,
        oversampled=oversampled,
    )
