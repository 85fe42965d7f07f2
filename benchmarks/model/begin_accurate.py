"""Make the network that training of the accurate model begins from, and its teacher.

    python -m benchmarks.model.begin_accurate --data DIR [DIR ...] --out runs/accurate

Reads `cam_plus_plus.safetensors` in `--out` (see `fetch_cam_plus_plus.py`). Its last layer is
followed by a linear discriminant projection, estimated on the training speakers (never on
held-out speakers, test speakers or the corpora of `--leave-out`) and folded into it: `teacher.safetensors`
is CAM++ with that layer. `start.safetensors` is our network over the same trunk, with the same
vectors. About fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track

from benchmarks.model.teacher import discriminant_projection
from spkid.training.checkpoint import load_encoder, save_encoder
from spkid.training.config import DataConfig
from spkid.training.data.corpora import load_corpora
from spkid.training.data.corpus import Corpus
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.networks.cam_plus_plus import CamPlusPlus

CLIPS_A_SPEAKER = 8
LONGEST_SAMPLES = 192_000
SHRINKAGE = 3.0  # of the within-speaker covariance, in multiples of its mean


def some_clips(corpus: Corpus) -> list[int]:
    """The first ``CLIPS_A_SPEAKER`` clips of each known speaker."""
    heard: dict[str, int] = {}
    rows = []
    for row, speaker in enumerate(corpus.speakers):
        heard[speaker] = heard.get(speaker, 0) + 1
        if speaker and heard[speaker] <= CLIPS_A_SPEAKER:
            rows.append(row)
    return rows


def unscaled_vectors(network: CamPlusPlus, corpus: Corpus, rows: list[int]) -> NDArray[np.float64]:
    """The last layer's outputs before they are brought to unit length, ``[clips, dim]``."""
    vectors = []
    with torch.inference_mode():
        for row in track(rows, "listening"):
            clip = corpus.clip(row)[:LONGEST_SAMPLES].astype(np.float32) / 32768.0
            features = network.log_mel(torch.from_numpy(clip)[None])
            vectors.append(network.embedding(features)[0].double().numpy())
    return np.stack(vectors)


def project_head(
    network: CamPlusPlus, vectors: NDArray[np.float64], speakers: NDArray[np.str_], corpora: NDArray[np.str_]
) -> None:
    """Fold centring and the discriminant projection of ``vectors`` ``[clips, dim]`` into the head.

    Every corpus weighs the same in the mean that is taken away.
    """
    mean = np.mean([vectors[corpora == name].mean(axis=0) for name in sorted(set(corpora))], axis=0)
    axes = discriminant_projection(vectors - mean, speakers, shrinkage=SHRINKAGE)
    head = network.head
    weight, bias = head.weight.double().numpy(force=True), head.bias.double().numpy(force=True)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(axes.T @ weight))
        head.bias.copy_(torch.from_numpy((bias - mean) @ axes))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", required=True, help="folders with manifest.csv")
    parser.add_argument("--leave-out", nargs="*", default=[], help="corpora not to learn from")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    out: Path = arguments.out
    network = load_encoder(out / "cam_plus_plus.safetensors")
    if not isinstance(network, CamPlusPlus):
        parser.error(f"{out / 'cam_plus_plus.safetensors'} is another network")
    first, *more = arguments.data
    data = DataConfig(speech=first, more=tuple(more), leave_out=tuple(arguments.leave_out))
    with Progress() as progress:
        corpus = load_corpora(data, progress).training
    rows = some_clips(corpus)
    vectors = unscaled_vectors(network, corpus, rows)
    project_head(
        network,
        vectors,
        np.array([corpus.speakers[row] for row in rows]),
        np.array([corpus.corpora[row] for row in rows]),
    )
    save_encoder(out / "teacher.safetensors", network)
    torch.manual_seed(1)
    begun = AttentiveTrunk(AttentiveTrunkConfig())
    begun.begin_as(network)
    save_encoder(out / "start.safetensors", begun)


if __name__ == "__main__":
    main()
