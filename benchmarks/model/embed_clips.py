"""Vectors of every clip of the data, from a checkpoint of training.

    python -m benchmarks.model.embed_clips --encoder FILE --data DIR --out FILE.npz

`DIR` holds `speech/manifest.csv` and, if it is there, `extra/manifest.csv`. A clip is heard for
12 s at most; one shorter than half a second is repeated. Twenty minutes on one core for CAM++; a
stopped run is resumed. With `--compared`, only the clips that `benchmarks.unheard_corpora` reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from benchmarks.harness.benchmark import Data, File, run_command
from benchmarks.unheard_corpora import compared_paths
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.data.manifest import read_manifest
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.batch import embed_manifest
from spkid.training.checkpoint import load_encoder, weights_fingerprint

LONGEST_SAMPLES = 12 * SAMPLE_RATE_HZ
SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 2


class CheckpointEncoder(Encoder):
    """A checkpoint behind the face of an exported encoder, to embed one clip at a time."""

    def __init__(self, path: Path) -> None:
        self.network = load_encoder(path)
        self.path = path
        self.fingerprint = weights_fingerprint(self.network)
        self.dim = self.network.config.embedding_dim

    def _embed_blocks(self, blocks: Iterable[Waveform]) -> Vector:
        vectors, _ = self._run(start_of(np.concatenate(list(blocks)))[None])
        return np.asarray(vectors[0])

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        with torch.inference_mode():
            vectors, weights = self.network(torch.from_numpy(batch))
        return vectors.numpy(), weights.numpy()


def start_of(waveform: Waveform) -> Waveform:
    """The first 12 s of ``[samples]``; repeated where they are not half a second."""
    waveform = waveform[:LONGEST_SAMPLES]
    if len(waveform) < SHORTEST_SAMPLES:
        waveform = np.tile(waveform, -(-SHORTEST_SAMPLES // len(waveform)))
    return waveform


def main(data: Data, encoder: File, out: File, compared: bool = False) -> None:
    """Embed what is not embedded yet."""
    wanted = compared_paths(data) if compared else None
    out.parent.mkdir(parents=True, exist_ok=True)
    loaded = CheckpointEncoder(encoder)
    for folder in (data / "speech", data / "extra"):
        if not (folder / "manifest.csv").exists():
            continue
        paths = list(read_manifest(folder / "manifest.csv")["path"])
        if wanted is not None:
            paths = [path for path in paths if path in wanted]
        with Progress() as progress:
            advance = partial(progress.advance, progress.add_task(folder.name, total=len(paths)))
            embed_manifest(paths, folder, out, loaded, advance=advance, report=print)


if __name__ == "__main__":
    run_command(main, words=__doc__)
