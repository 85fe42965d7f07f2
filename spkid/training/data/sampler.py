"""Speaker-balanced batches drawn from a corpus: the same for the same seed and step."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.errors import BadTable
from spkid.training.data.corpus import Corpus
from spkid.training.data.formants import FORMANT_RATIOS, move_formants
from spkid.training.data.speeds import SPEEDS, resample

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
    formant_chance : float
        That a speaker's formants, or those of an unlabelled crop, are moved: a voice that is
        nobody's, without a class.
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
        formant_chance: float = 0.0,
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
        self.seed, self.speed_chance, self.formant_chance = seed, speed_chance, formant_chance
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
        if corpus.groups:
            group_of = [corpus.groups[clips[0]] for clips in self.clips_of]
            weight = evened_out(weight, group_of)
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
        moved = np.zeros(len(clips), dtype=bool)
        if self.formant_chance:
            moved = self._move_formants(waveforms, n_speakers, rng)
        noises = torch.zeros_like(waveforms)
        for row in range(len(clips) if len(self.noise) else 0):
            index = int(rng.integers(len(self.noise)))
            noises[row] = cut(self.noise_samples, self.noise.starts, index, n_samples, rng)
        classes = self.class_of[speakers]
        classes = np.where(classes >= 0, classes + speeds * self.n_speakers_with_class, -1)
        classes = np.concatenate([np.repeat(classes, 2), np.full(n_unlabelled, -1)])
        classes[moved] = -1
        targets = self.teacher[clips, speed_of_row]
        targets[moved] = 0.0
        return Batch(
            waveforms=waveforms,
            noises=noises,
            classes=torch.from_numpy(classes).to(waveforms.device),
            targets=targets,
            n_speakers=n_speakers,
        )

    def _move_formants(
        self, waveforms: Tensor, n_speakers: int, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Move some voices' formants in place, a speaker's two crops alike; which rows they are."""
        n_voices = len(waveforms) - n_speakers
        chosen = rng.random(n_voices) < self.formant_chance
        low, high = (math.log(ratio) for ratio in FORMANT_RATIOS)
        ratios = np.exp(rng.uniform(low, high, n_voices))
        of_row = np.concatenate(
            [np.repeat(np.arange(n_speakers), 2), np.arange(n_speakers, n_voices)]
        )
        moved: NDArray[np.bool_] = chosen[of_row]
        if moved.any():
            own = torch.from_numpy(ratios[of_row[moved]]).to(waveforms)
            rows = torch.from_numpy(np.flatnonzero(moved)).to(waveforms.device)
            waveforms[rows] = move_formants(waveforms[rows], own)
        return moved


def evened_out(weight: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Weights with which a group is drawn by the root of what it was: the rare more often."""
    _, group_of = np.unique(groups, return_inverse=True)
    total = np.bincount(group_of, weights=weight)
    return np.asarray(weight / np.sqrt(total[group_of]))


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
