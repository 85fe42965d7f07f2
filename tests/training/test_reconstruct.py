"""Layers that are fitted to what those of a whole network say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.model import thin
from benchmarks.model.reconstruct import inputs_of, reconstruct, refit
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(6, 4, 3, padding=2, dilation=2, bias=False), (1, 6, 20)),
        (nn.Conv1d(6, 4, 5, padding=2, stride=2, bias=False), (1, 6, 21)),
        (nn.Conv2d(3, 4, 3, padding=1, stride=(2, 1), bias=False), (1, 3, 8, 10)),
        (nn.Linear(6, 4), (1, 6)),
    ],
)
def test_inputs_are_what_the_outputs_are_sums_of(layer, shape):
    given = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    out = layer(given)
    sums = inputs_of(layer, given) @ layer.weight.flatten(1).T
    if layer.bias is not None:
        sums = sums + layer.bias
    wanted = out if out.ndim == 2 else out[0].flatten(1).T
    torch.testing.assert_close(sums, wanted)


def test_layer_learns_weights_and_what_is_left_goes_to_the_normalisation():
    generator = torch.Generator().manual_seed(2)
    layer, normalised = nn.Conv1d(5, 3, 1, bias=False), nn.BatchNorm1d(3).eval()
    rows = torch.randn(400, 5, generator=generator) + 1.0
    weight = torch.randn(3, 5, generator=generator)
    wanted = rows @ weight.T + 7.0
    refit(layer, rows, wanted, normalised)
    torch.testing.assert_close(layer.weight[:, :, 0], weight, atol=0.02, rtol=0)
    frames = rows.T.unsqueeze(0)
    with torch.no_grad():
        found = normalised(layer(frames))[0].T
    expected = wanted / (1 + normalised.eps) ** 0.5
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_thinned_network_comes_closer(monkeypatch):
    torch.manual_seed(3)
    whole = AttentiveTrunk(AttentiveTrunkConfig()).eval()
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.constant_(module.weight, 2.0)
            nn.init.normal_(module.bias, std=0.5)  # what goes is missed
    waveforms = [torch.randn(4_000) * level for level in (0.01, 0.1, 0.3)]
    config = AttentiveTrunkConfig(n_image_channels=16, n_layers=(4, 8, 6))
    small, parts = thin.thinned(whole, thin.importances(whole, waveforms), config)

    def distance() -> float:
        with torch.inference_mode():
            return sum(float(1 - (small(w[None])[0] * whole(w[None])[0]).sum()) for w in waveforms)

    before = distance()
    reconstruct(small, whole, parts, waveforms)
    assert distance() < before / 4
