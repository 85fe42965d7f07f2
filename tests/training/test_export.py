"""The exported graph, run as the core runs it, against the torch network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spkid.audio.reading import load_audio
from spkid.config import fingerprint
from spkid.encoder.base import WINDOW_SAMPLES
from spkid.encoder.encoder import SpeakerEncoder
from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.export import SMALLEST_HALVED, export_onnx, halve_weights, round_weights
from spkid.training.networks.registry import network_settings

# the TorchScript exporter is chosen on purpose: any batch and any length in one graph
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:The feature will be removed. Please remove usage:DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        # three projections, whatever the length
        "ignore:Iterating over a tensor might cause the trace:torch.jit.TracerWarning"
    ),
]


@pytest.fixture(params=["attentive", "mean", "spectrum"])
def network(request, make_encoder):
    """A torch network, large enough to be halved."""
    if request.param == "spectrum":
        encoder = make_encoder(long_term_spectrum=True, n_channels=64)
        torch.nn.init.normal_(encoder.long_term_spectrum.body[3].weight, std=0.1)
    else:
        encoder = make_encoder(pooling=request.param, n_channels=64)
    return encoder


@pytest.fixture
def pair(network, tmp_path):
    """The torch network and the path of its export."""
    export_onnx(network, tmp_path / "tiny.onnx")
    return network, tmp_path / "tiny.onnx"


def test_vectors_and_weights_are_those_of_torch(pair, speech):
    encoder, path = pair
    core = SpeakerEncoder.load(path)
    for n_samples in (3_200, 16_000, 16_161, 40_003):
        for batch in (1, 3):
            rows = [
                speech(2.6, pitch_hz=100 + 50 * row, seed=row)[:n_samples] for row in range(batch)
            ]
            waveforms = np.stack(rows)
            whole = waveforms
            while whole.shape[1] < 32_000:  # the core repeats what is shorter than two seconds
                whole = np.concatenate([whole, waveforms], axis=1)
            with torch.no_grad():
                expected = encoder(torch.from_numpy(whole))[0].numpy()
                weights = encoder(torch.from_numpy(waveforms))[1].numpy()
            vectors = core.embed(waveforms)
            assert vectors.shape == (batch, 8)
            assert vectors.dtype == np.float32
            assert ((vectors * expected).sum(axis=1) > 0.9999).all()
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
            for row in range(batch):
                told = core.frame_weights(waveforms[row])
                np.testing.assert_allclose(told, weights[row], rtol=5e-3)
                assert told.sum() == pytest.approx(1.0, abs=1e-5)


def test_different_voices_are_told_apart(pair, speech):
    """Guards the test above: a graph that always says the same would have cosine one too."""
    core = SpeakerEncoder.load(pair[1])
    one, other = (core.embed(speech(1.0, pitch_hz=hz, seed=int(hz))) for hz in (90.0, 240.0))
    assert one @ other < 0.99


def test_graph_carries_configuration_and_fingerprint(pair):
    encoder, path = pair
    core = SpeakerEncoder.load(path)
    assert core.config == network_settings(encoder.config)
    assert core.fingerprint == fingerprint(path.read_bytes())
    assert core.dim == 8
    assert [file.name for file in path.parent.iterdir()] == ["tiny.onnx"]


def test_large_weights_are_halved_and_the_spectrum_is_not(pair):
    encoder, path = pair
    graph = onnx.load(path).graph
    weights = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    large = [values for values in weights if values.size >= SMALLEST_HALVED]
    assert len(large) >= 6
    assert {values.dtype for values in large} == {np.dtype(np.float16)}
    assert all(values.dtype != np.float16 for values in weights if values.size < SMALLEST_HALVED)
    constants = [
        numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    ]
    for exact in (encoder.log_mel.basis.numpy(), encoder.log_mel.filters.numpy()):
        same_shape = [x for x in weights + constants if x.shape == exact.shape]
        assert any(x.dtype == np.float32 and np.array_equal(x, exact) for x in same_shape)
    halved_parameters = sum(values.size for values in large)
    n_bytes = 4 * (sum(p.numel() for p in encoder.parameters()) + 514 * 400 + 80 * 257)
    assert path.stat().st_size < n_bytes - 2 * halved_parameters + 30_000


def test_halving_keeps_order_small_weights_and_the_shape_to_keep():
    rng = np.random.default_rng(1)
    values = {
        "large": rng.standard_normal((64, 64)).astype(np.float32),
        "kept": rng.standard_normal((64, 65)).astype(np.float32),
        "small": rng.standard_normal((4, 4)).astype(np.float32),
        "whole": np.arange(5_000),
    }
    add = onnx.helper.make_node("Add", ["x", "large"], ["y"])
    graph = onnx.helper.make_graph(
        [add], "one", [], [], [numpy_helper.from_array(value, k) for k, value in values.items()]
    )
    halve_weights(graph, keep_shape=(64, 65))
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert list(after) == ["large.half", "kept", "small", "whole"]
    np.testing.assert_array_equal(after["large.half"], values["large"].astype(np.float16))
    for name in ("kept", "small", "whole"):
        np.testing.assert_array_equal(after[name], values[name])
        assert after[name].dtype == values[name].dtype
    assert [(node.op_type, list(node.input), list(node.output)) for node in graph.node] == [
        ("Cast", ["large.half"], ["large"]),
        ("Add", ["x", "large"], ["y"]),
    ]
    assert graph.node[0].attribute[0].i == onnx.TensorProto.FLOAT


def test_rounded_weights_are_within_half_a_step_of_each_row(network, tmp_path, speech):
    export_onnx(network, tmp_path / "halves.onnx")
    export_onnx(network, tmp_path / "bytes.onnx", in_bytes=True)
    halves, integers = (tmp_path / f"{name}.onnx" for name in ("halves", "bytes"))
    graph = onnx.load(integers).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rounded = [name for name, values in stored.items() if values.dtype == np.int8]
    exact = {
        tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in onnx.load(halves).graph.initializer
    }
    assert len(rounded) >= 6
    for name in rounded:
        own = name.removesuffix(".integers")
        steps = exact[own] / stored[f"{own}.scale"]
        assert np.abs(stored[name] - steps).max() < 0.57  # half a step, and a half's rounding
        assert np.abs(stored[name]).reshape(len(steps), -1).max(axis=1).min() == 127
    n_saved = sum(stored[name].size for name in rounded)
    assert integers.stat().st_size < halves.stat().st_size - 0.8 * n_saved
    waveform = speech(2.6, pitch_hz=120.0, seed=1)
    one, other = (SpeakerEncoder.load(path).embed(waveform) for path in (halves, integers))
    assert 0.999 < one @ other < 0.9999999


def test_row_of_zeros_stays_a_row_of_zeros():
    values = np.ones((64, 64), np.float32)
    values[3] = 0.0
    add = onnx.helper.make_node("Add", ["x", "large"], ["y"])
    graph = onnx.helper.make_graph([add], "one", [], [], [numpy_helper.from_array(values, "large")])
    round_weights(graph, keep_shape=(1,))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    np.testing.assert_array_equal(stored["large.integers"] * stored["large.scale"], values)
    assert [node.op_type for node in graph.node] == ["Cast", "Mul", "Add"]


def test_export_leaves_the_network_as_it_was(network, tmp_path):
    before = weights_fingerprint(network)
    export_onnx(network, tmp_path / "tiny.onnx")
    assert weights_fingerprint(network) == before


def test_file_that_is_no_export_is_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(SpkidError, match="not a usable model"):
        SpeakerEncoder.load(tmp_path / "text.onnx")
    with pytest.raises(SpkidError, match="no model"):
        SpeakerEncoder.load(tmp_path / "missing.onnx")


def test_failed_export_leaves_the_old_graph(pair, make_encoder, monkeypatch):
    _, path = pair
    before = path.read_bytes()

    def refuse(model):
        raise onnx.checker.ValidationError("made up")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(onnx.checker.ValidationError, match="made up"):
        export_onnx(make_encoder(seed=5), path)
    assert path.read_bytes() == before


def test_rounding_is_all_that_the_small_graph_lacks(tmp_path, clips):
    checkpoints = Path(__file__).parents[2] / "benchmarks" / "model" / "checkpoints"
    network = load_encoder(checkpoints / "small.safetensors")
    export_onnx(network, tmp_path / "halves.onnx")
    export_onnx(network, tmp_path / "bytes.onnx", in_bytes=True)
    halves, rounded = (SpeakerEncoder(tmp_path / f"{name}.onnx") for name in ("halves", "bytes"))
    shipped = SpeakerEncoder.load("small")
    for path in clips.values():
        waveform = load_audio(path)[:WINDOW_SAMPLES]
        with torch.inference_mode():
            expected = network(torch.from_numpy(waveform)[None])[0][0].numpy()
        assert float(expected @ halves.embed(waveform)) > 0.9999
        assert float(rounded.embed(waveform) @ shipped.embed(waveform)) > 0.9999
