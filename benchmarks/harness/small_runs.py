"""Small training runs for comparisons: trained once, kept under `runs/small/`, then measured.

The studies that ask "is it better with or without?" train many small networks. What they share
is here: the clips (decoded once), the size of a run, its place on the disk, and the
vectors of every clip of the protocols. A run's folder carries the fingerprint of its settings
and clips, so a stopped study goes on where it was and a changed one starts anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track

from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.harness.protocols import Protocols
from spkid.config import canonical_json, fingerprint
from spkid.encoder.vectors import EmbeddingTable
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.data.corpus import Corpus
from spkid.training.networks.attentive import EncoderConfig
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.recipe import Recipe
from spkid.training.train import train

SMALL = RUNS / "small"
N_STEPS = 600  # of each run
GRAIN_SAMPLES = 1_600  # clips are cut to whole tenths of a second, so that many have one length
LONGEST_SAMPLES = 128_000  # and to eight seconds
BATCH_SAMPLES = 1_280_000  # 80 s at once
NAMES = ("paths", "speakers", "corpora")  # of a clip

SMALL_ENCODER = EncoderConfig(
    n_stem_channels=16, n_channels=192, n_conv_blocks=3, n_attention_blocks=1, n_heads=4
)
SMALL_TRAIN = TrainConfig(
    n_steps=N_STEPS,
    n_speakers=32,
    n_unlabelled=0,
    crop_s=(2.0,),
    teacher_weight=0.0,
    average_decay=0.99,
    checkpoint_every=100,
    evaluate_every=N_STEPS,
)


def small_recipe(*, seed: int, n_steps: int, **changes: Any) -> Recipe:
    """About a million parameters and ``n_steps`` steps; ``changes`` are keys of TrainConfig."""
    config = replace(SMALL_TRAIN, seed=seed, n_steps=n_steps, evaluate_every=n_steps, **changes)
    return Recipe(train=config, encoder=SMALL_ENCODER)


def run_facts(folder: Path) -> dict[str, Any]:
    """What a finished run says of itself."""
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return facts


def mean_of(runs: list[Any]) -> Any:
    """The mean over runs of every figure, at any depth."""
    if isinstance(runs[0], dict):
        return {key: mean_of([run[key] for run in runs]) for key in runs[0]}
    return np.mean(runs, axis=0)


def small_run(
    name: str,
    recipe: Recipe,
    clips: Corpora,
    *,
    teacher: Path | None = None,
    start: Path | None = None,
) -> Path:
    """The folder of the finished run, trained first where it is not there."""
    made_of = [canonical_json(recipe.settings()), clips.training.fingerprint().encode()]
    if start:
        made_of.append(start.read_bytes())
    folder = SMALL / f"{name}-{fingerprint(*made_of)[:8]}"
    if not (folder / "encoder.safetensors").exists():
        print(f"training {folder}")
        with Progress() as progress:
            train(
                recipe, out=folder, corpora=clips, progress=progress, teacher=teacher, start=start
            )
    return folder


class SmallStudy:
    """The clips, lists and runs of a study, each read or trained when it is first asked for."""

    def __init__(self, data: Path, n_steps: int) -> None:
        self.n_steps, self.speech, self.noise = n_steps, data / "speech", data / "noise"

    @cached_property
    def protocols(self) -> Protocols:
        """Trial lists, homes and the manifest."""
        return Protocols.read(self.speech)

    @cached_property
    def clips(self) -> Corpora:
        """Training clips, held-out clips and noise; 1.5 GB in memory and on the disk."""

        @cache
        def loaded() -> Corpora:
            config = DataConfig(speech=str(self.speech), noise=str(self.noise))
            with Progress() as progress:
                return load_corpora(config, progress)

        return Corpora(
            training=self._kept("training", lambda: loaded().training),
            held_out=self._kept("held_out", lambda: loaded().held_out),
            noise=self._kept("noise", lambda: loaded().noise),
        )

    @cached_property
    def heard(self) -> Corpus:
        """Every clip that a protocol names."""
        paths = self.protocols.paths()
        speakers = list(self.protocols.manifest["speaker"].reindex(paths))

        def load() -> Corpus:
            with Progress() as progress:
                task = progress.add_task("reading protocol clips", total=len(paths))
                advance = partial(progress.advance, task)
                return Corpus.load(self.speech, paths, speakers, advance=advance)

        return self._kept("protocols", load)

    def run(self, name: str, *, seed: int, **changes: Any) -> Path:
        """The folder of the finished run; ``changes`` are keys of TrainConfig."""
        recipe = small_recipe(seed=seed, n_steps=self.n_steps, **changes)
        return small_run(f"{name}-{seed}", recipe, self.clips)

    def size(self, folder: Path) -> dict[str, int]:
        """How large a run was."""
        facts = run_facts(folder)
        return {
            "n_parameters": facts["n_parameters"],
            "n_steps": self.n_steps,
            "n_crops_a_step": 2 * facts["train"]["n_speakers"],
        }

    def vectors(self, folder: Path) -> EmbeddingTable:
        """Those of all clips of the protocols, by a finished run."""
        return run_embeddings(folder, self.heard)

    def _kept(self, name: str, load: Callable[[], Corpus]) -> Corpus:
        """The clips from the disk, decoded and written there first where they are not."""

        def arrays() -> dict[str, NDArray[Any]]:
            corpus = load()
            names = {key: np.array(getattr(corpus, key), dtype=str) for key in NAMES}
            return {"samples": corpus.samples, "starts": corpus.starts, **names}

        manifest = fingerprint((self.speech / "manifest.csv").read_bytes())
        file = kept_arrays(SMALL / f"{name}-{manifest}.npz", arrays)
        return Corpus(file["samples"], file["starts"], *(file[key].tolist() for key in NAMES))


def batches(corpus: Corpus) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Clip numbers and waveforms ``[batch, samples]`` of one length, all clips of the corpus."""
    by_length: dict[int, list[int]] = {}
    for index in range(len(corpus)):
        length = min(len(corpus.clip(index)), LONGEST_SAMPLES)
        if length > GRAIN_SAMPLES:
            length -= length % GRAIN_SAMPLES
        by_length.setdefault(length, []).append(index)
    for length, indices in sorted(by_length.items()):
        n_rows = max(1, BATCH_SAMPLES // length)
        for first in range(0, len(indices), n_rows):
            rows = indices[first : first + n_rows]
            clips = np.stack([corpus.clip(row)[:length] for row in rows])
            yield rows, torch.from_numpy(clips.astype(np.float32) / 32_768)


def run_embeddings(folder: Path, corpus: Corpus, *, name: str = "protocols") -> EmbeddingTable:
    """Vectors of a corpus's clips by a finished run, kept in its folder.

    A clip is heard up to its first eight seconds.
    """

    def arrays() -> dict[str, NDArray[Any]]:
        encoder: SpeakerNetwork = load_encoder(folder / "encoder.safetensors").eval()
        vectors = np.empty((len(corpus), encoder.config.embedding_dim), dtype=np.float32)
        with torch.inference_mode():
            for rows, waveforms in track(list(batches(corpus)), description="embedding"):
                vectors[rows] = encoder(waveforms)[0].numpy()
        model = np.array(weights_fingerprint(encoder))
        return {"paths": np.array(corpus.paths), "embeddings": vectors, "model": model}

    path = folder / f"{name}-{corpus.fingerprint()[:8]}.npz"
    kept_arrays(path, arrays)
    return EmbeddingTable.load(path)
