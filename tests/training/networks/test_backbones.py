"""The baselines behind our face: same input, unit vectors, checkpoint, export and training."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from spkid.encoder.encoder import SpeakerEncoder
from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.export import export_onnx
from spkid.training.networks import registry
from spkid.training.networks.attentive_trunk import AttentiveTrunkConfig
from spkid.training.networks.backbones import (
    EcapaConfig,
    LstmConfig,
    ResNetConfig,
    Statistics,
    WholeClipPooling,
    XvectorConfig,
)
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.cam_plus_plus import CamPlusPlusConfig
from spkid.training.networks.registry import (
    architectures,
    build_network,
    network_config,
    network_settings,
)
from spkid.training.recipe import Recipe
from spkid.training.train import train

TINY = {
    "attentive_trunk": AttentiveTrunkConfig(
        n_mels=24,
        n_image_channels=4,
        n_channels=16,
        n_growth=8,
        n_layers=(2, 1, 1),
        n_attention_channels=8,
        n_heads=2,
        n_pooling_channels=4,
        embedding_dim=8,
    ),
    "cam_plus_plus": CamPlusPlusConfig(
        n_mels=24,
        n_image_channels=4,
        n_channels=16,
        n_growth=8,
        n_layers=(2, 1, 1),
        embedding_dim=8,
    ),
    "ecapa": EcapaConfig(
        n_mels=24, n_channels=16, n_pooled_channels=24, n_attention_channels=8, embedding_dim=8
    ),
    "xvector": XvectorConfig(n_mels=24, n_channels=16, n_pooled_channels=24, embedding_dim=8),
    "lstm": LstmConfig(n_mels=24, n_hidden=12, n_layers=2, embedding_dim=8),
    "resnet": ResNetConfig(
        n_mels=24, n_channels=(4, 4, 8, 8), n_blocks=(1, 1, 1, 1), embedding_dim=8
    ),
}


@pytest.fixture(params=list(TINY))
def name(request) -> str:
    return request.param


@pytest.fixture
def network(name, voices):
    torch.manual_seed(3)
    network = build_network(TINY[name]).train()
    with torch.no_grad():
        for _ in range(60):  # a deep network's statistics take long to settle
            network(voices)
    return network.eval()


@pytest.fixture(scope="module")
def voices(speech) -> torch.Tensor:
    clips = [speech(0.8, pitch_hz=90 + 40 * index, seed=index) for index in range(4)]
    return torch.from_numpy(np.stack(clips))


def test_every_architecture_is_tested():
    own = {name for name, each in architectures().items() if is_ours(each.network)}
    assert {"self_attentive", *TINY} == own


def is_ours(network):
    """Benchmarks register networks of their own."""
    return network.__module__.startswith("spkid.")


def test_unit_vectors_of_each_row_alone(network, voices):
    with torch.no_grad():
        vectors, weights = network(voices)
        alone = torch.cat([network(row[None])[0] for row in voices])
    assert vectors.shape == (4, 8)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(alone, vectors, atol=1e-5, rtol=1e-4)
    assert weights.shape[0] == 4
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))
    assert (vectors @ vectors.T).fill_diagonal_(0).max() < 0.9999  # rows are told apart


def test_same_clip_has_the_same_vector_twice(network, voices):
    """speechbrain's own statistics pooling adds noise to the mean, in evaluation too."""
    with torch.no_grad():
        assert torch.equal(network(voices)[0], network(voices)[0])


def test_settings_name_the_architecture_and_come_back(name):
    settings = network_settings(TINY[name])
    assert settings["architecture"] == name
    assert network_config(settings) == TINY[name]


def test_long_term_spectrum_is_named_only_where_it_is_heard(tiny_config):
    """So that checkpoints from before there was a choice keep their fingerprint."""
    assert "long_term_spectrum" not in network_settings(tiny_config)
    listening = replace(tiny_config, long_term_spectrum=True)
    assert network_settings(listening) == {**asdict(tiny_config), "long_term_spectrum": True}
    for config in (tiny_config, listening):
        assert network_config(network_settings(config)) == config


def test_width_of_dense_layers_is_named_only_where_it_is_another():
    """The published trunk's checkpoints were named before it could be."""
    published, narrow = CamPlusPlusConfig(), CamPlusPlusConfig(n_narrow=64)
    assert "n_narrow" not in network_settings(published)
    assert network_settings(narrow)["n_narrow"] == 64
    for config in (published, narrow):
        assert network_config(network_settings(config)) == config


def test_checkpoint_comes_back(tmp_path, network, voices):
    save_encoder(tmp_path / "e.safetensors", network)
    back = load_encoder(tmp_path / "e.safetensors")
    assert type(back) is type(network)
    assert weights_fingerprint(back) == weights_fingerprint(network)
    with torch.no_grad():
        assert torch.equal(back(voices)[0], network(voices)[0])


def test_fingerprint_names_the_architecture(tiny_config):
    torch.manual_seed(0)
    networks = [build_network(config) for config in (*TINY.values(), tiny_config)]
    assert len({weights_fingerprint(network) for network in networks}) == len(networks)


def test_exported_graph_gives_the_same_vectors_at_any_length(tmp_path, network, voices):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, on shapes that it holds constant
        export_onnx(network, tmp_path / "m.onnx")
    encoder = SpeakerEncoder.load(tmp_path / "m.onnx")
    assert encoder.dim == 8
    said = {prop.key: prop.value for prop in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert said["spkid.fingerprint"] == weights_fingerprint(network)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for batch in (voices, voices[:1, :9_000], voices.repeat(2, 2)[:6]):
        with torch.no_grad():
            expected, weights = network(batch)
        vectors, frame_weights = session.run(None, {"waveform": batch.numpy()})
        cosine = (vectors * expected.numpy()).sum(axis=1)
        assert cosine.min() > 0.9999
        assert frame_weights.shape == weights.shape


def test_trains_and_goes_on_to_the_same_bits(tmp_path, name, speech_root, monkeypatch):
    from spkid.training import train as training

    config = TrainConfig(n_steps=2, n_speakers=3, n_unlabelled=1, crop_s=(0.5,), checkpoint_every=1)
    recipe = Recipe(DataConfig(speech=str(speech_root)), config, TINY[name])
    train(recipe, out=tmp_path / "whole")
    original = training.train_step

    def stopped(step, *rest):
        if step == 1:
            raise KeyboardInterrupt
        return original(step, *rest)

    monkeypatch.setattr(training, "train_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "parts")
    monkeypatch.undo()
    torch.rand(7)  # nothing may hang on the global generator
    train(recipe, out=tmp_path / "parts")
    whole, parts = (load_encoder(tmp_path / n / "encoder.safetensors") for n in ("whole", "parts"))
    assert weights_fingerprint(whole) == weights_fingerprint(parts)
    assert weights_fingerprint(whole) != weights_fingerprint(build_network(TINY[name]))


def test_statistics_are_mean_and_deviation():
    frames = torch.randn(3, 20, 5, generator=torch.Generator().manual_seed(1))
    statistics = Statistics()(frames)
    assert statistics.shape == (3, 1, 10)
    torch.testing.assert_close(statistics[:, 0, :5], frames.mean(dim=1))
    torch.testing.assert_close(
        statistics[:, 0, 5:], frames.std(dim=1, correction=0), atol=1e-4, rtol=1e-4
    )


def test_pooling_of_whole_clips_is_speechbrains():
    from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling

    torch.manual_seed(1)
    original = AttentiveStatisticsPooling(6, attention_channels=4).eval()
    frames = torch.randn(3, 6, 15)
    with torch.no_grad():
        torch.testing.assert_close(WholeClipPooling(original)(frames), original(frames))


def test_xvector_has_no_noisy_pooling_left():
    kinds = [type(block).__name__ for block in build_network(TINY["xvector"]).body.blocks]
    assert "StatisticsPooling" not in kinds
    assert kinds.count("Statistics") == 1


def test_ours_without_self_attention_and_with_the_frame_mean(tiny_config, voices):
    plain = build_network(replace(tiny_config, n_attention_blocks=0, pooling="mean")).eval()
    assert len(plain.attention_blocks) == 0
    with torch.no_grad():
        vectors, weights = plain(voices)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / weights.shape[1]))


def test_unknown_architecture_is_refused():
    with pytest.raises(SpkidError, match="architecture 'transformer'"):
        network_config({"architecture": "transformer"})


def test_network_registers_itself_by_name(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(architectures()))
    architectures.cache_clear()

    @dataclass(frozen=True)
    class OwnConfig(NetworkConfig):
        n_layers: int = 3

    @registry.register("own", OwnConfig)
    class Own(SpeakerNetwork):
        pass

    try:
        config = network_config({"architecture": "own", "n_layers": 5})
        assert config == OwnConfig(n_layers=5)
        assert network_settings(config)["architecture"] == "own"
        assert type(build_network(config)) is Own
    finally:
        architectures.cache_clear()
