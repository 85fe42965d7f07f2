"""Vectors of every clip of the data, from a checkpoint of training.

    python -m benchmarks.model.embed_clips --encoder FILE --data DIR --out FILE.npz

`DIR` holds `speech/manifest.csv` and, if it is there, `extra/manifest.csv`. A clip is heard for
12 s at most; one shorter than half a second is repeated. Twenty minutes on one core for CAM++; a
stopped run is resumed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from benchmarks.harness.benchmark import Data, File, run_command
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.data.manifest import read_manifest
from spkid.encoder.batch import embed_manifest
from spkid.encoder.encoder import SpeakerEncoder, Vector
from spkid.training.checkpoint import load_encoder, weights_fingerprint

LONGEST_SAMPLES = 12 * SAMPLE_RATE_HZ
SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 2


class CheckpointEncoder(SpeakerEncoder):
    """A checkpoint behind the face of an exported encoder, to embed files alone."""

    def __init__(self, path: Path) -> None:
        self.network = load_encoder(path)
        self.path = path
        self.fingerprint = weights_fingerprint(self.network)
        self.dim = self.network.config.embedding_dim

    def embed_file(self, path: str | Path) -> Vector:
        """Unit vector ``[dim]`` of an audio file."""
        with torch.inference_mode():
            vector: Vector = self.network(torch.from_numpy(start_of(path))[None])[0][0].numpy()
        return vector


def start_of(path: str | Path) -> Waveform:
    """The first 12 s of a file, ``[samples]``; repeated where they are not half a second."""
    waveform = load_audio(path)[:LONGEST_SAMPLES]
    if len(waveform) < SHORTEST_SAMPLES:
        waveform = np.tile(waveform, -(-SHORTEST_SAMPLES // len(waveform)))
    return waveform


def main(data: Data, encoder: File, out: File) -> None:
    """Embed what is not embedded yet."""
    out.parent.mkdir(parents=True, exist_ok=True)
    loaded = CheckpointEncoder(encoder)
    for folder in (data / "speech", data / "extra"):
        if not (folder / "manifest.csv").exists():
            continue
        paths = list(read_manifest(folder / "manifest.csv")["path"])
        with Progress() as progress:
            advance = partial(progress.advance, progress.add_task(folder.name, total=len(paths)))
            embed_manifest(paths, folder, out, loaded, advance=advance, report=print)


if __name__ == "__main__":
    run_command(main, words=__doc__)
