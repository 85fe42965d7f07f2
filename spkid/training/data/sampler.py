"""Speaker-balanced batches drawn from a corpus: the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.errors import BadTable
from spkid.training.data.corpus import Corpus

SPEEDS = (1.0, 0.9, 1.1, 0.8, 1.2)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Batch:
    """``n_speakers * 2`` crops, a speaker's two side by side, then crops of unlabelled clips."""

    waveforms: Tensor  # float32 [batch, samples]
    noises: Tensor  # float32 [batch, samples]
    classes: Tensor  # int64 [batch]; -1 where the speaker has no class of its own
    targets: Tensor  # float32 [batch, dim]; all zero where the teacher does not apply
    n_speakers: int


class Sampler:
    """Draws batches; batch ``step`` is a function of ``(seed, step)`` alone.

    A speaker is drawn with probability proportional to the root of the number of clips
    (single-clip speakers with ``single_clip_weight``) and one of five speeds; a changed
    speed makes a pseudo-speaker. Speakers with two clips or more have a class at each speed;
    a single-clip speaker gives two crops of the one clip to the pairwise loss. An unlabelled
    clip, of which only the teacher says something, plays at a speed that the teacher heard.

    Parameters
    ----------
    corpus : Corpus
        The clips; those without a speaker are the unlabelled ones.
    noise : Corpus
        Environmental noise to cut from; without clips, the batch's noise is zero.
    teacher : float32 ``[clips, len(SPEEDS), dim]``
        Unit vectors of a teacher for each clip at each speed, or zeros.
    seed : int
        Of all that is drawn.
    single_clip_weight : float
        As the weight of a speaker with two clips is 1.41.
    speed_chance : float
        That a crop plays at another speed than 1.
    oversampled : collection of str
        Speakers who are drawn as often as all others together, where they are fewer.
    device : torch.device
        Where all samples lie, and so the batches: on a GPU nothing of a clip crosses the bus
        again (13 hours are 1.5 GB).

    Raises
    ------
    BadTable
        If no clip has a speaker.
    """

    def __init__(
        self,
        corpus: Corpus,
        noise: Corpus,
        teacher: NDArray[np.float32],
        *,
        seed: int,
        single_clip_weight: float = 0.4,
        speed_chance: float = 0.3,
        oversampled: Collection[str] = (),
        device: torch.device = CPU,
    ) -> None:
        if not any(corpus.speakers):
            raise BadTable(
                "no clip has a speaker", expected="clips of two speakers", do="name the speakers"
            )
        self.corpus, self.noise = corpus, noise
        self.samples = torch.from_numpy(corpus.samples).to(device)
        self.noise_samples = torch.from_numpy(noise.samples).to(device)
        self.teacher = torch.from_numpy(teacher).to(device)
        self.teacher_name = ""  # of a teacher that listens
        self.seed, self.speed_chance = seed, speed_chance
        taught = np.flatnonzero(teacher.any(axis=(0, 2)))
        self.taught_speeds = taught if len(taught) else np.array([0])
        clips_of: dict[str, list[int]] = {}
        for index, speaker in enumerate(corpus.speakers):
            clips_of.setdefault(speaker, []).append(index)
        self.unlabelled = clips_of.pop("", [])
        self.clips_of = sorted(clips_of.values(), key=lambda clips: corpus.paths[clips[0]])
        n_clips = np.array([len(clips) for clips in self.clips_of])
        self.class_of = np.where(n_clips >= 2, np.cumsum(n_clips >= 2) - 1, -1)
        self.n_speakers_with_class = int((n_clips >= 2).sum())
        self.n_classes = self.n_speakers_with_class * len(SPEEDS)
        weight = np.where(n_clips >= 2, np.sqrt(n_clips), single_clip_weight)
        often = np.array([corpus.speakers[clips[0]] in oversampled for clips in self.clips_of])
        if often.any():
            weight[often] *= max(1.0, weight[~often].sum() / weight[often].sum())
        self.chance = weight / weight.sum()

    def class_targets(self) -> Tensor:
        """The mean of the teacher's vectors of each class, ``[classes, dim]``; or zeros."""
        own = [
            clips for clips, number in zip(self.clips_of, self.class_of, strict=True) if number >= 0
        ]
        means = [self.teacher[clips].mean(dim=0) for clips in own]  # each [speeds, dim]
        if not means:
            return self.teacher.new_zeros(0, self.teacher.shape[2])
        return torch.stack(means, dim=1).flatten(0, 1)

    def batch(self, step: int, *, n_speakers: int, n_unlabelled: int, crop_s: float) -> Batch:
        """Batch ``step``, of all speakers where there are fewer than ``n_speakers``."""
        n_speakers = min(n_speakers, len(self.clips_of))
        rng = np.random.default_rng([self.seed, step])
        n_samples = int(crop_s * SAMPLE_RATE_HZ)
        speakers = rng.choice(len(self.clips_of), n_speakers, replace=False, p=self.chance)
        speeds = np.where(
            rng.random(n_speakers) < self.speed_chance, rng.integers(1, len(SPEEDS), n_speakers), 0
        )
        clips: list[int] = []
        for speaker in speakers:
            own = self.clips_of[speaker]
            clips += list(rng.choice(own, 2, replace=len(own) < 2))
        n_unlabelled = n_unlabelled if self.unlabelled else 0
        clips += [int(rng.choice(self.unlabelled)) for _ in range(n_unlabelled)]
        changed = rng.random(n_unlabelled) < self.speed_chance
        others = np.where(changed, rng.choice(self.taught_speeds, n_unlabelled), 0)
        speed_of_row = np.concatenate([np.repeat(speeds, 2), others])

        waveforms = torch.empty(len(clips), n_samples, device=self.samples.device)
        for number, speed in enumerate(SPEEDS):
            rows = np.flatnonzero(speed_of_row == number)
            if len(rows):
                length = round(n_samples * speed)
                own = [
                    cut(self.samples, self.corpus.starts, clips[row], length, rng) for row in rows
                ]
                waveforms[rows] = resample(torch.stack(own), speed, n_samples)
        noises = torch.zeros_like(waveforms)
        for row in range(len(clips) if len(self.noise) else 0):
            index = int(rng.integers(len(self.noise)))
            noises[row] = cut(self.noise_samples, self.noise.starts, index, n_samples, rng)
        classes = self.class_of[speakers]
        classes = np.where(classes >= 0, classes + speeds * self.n_speakers_with_class, -1)
        return Batch(
            waveforms=waveforms,
            noises=noises,
            classes=torch.from_numpy(
                np.concatenate([np.repeat(classes, 2), np.full(n_unlabelled, -1)])
            ).to(waveforms.device),
            targets=self.teacher[clips, speed_of_row],
            n_speakers=n_speakers,
        )


def cut(
    samples: Tensor, starts: NDArray[np.int64], index: int, length: int, rng: np.random.Generator
) -> Tensor:
    """A random crop of clip ``index``, see :func:`crop`."""
    return crop(samples[int(starts[index]) : int(starts[index + 1])], length, rng)


def crop(clip: Tensor, length: int, rng: np.random.Generator) -> Tensor:
    """``length`` samples from a random place, float32 in -1..1; a short clip is repeated."""
    if len(clip) < length:
        clip = clip.repeat(-(-length // len(clip)) + 1)
    start = int(rng.integers(len(clip) - length + 1))
    return clip[start : start + length].float() / 32768.0


def resample(waveforms: Tensor, speed: float, n_samples: int) -> Tensor:
    """Play ``[batch, n_samples * speed]`` at ``speed``: ``[batch, n_samples]``, with the pitch."""
    if speed == 1.0:
        return waveforms
    faster: Tensor = torchaudio.functional.resample(
        waveforms, round(10 * speed), 10, lowpass_filter_width=6
    )
    return faster[:, :n_samples]
