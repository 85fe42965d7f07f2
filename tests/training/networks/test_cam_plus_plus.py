"""CAM++: its masks against a loop, and where the tensors of the published weights go."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from benchmarks.model.fetch_cam_plus_plus import own_name, own_weights
from spkid.errors import SpkidError
from spkid.training.networks.attentive_trunk import AttentiveTrunkConfig
from spkid.training.networks.cam_plus_plus import (
    CamPlusPlus,
    CamPlusPlusConfig,
    MaskedLayer,
    segments_of,
)

TINY = CamPlusPlusConfig(
    n_image_channels=2, n_channels=8, n_growth=4, n_layers=(2, 1, 1), embedding_dim=8
)


@pytest.mark.parametrize("n_frames", [1, 99, 100, 101, 250])
def test_segments_are_each_hundred_frames(n_frames):
    members = segments_of(torch.zeros(2, 3, n_frames), 1)
    expected = [[float(frame // 100 == number) for frame in range(n_frames)] for number in range(9)]
    assert members.tolist() == [row for row in expected if any(row)]


def test_segments_are_as_long_where_frames_are_further_apart():
    members = segments_of(torch.zeros(2, 3, 120), 2)
    assert members.sum(dim=1).tolist() == [50, 50, 20]


@pytest.mark.parametrize(
    "changed", [{"strides": (1, 2)}, {"dilations": (1, 0, 1)}, {"n_layers": ()}, {"strides": ()}]
)
@pytest.mark.parametrize("config", [CamPlusPlusConfig, AttentiveTrunkConfig])
def test_blocks_that_are_not_told_of_alike_are_refused(config, changed):
    with pytest.raises(SpkidError, match="every dense block"):
        config(**changed)


@torch.no_grad()
def test_every_other_frame_is_what_it_was_but_for_the_masks_context(speech):
    torch.manual_seed(2)
    whole = CamPlusPlus(TINY).eval()
    fewer = CamPlusPlus(replace(TINY, strides=(1, 2, 1), dilations=(1, 1, 1))).eval()
    fewer.load_state_dict(whole.state_dict())
    for network in (whole, fewer):  # masks that hear nothing are the same for all
        for name, parameter in network.named_parameters():
            if "mask" in name:
                parameter.zero_()
    features = whole.log_mel(torch.from_numpy(speech(0.8, pitch_hz=120, seed=3))[None])
    torch.testing.assert_close(fewer.trunk(features), whole.trunk(features)[:, :, ::2])
    assert fewer.encode(features)[1].shape == whole.encode(features)[1].shape


@torch.no_grad()
def test_mask_hears_the_clip_and_its_own_segment():
    torch.manual_seed(2)
    layer = MaskedLayer(8, 16, 4, dilation=2).eval()
    frames = torch.randn(2, 8, 230)
    narrow = layer.narrow(frames)
    expected = layer.local(narrow)
    for number in range(230):
        segment = narrow[:, :, number // 100 * 100 : number // 100 * 100 + 100]
        context = narrow.mean(dim=2) + segment.mean(dim=2)
        expected[:, :, number] *= layer.mask(context[:, :, None])[:, :, 0]
    torch.testing.assert_close(layer(frames, segments_of(frames, 1)), expected)


@torch.no_grad()
def test_statistics_are_mean_and_deviation_of_the_frames(speech):
    torch.manual_seed(2)
    network = CamPlusPlus(TINY).eval()
    features = network.log_mel(torch.from_numpy(speech(0.8, pitch_hz=120, seed=3))[None])
    frames = network.trunk(features)[0]
    mean = frames.sum(dim=1) / frames.shape[1]
    deviation = ((frames - mean[:, None]) ** 2).sum(dim=1) / (frames.shape[1] - 1)
    expected = network.head(torch.cat([mean, deviation.sqrt()]))
    vectors, weights = network.encode(features)
    torch.testing.assert_close(vectors[0], expected / expected.norm())
    torch.testing.assert_close(weights, torch.full((1, frames.shape[1]), 1 / frames.shape[1]))


def published_names(config: CamPlusPlusConfig) -> dict[str, str]:
    """3D-Speaker's name of every tensor but the last layer's, by ours, written from its layout."""
    names = {}

    def add(ours: str, theirs: str) -> None:
        names[ours] = theirs

    for place, name in (("0", "conv1"), ("1", "bn1"), ("7", "conv2"), ("8", "bn2")):
        add(f"trunk.image.body.{place}", f"head.{name}")
    for place, block in enumerate(("layer1.0", "layer1.1", "layer2.0", "layer2.1"), start=3):
        for part, name in (("0", "conv1"), ("1", "bn1"), ("3", "conv2"), ("4", "bn2")):
            add(f"trunk.image.body.{place}.body.{part}", f"head.{block}.{name}")
        for part in ("0", "1"):
            add(f"trunk.image.body.{place}.shortcut.{part}", f"head.{block}.shortcut.{part}")
    add("trunk.enter.0", "xvector.tdnn.linear")
    add("trunk.enter.1", "xvector.tdnn.nonlinear.batchnorm")
    for block, n_layers in enumerate(config.n_layers):
        for layer in range(n_layers):
            ours = f"trunk.blocks.{block}.layers.{layer}"
            theirs = f"xvector.block{block + 1}.tdnnd{layer + 1}"
            add(f"{ours}.narrow.0", f"{theirs}.nonlinear1.batchnorm")
            add(f"{ours}.narrow.2", f"{theirs}.linear1")
            add(f"{ours}.narrow.3", f"{theirs}.nonlinear2.batchnorm")
            add(f"{ours}.local", f"{theirs}.cam_layer.linear_local")
            add(f"{ours}.mask.0", f"{theirs}.cam_layer.linear1")
            add(f"{ours}.mask.2", f"{theirs}.cam_layer.linear2")
        transit = f"xvector.transit{block + 1}"
        add(f"trunk.blocks.{block}.halve.0", f"{transit}.nonlinear.batchnorm")
        add(f"trunk.blocks.{block}.halve.2", f"{transit}.linear")
    add("trunk.leave.0", "xvector.out_nonlinear.batchnorm")
    return names


def test_published_weights_find_their_places():
    torch.manual_seed(4)
    network = CamPlusPlus(TINY)
    module_of = published_names(TINY)
    state = network.state_dict()
    theirs = {}
    for key, value in state.items():
        module, _, tensor = key.rpartition(".")
        if module != "head":
            theirs[f"{module_of[module]}.{tensor}"] = value
            assert own_name(f"{module_of[module]}.{tensor}") == key
    dense, last = torch.randn(8, network.head.in_features, 1), torch.nn.BatchNorm1d(8, affine=False)
    last.running_mean.normal_()
    last.running_var.uniform_(0.5, 2.0)
    theirs["xvector.dense.linear.weight"] = dense
    for name, value in last.state_dict().items():
        theirs[f"xvector.dense.nonlinear.batchnorm.{name}"] = value
    ours = own_weights(theirs)
    assert ours.keys() == state.keys()
    assert all(torch.equal(ours[key], value) for key, value in state.items() if "head" not in key)
    network.load_state_dict(ours, strict=True)
    statistics = torch.randn(3, network.head.in_features)
    expected = last.eval()(statistics @ dense[:, :, 0].T)
    torch.testing.assert_close(network.head(statistics), expected, atol=1e-5, rtol=1e-4)


def test_tensor_of_another_network_is_an_error():
    with pytest.raises(KeyError, match=re.escape("xvector.other")):
        own_name("xvector.other.weight")
