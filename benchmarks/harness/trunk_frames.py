"""A network whose trunk is run once: what stands above it is then trained and read at little cost.

The frames that the trunk makes of every clip are kept under `runs/frames/` as whole numbers, end to
end as samples are. So a :class:`Corpus` of them goes through the usual samplers, objectives and
loop, with a network that reads them in place of sound. The trunk stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from benchmarks.harness.kept import RUNS, kept_arrays
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.config import canonical_json, fingerprint
from spkid.data.sources import audio_files
from spkid.encoder.vectors import EmbeddingTable
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.data.augment import AugmentConfig, augment
from spkid.training.data.corpus import Corpus
from spkid.training.data.sampler import crop, cut
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.networks.registry import register

FRAMES = RUNS / "frames"
LARGEST = 32.0  # of what a frame may hold; those of the accurate model stay below 10
SECOND_SAMPLES = 16_240  # a second, of which the trunk makes 50 frames
SECOND_FRAMES = 25  # two neighbours are kept as their mean: half the cost, the same error
CHUNK = 32  # crops in one pass
AUGMENTED = AugmentConfig(carrier_chance=0.25)


@dataclass(frozen=True)
class FramesConfig(AttentiveTrunkConfig):
    """Sizes of the network whose frames are read."""


class FrameReader(nn.Module):
    """Frames kept end to end, ``[batch, frames * channels]`` -> ``[batch, channels, frames]``."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.n_channels = n_channels

    def forward(self, kept: Tensor) -> Tensor:
        """The frames as the trunk made them."""
        n_frames = kept.shape[1] // self.n_channels
        frames = kept[:, : n_frames * self.n_channels].unflatten(1, (n_frames, self.n_channels))
        read: Tensor = (LARGEST * frames).transpose(1, 2)
        return read


@register("attentive_frames", FramesConfig)
class AttentiveFrames(SpeakerNetwork):
    """What :class:`AttentiveTrunk` has above its trunk: weighting, pooling and the last layer."""

    def __init__(self, config: FramesConfig) -> None:
        super().__init__(config)
        whole = AttentiveTrunk(config)
        self.log_mel = FrameReader(whole.trunk.n_channels)
        self.weighting, self.pooling, self.head = whole.weighting, whole.pooling, whole.head

    def encode(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``[batch, channels, frames]`` -> unit vectors and frame weights."""
        statistics, frame_weights = self.pooling(self.weighting(log_mel))
        return nn.functional.normalize(self.head(statistics).float(), dim=1), frame_weights


CROP_S = SECOND_FRAMES * 512 / SAMPLE_RATE_HZ  # with which a sampler takes a second's frames


class TrunkFrames:
    """The frames of one network's trunk, each set of clips read when it is first asked for."""

    def __init__(self, checkpoint: Path, data: Path) -> None:
        network = load_encoder(checkpoint)
        assert isinstance(network, AttentiveTrunk)
        self.network, self.data = network, data
        self.model = weights_fingerprint(network)

    def start(self) -> Path:
        """The checkpoint of what stands above the trunk, as it is."""
        path = FRAMES / f"start-{self.model}.safetensors"
        if not path.exists():
            above = AttentiveFrames(FramesConfig(**asdict(self.network.config)))
            own = self.network.state_dict()
            above.load_state_dict({name: own[name] for name in above.state_dict()})
            save_encoder(path, above)
        return path

    def corpus(
        self, name: str, clips: pd.DataFrame, *, n_seconds: int, augmented: bool = False
    ) -> Corpus:
        """The frames of a crop of each of ``clips``, as numbers end to end.

        Parameters
        ----------
        name : str
            Of the file that they are kept in.
        clips : DataFrame
            ``path``, ``place``, ``speaker``, ``corpus``.
        n_seconds : int
            Length of a crop; a shorter clip is repeated.
        augmented : bool
            Whether crops are from a random place, and noisy, reverberant or limited in band; else
            they are the middle of the clip as it is.
        """

        def arrays() -> dict[str, NDArray[Any]]:
            crops = self._crops(clips, n_seconds, augmented)
            shown = track(crops, f"trunk: {name}", total=-(-len(clips) // CHUNK))
            return {"frames": np.concatenate([self._frames(chunk) for chunk in shown])}

        key = {"model": self.model, "paths": list(clips["path"]), "seconds": n_seconds}
        path = FRAMES / f"{name}-{fingerprint(canonical_json(key))[:8]}.npz"
        frames = kept_arrays(path, arrays)["frames"]  # [clips, frames * channels]
        return Corpus(
            frames.reshape(-1),
            np.arange(len(frames) + 1) * frames.shape[1],
            list(clips["path"]),
            list(clips["speaker"]),
            list(clips["corpus"]),
        )

    def _crops(self, clips: pd.DataFrame, n_seconds: int, augmented: bool) -> Iterator[Tensor]:
        rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
        length = n_seconds * SECOND_SAMPLES
        paths = audio_files(self.data / "noise") if augmented else []
        noise = Corpus.load(self.data / "noise", paths, [""] * len(paths))
        noises = torch.from_numpy(noise.samples)
        for first in range(0, len(clips), CHUNK):
            places = [str(place) for place in clips["place"][first : first + CHUNK]]
            heard = Corpus.load(Path(), places, places)
            own = [torch.from_numpy(heard.clip(row)) for row in range(len(heard))]
            if not augmented:
                yield torch.stack([middle(clip, length) for clip in own])
                continue
            added = [
                cut(noises, noise.starts, int(rng.integers(len(noise))), length, rng) for _ in own
            ]
            crops = torch.stack([crop(clip, length, rng) for clip in own])
            yield augment(crops, torch.stack(added), AUGMENTED, generator)

    def _frames(self, crops: Tensor) -> NDArray[np.int16]:
        """``[crops, samples]`` -> whole numbers ``[crops, frames * channels]``."""
        with torch.inference_mode():
            frames = self.network.trunk(self.network.log_mel(crops))  # [crops, channels, frames]
        frames = nn.functional.avg_pool1d(frames, 2).transpose(1, 2)
        whole = (frames.flatten(1) * (32_768 / LARGEST)).round()
        return np.asarray(whole.clamp(-32_768, 32_767).short().numpy())


def frame_vectors(checkpoint: Path, corpus: Corpus) -> EmbeddingTable:
    """Vectors of the frames of clips of one length, kept beside the checkpoint."""

    def arrays() -> dict[str, NDArray[Any]]:
        network = load_encoder(checkpoint)
        kept = torch.from_numpy(corpus.samples.reshape(len(corpus), -1))
        with torch.inference_mode():
            parts = [network(chunk.float() / 32_768)[0] for chunk in kept.split(CHUNK)]
        model = np.array(weights_fingerprint(network))
        return {
            "paths": np.array(corpus.paths),
            "embeddings": torch.cat(parts).numpy(),
            "model": model,
        }

    path = checkpoint.with_name(f"{checkpoint.stem}-{corpus.fingerprint()[:8]}.npz")
    kept_arrays(path, arrays)
    return EmbeddingTable.load(path)


def middle(clip: Tensor, length: int) -> Tensor:
    """``length`` samples from the middle, float32 in -1..1; a short clip is repeated."""
    clip = clip.repeat(max(1, -(-length // len(clip))))
    first = (len(clip) - length) // 2
    return clip[first : first + length].float() / 32_768
