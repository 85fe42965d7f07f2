"""Our attention over a trunk of others: it begins as theirs, and can leave them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spkid.encoder.encoder import SpeakerEncoder
from spkid.errors import SpkidError
from spkid.training.export import export_onnx
from spkid.training.networks.attentive_trunk import (
    AttentiveTrunk,
    AttentiveTrunkConfig,
    FrameWeighting,
    WeightedStatistics,
)
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig

SIZES = {
    "n_image_channels": 4,
    "n_channels": 16,
    "n_growth": 8,
    "n_layers": (2, 1, 1),
    "embedding_dim": 8,
}


@pytest.fixture
def public() -> CamPlusPlus:
    torch.manual_seed(6)
    network = CamPlusPlus(CamPlusPlusConfig(**SIZES))
    with torch.no_grad():
        for _ in range(30):  # normalisation that has seen something
            network(torch.randn(4, 8_000))
    return network.eval()


@pytest.fixture
def ours(public) -> AttentiveTrunk:
    network = AttentiveTrunk(
        AttentiveTrunkConfig(**SIZES, n_attention_channels=8, n_heads=2, n_pooling_channels=4)
    )
    network.begin_as(public)
    return network.eval()


@pytest.mark.parametrize("n_samples", [4_000, 16_000, 40_123])
@torch.no_grad()
def test_begins_with_the_vectors_of_the_public_network(public, ours, n_samples):
    waveforms = 0.1 * torch.randn(3, n_samples, generator=torch.Generator().manual_seed(n_samples))
    expected, equal = public(waveforms)
    vectors, weights = ours(waveforms)
    torch.testing.assert_close(vectors, expected, atol=2e-5, rtol=0)
    torch.testing.assert_close(weights, equal)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("n_samples", [32_000, 32_161, 40_123])
@torch.no_grad()
def test_fewer_frames_still_weigh_every_20_ms_in_any_exported_length(ours, tmp_path, n_samples):
    fewer = AttentiveTrunk(replace(ours.config, strides=(1, 2, 1), dilations=(1, 1, 1))).eval()
    fewer.load_state_dict(ours.state_dict())
    for part in fewer.pooling.score:
        if isinstance(part, torch.nn.Conv1d):
            torch.nn.init.normal_(part.weight)
    export_onnx(fewer, tmp_path / "fewer.onnx")
    samples = 0.1 * np.random.default_rng(n_samples).normal(size=n_samples).astype(np.float32)
    expected, weights = fewer(torch.from_numpy(samples)[None])
    core = SpeakerEncoder.load(tmp_path / "fewer.onnx")
    np.testing.assert_allclose(core.embed(samples), expected[0], atol=2e-3)
    told = core.frame_weights(samples)
    assert told.shape == ours(torch.from_numpy(samples)[None])[1][0].shape
    np.testing.assert_allclose(told, weights[0], rtol=2e-3)
    np.testing.assert_allclose(told[::2][: len(told) // 2], told[1::2], rtol=1e-5)
    assert told.sum() == pytest.approx(1)
    assert told.max() > 1.2 * told.min()


def test_every_new_part_learns(ours):
    vectors, _ = ours(0.1 * torch.randn(2, 16_000))
    vectors[:, 0].sum().backward()
    assert ours.weighting.merge.weight.grad.abs().max() > 0
    assert ours.pooling.score[2].weight.grad.abs().max() > 0
    assert ours.head.weight.grad.abs().max() > 0
    assert next(ours.trunk.parameters()).grad.abs().max() > 0


@torch.no_grad()
def test_weighting_is_a_softmax_over_the_frames_of_each_head():
    torch.manual_seed(7)
    weighting = FrameWeighting(6, 4, 2)
    torch.nn.init.normal_(weighting.merge.weight)
    frames = torch.randn(1, 6, 5)
    mixed = weighting.query_key_value(weighting.norm(frames[0].T))
    expected = frames[0].T.clone()
    for number in range(5):
        heard = []
        for head in range(2):
            query, keys, values = (
                mixed[:, 4 * part + 2 * head : 4 * part + 2 * head + 2] for part in range(3)
            )
            shares = torch.exp(keys @ query[number] / 2**0.5)
            heard.append((shares / shares.sum()) @ values)
        expected[number] += weighting.merge(torch.cat(heard))
    torch.testing.assert_close(weighting(frames)[0].T, expected)


@torch.no_grad()
def test_statistics_follow_the_weights():
    torch.manual_seed(8)
    pooling = WeightedStatistics(3, 4)
    torch.nn.init.normal_(pooling.score[2].weight)
    frames = torch.randn(2, 3, 6)
    statistics, weights = pooling(frames)
    own = torch.softmax(pooling.score(frames), dim=2)
    mean = (own * frames).sum(dim=2)
    second = (own * frames**2).sum(dim=2)
    deviation = ((second - mean**2) * 6 / 5).sqrt()
    torch.testing.assert_close(statistics, torch.cat([mean, deviation], dim=1))
    torch.testing.assert_close(weights, own.mean(dim=1))
    assert weights.std() > 0.01


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(SpkidError, match="n_attention_channels 10 with n_heads 4"):
        AttentiveTrunkConfig(n_attention_channels=10)
