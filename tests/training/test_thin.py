"""The small model's beginning: the accurate network without its weakest channels and layers."""

from __future__ import annotations

import pytest
import torch

from benchmarks.model.thin import gated_modules, importances, strongest, thinned
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig

SMALL = AttentiveTrunkConfig(n_image_channels=16, n_layers=(4, 8, 6), n_narrow=48)


@pytest.fixture
def whole() -> AttentiveTrunk:
    torch.manual_seed(2)
    network = AttentiveTrunk(AttentiveTrunkConfig()).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.weight, 2.0)  # so that all layers are heard at the end
    return network


def masks_of(importance: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Ones for the channels that the small network keeps, zeros for the others."""
    small, masks = AttentiveTrunk(SMALL), {}
    for name, worth in importance.items():
        kind, *numbers = name.split()
        mask = torch.zeros(len(worth))
        if kind == "layer":
            block, index = map(int, numbers)
            n_layers = AttentiveTrunkConfig().n_layers[block]
            sums = [importance[f"layer {block} {other}"].sum() for other in range(n_layers)]
            mask += index in strongest(torch.stack(sums), SMALL.n_layers[block]).tolist()
        else:
            if kind == "halved":
                n_kept = small.trunk.blocks[int(numbers[0])].n_channels
            else:
                n_kept = {"narrow": SMALL.n_narrow, "mask": SMALL.n_narrow // 2}.get(kind, 16)
            mask[strongest(worth, n_kept)] = 1.0
        masks[name] = mask
    return masks


def test_thinned_network_says_what_the_whole_one_says_without_the_rest(whole):
    """Fresh statistics and attention: what is silent there has no part in anything."""
    waveform = torch.randn(2, 16_000) * 0.1
    importance = importances(whole, list(waveform))
    masks = masks_of(importance)
    found, before = thinned(whole, importance, SMALL)[0](waveform)[0], whole(waveform)[0]
    for name, modules in gated_modules(whole.trunk).items():
        for module in modules:
            module.register_forward_hook(
                lambda module, inputs, out, mask=masks[name]: (
                    out * mask.reshape(-1, *[1] * (out.ndim - 2))
                )
            )
    silenced = whole(waveform)[0]
    assert (found - silenced).abs().max() < 1e-4  # deviations have a floor of 1e-5
    assert (before - silenced).abs().max() > 0.01


def test_what_moves_nothing_is_least_important(whole):
    """A channel of the image front that nothing reads, and a layer that says nothing."""
    with torch.no_grad():
        whole.trunk.enter[0].weight[:, 50:60] = 0.0  # the ten bands of channel 5
        whole.trunk.blocks[1].layers[3].local.weight.zero_()
    found = importances(whole, [torch.randn(16_000) * 0.1 for _ in range(3)])
    assert found["left"].argmin() == 5
    assert found["left"][5] == 0
    assert found["layer 1 3"].sum() == 0
    assert min(found[f"layer 1 {index}"].sum() for index in range(24) if index != 3) > 0
    assert set(found) == set(gated_modules(whole.trunk))
