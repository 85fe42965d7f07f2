"""Clips and noises that the ears were not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.harness.noises import things
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.data.sources import read_source
from spkid.training.data.corpus import Corpus, is_held_out

CLIP_S = 3.0  # of each of two people
CLIP_LEVEL = 0.05
Split = Literal["test", "held-out"]
FOLD: dict[Split, int] = {"test": 5, "held-out": 4}  # of the noises: measured on, chosen by


def unheard_clips(data: Path, split: Split) -> Corpus:
    """All clips of the speakers of ``test``, or of those of ``train`` that are held out."""
    source = read_source(data / "speech")
    clips = source.clips
    rows = clips["split"] == "test"
    if split == "held-out":
        rows = (clips["split"] == "train") & clips["speaker"].map(is_held_out).astype(bool)
    kept = clips[rows]
    return Corpus.load(source.root, list(kept["path"]), list(kept["speaker"]))


def unheard_noises(data: Path, split: Split) -> Corpus:
    """The noises of things, not of people, in the split's fold."""
    names = [str(path) for path in things(data / "noise", FOLD[split])]
    return Corpus.load(Path(), names, [""] * len(names))


def long_clips(corpus: Corpus, least_s: float, rng: np.random.Generator) -> Iterator[int]:
    """The clips of ``least_s`` or longer in random order."""
    lengths = np.diff(corpus.starts) / SAMPLE_RATE_HZ
    return (int(index) for index in rng.permutation(np.flatnonzero(lengths >= least_s)))


def waveform_of(corpus: Corpus, index: int) -> Waveform:
    """One clip, float32 in -1..1."""
    return corpus.clip(index).astype(np.float32) / np.float32(32_768)


def clips_in_company(
    corpus: Corpus, n_clips: int, rng: np.random.Generator
) -> dict[str, list[Waveform]]:
    """Clips of one person, and the beginnings of two clips, equally loud: of one person in turn.

    And of two people, summed, and in turn.
    """
    order = list(islice(long_clips(corpus, CLIP_S, rng), 2 * n_clips))
    half = len(order) // 2
    pairs = list(zip(order[:half], order[half:], strict=False))
    by_speaker: dict[str, list[int]] = {}
    for index in long_clips(corpus, CLIP_S, rng):
        by_speaker.setdefault(corpus.speakers[index], []).append(index)
    own = [
        pair for clips in by_speaker.values() for pair in zip(clips[::2], clips[1::2], strict=False)
    ][:n_clips]
    others = [pair for pair in pairs if corpus.speakers[pair[0]] != corpus.speakers[pair[1]]]

    def beginning(index: int) -> Waveform:
        clip = waveform_of(corpus, index)[: int(CLIP_S * SAMPLE_RATE_HZ)]
        return clip * np.float32(CLIP_LEVEL / max(float(clip.std()), 1e-6))

    def in_turn(pair: tuple[int, int]) -> Waveform:
        return np.concatenate([beginning(index) for index in pair])

    return {
        "one person": [waveform_of(corpus, index) for index in order],
        "two clips of one person in turn": [in_turn(pair) for pair in own],
        "two people summed": [beginning(one) + beginning(two) for one, two in others],
        "two people in turn": [in_turn(pair) for pair in others],
    }
