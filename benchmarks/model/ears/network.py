"""The ears: a small network that says, for each 20 ms, how many voices are heard.

Waveform in; log-mel features, two convolutions over time and frequency, then dilated convolutions
over time that see two and a half seconds to each side.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.config import canonical_json, fingerprint
from spkid.files import whole_file
from spkid.training.export import halve_weights
from spkid.training.networks.features import WINDOW_SAMPLES, LogMel

MARGIN_SAMPLES = (WINDOW_SAMPLES - FRAME_SAMPLES) // 2  # a window reaches over its frame's edges
N_CLASSES = 3  # nobody, one voice, several at once


@dataclass(frozen=True)
class EarsConfig:
    """Sizes; each round of blocks has the dilations 1, 2, 4, 8, 16 and 32."""

    n_mels: int = 48
    n_maps: tuple[int, ...] = (12, 24)
    n_channels: int = 96
    n_rounds: int = 2


class ChannelConvolution(nn.Conv1d):
    """Three frames, ``dilation`` apart, of each channel by itself.

    In training as three products: the backward pass of such a convolution takes a processor
    more than twice as long.
    """

    def __init__(self, n_channels: int, dilation: int) -> None:
        super().__init__(
            n_channels,
            n_channels,
            3,
            padding=dilation,
            dilation=dilation,
            groups=n_channels,
            bias=False,
        )

    def forward(self, frames: Tensor) -> Tensor:
        """``[batch, channels, frames]`` in and out."""
        if not self.training:
            return super().forward(frames)
        step, n_frames = self.dilation[0], frames.shape[2]
        around, weight = nn.functional.pad(frames, (step, step)), self.weight[:, 0, :, None]
        before, after = around[:, :, :n_frames], around[:, :, 2 * step :]
        return before * weight[:, 0] + frames * weight[:, 1] + after * weight[:, 2]


class DilatedBlock(nn.Module):
    """Three frames, ``dilation`` apart, channel by channel; then all channels; then what was."""

    def __init__(self, n_channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ChannelConvolution(n_channels, dilation),
            nn.BatchNorm1d(n_channels),
            nn.ReLU(),
            nn.Conv1d(n_channels, n_channels, 1, bias=False),
            nn.BatchNorm1d(n_channels),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """``[batch, channels, frames]`` in and out."""
        added: Tensor = nn.functional.relu(frames + self.layers(frames))
        return added


class EarsNetwork(nn.Module):
    """Waveforms ``[batch, samples]`` at 16 kHz, at any level, to probabilities for each 20 ms."""

    def __init__(self, config: EarsConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config.n_mels, hop_samples=FRAME_SAMPLES)
        maps: list[nn.Module] = []
        n_before = 1
        for n_maps in config.n_maps:  # each halves the bands
            maps.append(nn.Conv2d(n_before, n_maps, 3, stride=(2, 1), padding=1, bias=False))
            maps += [nn.BatchNorm2d(n_maps), nn.ReLU()]
            n_before = n_maps
        self.maps = nn.Sequential(*maps)
        n_flat = n_before * (config.n_mels >> len(config.n_maps))
        self.narrow = nn.Sequential(
            nn.Conv1d(n_flat, config.n_channels, 1, bias=False),
            nn.BatchNorm1d(config.n_channels),
            nn.ReLU(),
        )
        dilations = [2**power for power in range(6)] * config.n_rounds
        self.blocks = nn.Sequential(*(DilatedBlock(config.n_channels, d) for d in dilations))
        self.head = nn.Conv1d(config.n_channels, N_CLASSES + 1, 1)

    def features(self, waveform: Tensor) -> Tensor:
        """Log-mel ``[batch, bands, frames]`` of ``[batch, samples]``, an offset removed."""
        waveform = waveform - waveform.mean(dim=1, keepdim=True)
        found: Tensor = self.log_mel(nn.functional.pad(waveform, (MARGIN_SAMPLES, MARGIN_SAMPLES)))
        return found

    def logits(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Of the number of voices ``[batch, 3, frames]``, of a change ``[batch, frames]``."""
        maps = self.maps(features.unsqueeze(1))  # [batch, maps, bands, frames]
        answers = self.head(self.blocks(self.narrow(maps.flatten(1, 2))))
        return answers[:, :N_CLASSES], answers[:, N_CLASSES]

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities: of nobody, one and several ``[batch, frames, 3]``; of a new voice.

        ``frames = samples // 320``; the second is ``[batch, frames]``.
        """
        voices, change = self.logits(self.features(waveform))
        return voices.softmax(dim=1).transpose(1, 2), change.sigmoid()


def begin_from(network: EarsNetwork, graph: Path, waveforms: Tensor) -> None:
    """Give ``network`` the weights of a graph that :func:`export_ears` wrote of one of its sizes.

    There the normalisations are part of the convolutions. Here they get the statistics of
    ``waveforms`` ``[batch, samples]``, and what undoes them: the network says the same as the
    graph, and can be trained on.
    """
    tensors = {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).astype("float32"))
        for tensor in onnx.load(graph).graph.initializer
    }
    network.head.load_state_dict({key: tensors[f"head.{key}"] for key in ("weight", "bias")})
    order = [tensor for name, tensor in tensors.items() if "Conv_" in name]
    folded = iter(zip(order[::2], order[1::2], strict=True))

    def undo(layer: Any, values: tuple[Tensor], _: Tensor) -> Tensor:
        (given,) = values
        dims = [0, *range(2, given.dim())]
        mean, variance = given.mean(dims), given.var(dims)
        layer.running_mean, layer.running_var = mean, variance
        layer.weight.data = (variance + layer.eps).sqrt()
        layer.bias.data = mean + layers[layer]
        return given + layers[layer].view(1, -1, *[1] * (given.dim() - 2))

    layers: dict[nn.Module, Tensor] = {}
    hooks = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.bias is None:
            layer.weight.data, bias = next(folded)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layers[layer] = bias
            hooks.append(layer.register_forward_hook(undo))
    with torch.no_grad():
        network.eval()(waveforms)
    for hook in hooks:
        hook.remove()


def export_ears(network: EarsNetwork, path: Path) -> None:
    """One ONNX graph with its configuration and a fingerprint; large weights in half precision."""
    state = network.state_dict()
    settings = asdict(network.config)
    weights = [key.encode() + state[key].float().numpy(force=True).tobytes() for key in state]
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"
        torch.onnx.export(
            network.eval(),
            (torch.randn(2, SAMPLE_RATE_HZ),),
            str(graph),
            dynamo=False,
            opset_version=17,
            input_names=["waveform"],
            output_names=["voices", "change"],
            dynamic_axes={
                "waveform": {0: "batch", 1: "samples"},
                "voices": {0: "batch", 1: "frames"},
                "change": {0: "batch", 1: "frames"},
            },
        )
        model = onnx.load(graph)
    halve_weights(model.graph, keep_shape=tuple(network.log_mel.basis.shape))
    metadata = {
        "spkid.ears": json.dumps(settings),
        "spkid.fingerprint": fingerprint(canonical_json(settings), *weights),
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    with whole_file(path) as file:
        file.write(model.SerializeToString())
