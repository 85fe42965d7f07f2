"""Small training runs for comparisons: trained once, kept under `runs/small/`, then measured.

The benchmarks that ask "is it better with or without?" train many small networks. What they
share is here: the clips (decoded once), the size of a run, its place on the disk, and the
vectors of every clip of the protocols. A run's folder carries the fingerprint of its settings,
so a stopped benchmark goes on where it was and a changed one starts anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress, track

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

RUNS = Path("runs") / "small"
GRAIN_SAMPLES = 1_600  # clips are cut to whole tenths of a second, so that many have one length
LONGEST_SAMPLES = 128_000  # and to eight seconds
BATCH_SAMPLES = 1_280_000  # 80 s at once

SMALL_ENCODER = EncoderConfig(
    n_stem_channels=16, n_channels=192, n_conv_blocks=3, n_attention_blocks=1, n_heads=4
)
SMALL_TRAIN = TrainConfig(
    n_steps=600,
    n_speakers=32,
    n_unlabelled=0,
    crop_s=(2.0,),
    teacher_weight=0.0,
    average_decay=0.99,
    checkpoint_every=100,
    evaluate_every=600,
)


def small_recipe(*, seed: int, n_steps: int = SMALL_TRAIN.n_steps, **changes) -> Recipe:
    """About a million parameters and ``n_steps`` steps; ``changes`` are keys of TrainConfig."""
    train_config = replace(SMALL_TRAIN, seed=seed, n_steps=n_steps, evaluate_every=n_steps)
    return Recipe(train=replace(train_config, **changes), encoder=SMALL_ENCODER)


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all these benchmarks have."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    options.add_argument("--steps", type=int, default=SMALL_TRAIN.n_steps, help="of each run")
    options.add_argument("--out", type=Path, help="another result file, for a trial of the script")
    return options


def parsed(options: argparse.ArgumentParser) -> argparse.Namespace:
    arguments = options.parse_args()
    if arguments.data is None:
        options.error("give --data or set SPKID_DATA")
    arguments.data = Path(arguments.data)
    return arguments


def command(script: str, arguments: argparse.Namespace) -> str:
    """The command line to write into the result."""
    steps = "" if arguments.steps == SMALL_TRAIN.n_steps else f" --steps {arguments.steps}"
    return f"python benchmarks/{script}.py{steps}"


def kept_corpus(path: Path, load: Callable[[], Corpus]) -> Corpus:
    """The clips in ``path``, decoded and written there first where they are not."""
    if not path.exists():
        corpus = load()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            np.savez(
                file,
                samples=corpus.samples,
                starts=corpus.starts,
                paths=np.array(corpus.paths, dtype=str),
                speakers=np.array(corpus.speakers, dtype=str),
                corpora=np.array(corpus.corpora, dtype=str),
            )
        beside.replace(path)
    with np.load(path) as file:
        lists = [file[key].tolist() for key in ("paths", "speakers", "corpora")]
        return Corpus(file["samples"], file["starts"], *lists)


def _manifest_name(data: Path) -> str:
    return fingerprint((data / "speech" / "manifest.csv").read_bytes())


def training_clips(data: Path) -> Corpora:
    """Training clips, held-out clips and noise; 1.5 GB in memory and on the disk."""
    loaded: list[Corpora] = []

    def part(name: str) -> Corpus:
        if not loaded:
            config = DataConfig(speech=str(data / "speech"), noise=str(data / "noise"))
            with Progress() as progress:
                loaded.append(load_corpora(config, progress))
        return getattr(loaded[0], name)

    return Corpora(
        **{
            name: kept_corpus(RUNS / f"{name}-{_manifest_name(data)}.npz", lambda n=name: part(n))
            for name in ("training", "held_out", "noise")
        }
    )


def protocol_clips(data: Path, protocols: Protocols) -> Corpus:
    """Every clip that a protocol names."""
    paths = protocols.paths()
    speakers = list(protocols.manifest["speaker"].reindex(paths))

    def load() -> Corpus:
        with Progress() as progress:
            task = progress.add_task("reading protocol clips", total=len(paths))
            advance = lambda: progress.advance(task)  # noqa: E731
            return Corpus.load(data / "speech", paths, speakers, advance=advance)

    return kept_corpus(RUNS / f"protocols-{_manifest_name(data)}.npz", load)


def small_run(name: str, recipe: Recipe, clips: Corpora, **options) -> Path:
    """The folder of the finished run; ``options`` are those of :func:`train`."""
    more = {key: str(value) for key, value in options.items() if key == "start"}
    settings = canonical_json({**recipe.settings(), **more})
    folder = RUNS / f"{name}-{fingerprint(settings)[:8]}"
    if not (folder / "encoder.safetensors").exists():
        print(f"training {folder}")
        with Progress() as progress:
            train(recipe, out=folder, corpora=clips, progress=progress, **options)
    return folder


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


def embed(encoder: SpeakerNetwork, corpus: Corpus) -> EmbeddingTable:
    """The vectors of a corpus's clips, at most their first eight seconds."""
    vectors = np.empty((len(corpus), encoder.config.embedding_dim), dtype=np.float32)
    with torch.inference_mode():
        for rows, waveforms in track(list(batches(corpus)), description="embedding"):
            vectors[rows] = encoder.eval()(waveforms)[0].numpy()
    row_of = {path: row for row, path in enumerate(corpus.paths)}
    return EmbeddingTable(row_of, vectors, weights_fingerprint(encoder))


def run_embeddings(folder: Path, corpus: Corpus, *, name: str = "protocols") -> EmbeddingTable:
    """:func:`embed` with a finished run's encoder, kept in its folder."""
    path = folder / f"{name}.npz"
    if not path.exists():
        table = embed(load_encoder(folder / "encoder.safetensors"), corpus)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            np.savez(
                file, paths=np.array(corpus.paths), embeddings=table.vectors, model=table.model
            )
        beside.replace(path)
    return EmbeddingTable.load(path)
