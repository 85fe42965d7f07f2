"""Let the layers of a thinned network say again what those of the whole one say.

One after the other, each convolution, and the last layer, is fitted by least squares to the
outputs of the whole network's from the inputs that it gets now (He et al., Channel pruning for
accelerating very deep neural networks, ICCV 2017, section 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import torch
from rich.progress import track
from torch import Tensor, nn

from spkid.training.networks.base import SpeakerNetwork

N_POSITIONS = 80  # of a clip, at random
RIDGE = 1e-3  # towards the weights as they are, in multiples of the inputs' mean power

Layer = nn.Conv1d | nn.Conv2d | nn.Linear
# a module's name in the thinned network and in the whole one, and which of the latter's rows
# (outputs) and columns (inputs) it has; None: all
Part = tuple[str, str, Tensor | None, Tensor | None]


class _HeardAll(Exception):
    """Ends a pass through a network where the rest of it is not asked for."""


def two(sizes: Sequence[int], missing: int) -> tuple[int, int]:
    """The sizes of a convolution over images, of one over frames too."""
    return (missing, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def inputs_of(layer: Layer, given: Tensor) -> Tensor:
    """What each output of one clip is a weighted sum of, ``[positions, inputs]``."""
    if isinstance(layer, nn.Linear):
        return given
    assert not isinstance(layer.padding, str)
    unfolded = nn.functional.unfold(
        given if given.ndim == 4 else given.unsqueeze(2),
        two(layer.kernel_size, 1),
        dilation=two(layer.dilation, 1),
        padding=two(layer.padding, 0),
        stride=two(layer.stride, 1),
    )
    return unfolded[0].T


def outputs_of(layer: Layer, out: Tensor) -> Tensor:
    """``[positions, outputs]`` of one clip, in the order of :func:`inputs_of`."""
    return out if isinstance(layer, nn.Linear) else out[0].flatten(1).T


def heard(
    network: SpeakerNetwork,
    waveforms: Sequence[Tensor],
    layers: Mapping[str, Callable[[Layer, Tensor, Tensor], Tensor]],
) -> dict[str, Tensor]:
    """What each of ``layers`` says of layer, input and output, at some positions of each clip.

    They are in the order of computation: what comes after the last is not computed.
    """
    found: dict[str, list[Tensor]] = defaultdict(list)
    last = list(layers)[-1]

    def keep(name: str, layer: Layer, given: Tensor, out: Tensor) -> None:
        rows = layers[name](layer, given, out)
        drawn = torch.Generator().manual_seed(len(found[name]))  # the clip's number
        found[name].append(rows[torch.randperm(len(rows), generator=drawn)[:N_POSITIONS]])
        if name == last:
            raise _HeardAll

    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda layer, given, out, name=name: keep(name, layer, given[0], out)
        )
        for name in layers
    ]
    with torch.inference_mode():
        for waveform in waveforms:
            with suppress(_HeardAll):
                network(waveform[None])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(rows) for name, rows in found.items()}


def refit(layer: Layer, inputs: Tensor, wanted: Tensor, normalised: nn.Module | None) -> None:
    """Change the weights of ``layer`` so that ``inputs`` give ``wanted``, ``[positions, ...]``.

    What is left in the mean goes to the bias, or to the normalisation that follows.
    """
    weight = layer.weight.flatten(1).double()  # [outputs, inputs]
    rows, targets = inputs.double(), wanted.double()
    bias = layer.bias.double() if layer.bias is not None else torch.zeros(len(weight))
    missing = targets - rows @ weight.T - bias
    has_offset = layer.bias is not None or normalised is not None
    mean_in, mean_out = rows.mean(dim=0), missing.mean(dim=0)
    if has_offset:
        rows, missing = rows - mean_in, missing - mean_out
    power = rows.T @ rows
    ridge = RIDGE * power.diagonal().mean() * torch.eye(len(power))
    change = torch.linalg.solve(power + ridge, rows.T @ missing).T
    offset = mean_out - change @ mean_in
    with torch.no_grad():
        layer.weight.add_(change.reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.add_(offset)
        elif isinstance(normalised, nn.BatchNorm1d | nn.BatchNorm2d):
            assert normalised.running_mean is not None
            normalised.running_mean.sub_(offset)


def fitted(network: SpeakerNetwork, parts: Sequence[Part]) -> list[Part]:
    """The parts that are convolutions of frames, and the last layer; not what sees all alike."""
    layers = []
    for part in parts:
        name, layer = part[0], network.get_submodule(part[0])
        convolves = isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.in_channels > 1
        if name == "head" or (convolves and name.startswith("trunk.") and "mask" not in name):
            layers.append(part)
    return layers


def normalisation_after(network: SpeakerNetwork, name: str) -> nn.Module | None:
    """The batch normalisation next to a layer, if there is one."""
    before, _, number = name.rpartition(".")
    modules = dict(network.named_modules())
    found = modules.get(f"{before}.{int(number) + 1}") if number.isdigit() else None
    return found if isinstance(found, nn.BatchNorm1d | nn.BatchNorm2d) else None


def reconstruct(
    network: SpeakerNetwork,
    whole: SpeakerNetwork,
    parts: Sequence[Part],
    waveforms: Sequence[Tensor],
) -> None:
    """Fit the layers among ``parts``, which are in the order of computation."""
    layers = fitted(network, parts)
    said = heard(
        whole,
        waveforms,
        {given: lambda layer, _, out: outputs_of(layer, out) for _, given, *_ in layers},
    )
    for own, given, kept, _ in track(layers, "fitting"):
        inputs = heard(network, waveforms, {own: lambda layer, into, _: inputs_of(layer, into)})
        wanted = said.pop(given) if kept is None else said.pop(given)[:, kept]
        layer = network.get_submodule(own)
        assert isinstance(layer, Layer)
        refit(layer, inputs[own], wanted, normalisation_after(network, own))
