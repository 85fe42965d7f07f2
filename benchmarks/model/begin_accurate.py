"""Make the network that training of the accurate model begins from, and its teacher.

    python -m benchmarks.model.begin_accurate --peer FILE --data DIR --out runs/accurate

`--peer` is the checkpoint that `fetch_cam_plus_plus.py` wrote. Its last layer is followed by a
linear discriminant projection that the training speakers give (not held-out or test speakers, nor
the corpora of `--leave-out`), folded into it: that is `teacher.safetensors`. `start.safetensors` is
our network over the same trunk, with the same vectors. About ten minutes on one core.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Data, File, run_command
from benchmarks.model.embed_clips import start_of
from benchmarks.model.peer_projections import LEFT_OUT, SHRINKAGE, all_clips, shaping_rows
from benchmarks.model.teacher import discriminant_projection
from spkid.audio.reading import load_audio
from spkid.errors import ModelMismatch
from spkid.training.checkpoint import load_encoder, save_encoder
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.networks.cam_plus_plus import CamPlusPlus

SEED = 1


def unscaled_vectors(network: CamPlusPlus, places: list[Path]) -> NDArray[np.float64]:
    """The last layer's outputs before they are brought to unit length, ``[clips, dim]``."""
    vectors = []
    with torch.inference_mode():
        for place in track(places, "listening"):
            waveform = torch.from_numpy(start_of(load_audio(place)))
            vectors.append(network.unscaled(network.log_mel(waveform[None]))[0].double().numpy())
    return np.stack(vectors)


def project_head(
    network: CamPlusPlus,
    vectors: NDArray[np.float64],
    speakers: NDArray[np.str_],
    corpora: NDArray[np.str_],
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


def main(data: Data, peer: File, out: File, leave_out: str = LEFT_OUT) -> None:
    """Write the teacher and the start."""
    network = load_encoder(peer)
    if not isinstance(network, CamPlusPlus):
        raise ModelMismatch(
            f"{peer}: another network", expected="CAM++", do="fetch it with fetch_cam_plus_plus"
        )
    clips = shaping_rows(all_clips(data), leave_out.split(","))
    vectors = unscaled_vectors(network, list(clips["place"]))
    project_head(network, vectors, clips["speaker"].to_numpy(), clips["corpus"].to_numpy())
    out.mkdir(parents=True, exist_ok=True)
    save_encoder(out / "teacher.safetensors", network)
    torch.manual_seed(SEED)
    begun = AttentiveTrunk(AttentiveTrunkConfig())
    begun.begin_as(network)
    save_encoder(out / "start.safetensors", begun)


if __name__ == "__main__":
    run_command(main, words=__doc__)
