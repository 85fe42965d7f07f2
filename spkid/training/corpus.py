"""A whole corpus in memory as int16, and speaker-balanced batches drawn from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchaudio
from torch import Tensor

from spkid.audio import load_audio
from spkid.errors import SpkidError

SPEEDS = (1.0, 0.9, 1.1)


def is_held_out(speaker: str) -> bool:
    """One speaker in ten, by name: never trained on; kept for model choice and calibration."""
    return int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % 10 == 0


@dataclass(frozen=True)
class Corpus:
    """Clips end to end in one int16 array; ``speakers[i]`` is empty where nobody is known."""

    samples: np.ndarray  # int16 [total]
    starts: np.ndarray  # int64 [clips + 1]
    paths: list[str]
    speakers: list[str]

    def __len__(self) -> int:
        return len(self.paths)

    def clip(self, index: int) -> np.ndarray:
        """One clip as int16 ``[samples]``."""
        return self.samples[self.starts[index] : self.starts[index + 1]]

    @classmethod
    def load(
        cls,
        root: Path,
        paths: list[str],
        speakers: list[str],
        *,
        advance: Callable[[], object] = lambda: None,
    ) -> Corpus:
        """Decode every clip once; ``advance`` is called after each.

        Raises
        ------
        SpkidError
            If there are no clips or one cannot be read.
        """
        if not paths:
            raise SpkidError("no clips to load", expected="one clip or more", do="check the split")

        def decode(path: str) -> np.ndarray:
            waveform = load_audio(root / path)
            advance()
            return np.clip(np.round(waveform * 32767.0), -32768, 32767).astype(np.int16)

        with ThreadPoolExecutor() as pool:
            clips = list(pool.map(decode, paths))
        starts = np.concatenate([[0], np.cumsum([len(clip) for clip in clips])])
        return cls(np.concatenate(clips), starts, list(paths), list(speakers))


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
    (single-clip speakers with ``single_clip_weight``) and one of three speeds; a changed
    speed makes a pseudo-speaker. Speakers with two clips or more have a class at each speed;
    a single-clip speaker gives two crops of the one clip to the pairwise loss.

    Parameters
    ----------
    noise : Corpus
        Environmental noise to cut from.
    teacher : float32 ``[clips, dim]``
        Unit vectors of a teacher for each clip, or zeros.
    """

    def __init__(
        self,
        corpus: Corpus,
        noise: Corpus,
        teacher: np.ndarray,
        *,
        seed: int,
        single_clip_weight: float = 0.4,
        speed_chance: float = 0.3,
    ) -> None:
        self.corpus, self.noise = corpus, noise
        self.teacher = torch.from_numpy(teacher)
        self.seed, self.speed_chance = seed, speed_chance
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
        self.chance = weight / weight.sum()

    def batch(self, step: int, *, n_speakers: int, n_unlabelled: int, crop_s: float) -> Batch:
        if n_speakers > len(self.clips_of):
            raise SpkidError(
                f"{len(self.clips_of)} training speakers",
                expected=f"at least {n_speakers}, the speakers of a batch",
                do="lower n_speakers or add data",
            )
        rng = np.random.default_rng([self.seed, step])
        n_samples = int(crop_s * 16_000)
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
        speed_of_row = np.concatenate([np.repeat(speeds, 2), np.zeros(n_unlabelled, dtype=int)])

        waveforms = torch.empty(len(clips), n_samples)
        for number, speed in enumerate(SPEEDS):
            rows = np.flatnonzero(speed_of_row == number)
            if len(rows):
                length = round(n_samples * speed)
                crops = np.stack([crop(self.corpus.clip(clips[row]), length, rng) for row in rows])
                waveforms[rows] = resample(torch.from_numpy(crops), speed, n_samples)
        noises = np.stack(
            [
                crop(self.noise.clip(int(rng.integers(len(self.noise)))), n_samples, rng)
                for _ in clips
            ]
        )
        classes = self.class_of[speakers]
        classes = np.where(classes >= 0, classes + speeds * self.n_speakers_with_class, -1)
        targets = self.teacher[clips]
        targets[speed_of_row != 0] = 0.0
        return Batch(
            waveforms=waveforms,
            noises=torch.from_numpy(noises),
            classes=torch.from_numpy(
                np.concatenate([np.repeat(classes, 2), np.full(n_unlabelled, -1)])
            ),
            targets=targets,
            n_speakers=n_speakers,
        )


def crop(clip: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """``length`` samples from a random place, float32 in -1..1; a short clip is repeated."""
    if len(clip) < length:
        clip = np.tile(clip, -(-length // len(clip)) + 1)
    start = int(rng.integers(len(clip) - length + 1))
    return clip[start : start + length].astype(np.float32) / 32768.0


def resample(waveforms: Tensor, speed: float, n_samples: int) -> Tensor:
    """Play ``[batch, n_samples * speed]`` at ``speed``: ``[batch, n_samples]``, with the pitch."""
    if speed == 1.0:
        return waveforms
    faster = torchaudio.functional.resample(
        waveforms, round(10 * speed), 10, lowpass_filter_width=6
    )
    return faster[:, :n_samples]
