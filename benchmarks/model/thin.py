r"""Make the network that training of the small model begins from: the accurate one, thinned.

    python -m benchmarks.model.thin --data DIR --out runs/small/start.safetensors \
        --n-image-channels 16 --n-layers 8,16,12 --n-narrow 128

Keeps the channels of the image front and the layers of the dense blocks whose absence would move
the vectors most, to the first order (Molchanov et al., Importance estimation for neural network
pruning, CVPR 2019): each channel has a gate of one, and the squared derivative of the vector by
the gate is averaged over clips of training speakers. Then the layers are fitted to what those of
the whole network say (`reconstruct.py`). Ten minutes on one core.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import track
from torch import Tensor, nn

from benchmarks.harness.benchmark import Data, File, run_command
from benchmarks.model.embed_clips import start_of
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, all_clips, shaping_rows
from benchmarks.model.reconstruct import Part, reconstruct
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.errors import ModelMismatch
from spkid.files import write_text
from spkid.training.checkpoint import load_encoder, save_encoder
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.networks.cam_plus_plus import Trunk

WHOLE = AttentiveTrunkConfig()
N_CLIPS = 300
N_CLIPS_WEIGHED = 256
CROP_S = 2.0
SEED = 1
RESIDUAL = range(3, 7)  # the residual blocks in the image front
STRIDED = (3, 5)  # of these, whose shortcut has weights
Importance = dict[str, Tensor]
Channels = Annotated[int, typer.Option(help="of the image front; runtimes pad them to 16")]
Layers = Annotated[str, typer.Option(help="of each dense block, such as 8,16,12")]
Narrow = Annotated[int, typer.Option(help="channels by way of which a dense layer makes its own")]


def gated_modules(trunk: Trunk) -> dict[str, list[nn.Module]]:
    """The modules whose outputs stand or fall together, channel by channel."""
    body = trunk.image.body
    modules: dict[str, list[nn.Module]] = {
        "stream": [body[2], *(body[index] for index in RESIDUAL)],
        "left": [body[9]],
    }
    for index in RESIDUAL:
        modules[f"middle {index}"] = [body.get_submodule(f"{index}.body.2")]
    for number, block in enumerate(trunk.blocks):
        modules[f"halved {number}"] = [block.get_submodule("halve")]
        for index, layer in enumerate(block.get_submodule("layers").children()):
            modules[f"layer {number} {index}"] = [layer]
            modules[f"narrow {number} {index}"] = [layer.get_submodule("narrow.4")]
            modules[f"mask {number} {index}"] = [layer.get_submodule("mask.1")]
    return modules


def importances(network: AttentiveTrunk, waveforms: list[Tensor]) -> Importance:
    """How far the vectors would move without each channel, by the names of the gated modules."""
    gates: Importance = {}

    def gate(name: str, out: Tensor) -> Tensor:
        if name not in gates:
            gates[name] = torch.ones(out.shape[1], requires_grad=True)
        return out * gates[name].reshape(-1, *[1] * (out.ndim - 2))

    hooks = [
        module.register_forward_hook(lambda module, inputs, out, name=name: gate(name, out))
        for name, modules in gated_modules(network.trunk).items()
        for module in modules
    ]
    generator = torch.Generator().manual_seed(SEED)
    found: Importance = {}
    for waveform in track(waveforms, "listening"):
        gates.clear()
        vectors, _ = network(waveform[None])
        along = (vectors * torch.randn(vectors.shape, generator=generator)).sum()
        derivatives = torch.autograd.grad(along, list(gates.values()))
        for name, derivative in zip(gates, derivatives, strict=True):
            found[name] = found.get(name, torch.tensor(0.0)) + derivative.square()
    for hook in hooks:
        hook.remove()
    return found


def strongest(importance: Tensor, n_kept: int) -> Tensor:
    """The places of the ``n_kept`` largest, in their order."""
    return importance.topk(n_kept).indices.sort().values


def image_parts(importance: Importance, n_kept: int, n_bands: int) -> list[Part]:
    """What is kept of the image front, and of the convolution that reads its ``n_bands``."""
    stream, left = (strongest(importance[name], n_kept) for name in ("stream", "left"))
    parts: list[Part] = [("body.0", "body.0", stream, None), ("body.1", "body.1", stream, None)]
    for index in RESIDUAL:
        middle = strongest(importance[f"middle {index}"], n_kept)
        kept = [
            ("body.0", middle, stream),
            ("body.1", middle, None),
            ("body.3", stream, middle),
            ("body.4", stream, None),
        ]
        if index in STRIDED:
            kept += [("shortcut.0", stream, stream), ("shortcut.1", stream, None)]
        for name, out, into in kept:
            parts.append((f"body.{index}.{name}", f"body.{index}.{name}", out, into))
    parts += [("body.7", "body.7", left, stream), ("body.8", "body.8", left, None)]
    bands = (left[:, None] * n_bands + torch.arange(n_bands)).flatten()
    parts = [(f"image.{own}", f"image.{given}", out, into) for own, given, out, into in parts]
    return [*parts, ("enter.0", "enter.0", None, bands)]


def dense_parts(importance: Importance, config: AttentiveTrunkConfig) -> tuple[list[Part], Tensor]:
    """What is kept of the dense blocks, and which of the trunk's channels are left."""
    parts: list[Part] = []
    n_entering, channels = WHOLE.n_channels, torch.arange(WHOLE.n_channels)
    for number, (n_given, n_kept) in enumerate(zip(WHOLE.n_layers, config.n_layers, strict=True)):
        block = f"blocks.{number}"
        worth = [importance[f"layer {number} {index}"].sum() for index in range(n_given)]
        for new, index in enumerate(strongest(torch.stack(worth), n_kept).tolist()):
            own, given = f"{block}.layers.{new}", f"{block}.layers.{index}"
            narrow = strongest(importance[f"narrow {number} {index}"], config.n_narrow)
            mask = strongest(importance[f"mask {number} {index}"], config.n_narrow // 2)
            parts += [
                (f"{own}.{name}", f"{given}.{name}", out, into)
                for name, out, into in (
                    ("narrow.0", channels, None),
                    ("narrow.2", narrow, channels),
                    ("narrow.3", narrow, None),
                    ("local", None, narrow),
                    ("mask.0", mask, narrow),
                    ("mask.2", None, mask),
                )
            ]
            grown = n_entering + index * WHOLE.n_growth + torch.arange(WHOLE.n_growth)
            channels = torch.cat([channels, grown])
        kept = strongest(importance[f"halved {number}"], len(channels) // 2)
        parts.append((f"{block}.halve.0", f"{block}.halve.0", channels, None))
        parts.append((f"{block}.halve.2", f"{block}.halve.2", kept, channels))
        n_entering, channels = (n_entering + n_given * WHOLE.n_growth) // 2, kept
    return [*parts, ("leave.0", "leave.0", channels, None)], channels


def thinned(
    whole: AttentiveTrunk, importance: Importance, config: AttentiveTrunkConfig
) -> tuple[AttentiveTrunk, list[Part]]:
    """The network of ``config`` with what is kept of ``whole``, in the order of computation."""
    torch.manual_seed(SEED)
    network = AttentiveTrunk(config)
    n_bands = WHOLE.n_mels // 8
    dense, channels = dense_parts(importance, config)
    image = image_parts(importance, config.n_image_channels, n_bands)
    parts = [
        (f"trunk.{own}", f"trunk.{given}", out, into)
        for own, given, out, into in [*image, ("enter.1", "enter.1", None, None), *dense]
    ]
    both = torch.cat([channels, channels + whole.trunk.n_channels])  # mean and deviation
    parts += [
        ("weighting.norm", "weighting.norm", channels, None),
        ("weighting.query_key_value", "weighting.query_key_value", None, channels),
        ("weighting.merge", "weighting.merge", channels, None),
        ("pooling.score.0", "pooling.score.0", None, channels),
        ("pooling.score.2", "pooling.score.2", channels, None),
        ("head", "head", None, both),
    ]
    given_state, state = whole.state_dict(), {}
    for own, given, out, into in parts:
        for name, value in given_state.items():
            if name.rpartition(".")[0] != given:
                continue
            if value.ndim and out is not None:
                value = value[out]
            if value.ndim > 1 and into is not None:
                value = value[:, into]
            state[own + name.removeprefix(given)] = value
    network.load_state_dict(state)
    return network.eval(), parts


def block_channels(parts: Sequence[Part]) -> list[list[int]]:
    """Which of the whole network's channels are kept at the entry and in each dense block."""
    kept = [out.tolist() for own, _, out, _ in parts if own.endswith("halve.2") and out is not None]
    return [list(range(WHOLE.n_channels)), *kept]


def attentive(path: Path) -> AttentiveTrunk:
    """The network at ``path``, in the mode that keeps its statistics.

    Raises
    ------
    ModelMismatch
        If it is another.
    """
    network = load_encoder(path)
    if not isinstance(network, AttentiveTrunk):
        raise ModelMismatch(
            f"{path}: another network",
            expected="attention and pooling over a trunk",
            do="choose a checkpoint of the accurate model or a thinned one",
        )
    return network


def main(
    data: Data, out: File, n_image_channels: Channels, n_layers: Layers, n_narrow: Narrow
) -> None:
    """Write the checkpoint, and beside it which channels each block has."""
    config = AttentiveTrunkConfig(
        n_image_channels=n_image_channels,
        n_layers=tuple(int(number) for number in n_layers.split(",")),
        n_narrow=n_narrow,
    )
    whole = attentive(CHECKPOINTS / "accurate.safetensors")
    clips = shaping_rows(all_clips(data), LEFT_OUT.split(","))
    longest = int(CROP_S * SAMPLE_RATE_HZ)
    places = clips.sample(N_CLIPS, random_state=SEED)["place"]
    waveforms = [torch.from_numpy(start_of(load_audio(place))[:longest]) for place in places]
    importance = importances(whole, waveforms[:N_CLIPS_WEIGHED])
    network, parts = thinned(whole, importance, config)
    reconstruct(network, whole, parts, waveforms)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_encoder(out, network)
    write_text(out.with_suffix(".json"), json.dumps(block_channels(parts)) + "\n")
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    print(f"{out}: {n_weights / 1e6:.2f} million weights")


if __name__ == "__main__":
    run_command(main, words=__doc__)
