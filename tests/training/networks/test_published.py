"""Graphs as WeSpeaker, 3D-Speaker, NeMo and others publish them, made from networks of ours."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torchaudio.compliance import kaldi

from spkid import Model
from spkid.encoder.encoder import BUNDLED_MODEL, SpeakerEncoder
from spkid.encoder.published import FAMILIES, PublishedEncoder, filterbanks, sidecar
from spkid.errors import NotCalibrated, NotFound, SpkidError
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig

pytestmark = pytest.mark.filterwarnings(  # of the exporter that makes the graphs
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning",
    "ignore:The feature will be removed. Please remove usage:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


class FromFeatures(nn.Module):
    """CAM++ as it is published: ``[batch, frames, mels]`` in; mels first with a length, as NeMo."""

    def __init__(self, network: CamPlusPlus) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, length: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if length is None:
            features = features.transpose(1, 2)
        logits = torch.zeros(1, 1, 3)
        if length is not None:
            features = features * (length > 0).float()[:, None, None]
        return logits, self.network.encode(features)[0]


@pytest.fixture(scope="module")
def network() -> CamPlusPlus:
    torch.manual_seed(1)
    return CamPlusPlus(CamPlusPlusConfig()).eval()


@pytest.fixture(scope="module")
def graph(network, tmp_path_factory):
    """``graph(nemo=False)`` -> a file of a graph that takes features."""

    def make(*, nemo: bool = False) -> Path:
        path = tmp_path_factory.mktemp("published") / "theirs.onnx"
        features = torch.randn(1, 80, 98) if nemo else torch.randn(1, 98, 80)
        inputs = (features, torch.tensor([98])) if nemo else (features,)
        names = ["audio_signal", "length"] if nemo else ["feats"]
        axes = {names[0]: {0: "batch", 2 if nemo else 1: "frames"}}
        torch.onnx.export(
            FromFeatures(network).eval(),
            inputs,
            str(path),
            dynamo=False,
            input_names=names,
            output_names=["logits", "embs"],
            dynamic_axes=axes | ({"length": {0: "batch"}} if nemo else {}),
        )
        return path

    return make


def tell(path: Path, **features: object) -> Path:
    sidecar(path).write_text(json.dumps(features))
    return path


@pytest.fixture
def voice(speech) -> np.ndarray:
    return speech(2.5, pitch_hz=130, seed=3)


def test_3d_speakers_features_give_the_networks_own_vector(network, graph, voice):
    encoder = SpeakerEncoder.load(f"onnx:{tell(graph(), like='3d-speaker')}")
    with torch.inference_mode():
        expected = network(torch.from_numpy(voice)[None])[0][0].numpy()
    assert encoder.dim == 192
    assert encoder.embed(voice) @ expected > 0.9999


def test_wespeakers_features_are_torchaudios(network, graph, voice):
    encoder = PublishedEncoder(tell(graph(), like="wespeaker"))
    theirs = kaldi.fbank(
        torch.from_numpy(voice)[None] * 32_768, num_mel_bins=80, dither=0.0, window_type="hamming"
    )
    found = filterbanks(voice[None], FAMILIES["wespeaker"])[0]
    np.testing.assert_allclose(found, theirs - theirs.mean(dim=0), atol=2e-3)
    with torch.inference_mode():
        expected = FromFeatures(network)((theirs - theirs.mean(dim=0))[None])[1][0].numpy()
    assert encoder.embed(voice) @ expected > 0.9999


def test_nemos_features_are_normalised_by_band_and_counted(network, graph, voice):
    encoder = PublishedEncoder(tell(graph(nemo=True), like="nemo"))
    found = filterbanks(voice[None], FAMILIES["nemo"])
    assert found.shape[1] == 80
    np.testing.assert_allclose(found.mean(axis=2), 0.0, atol=1e-3)
    np.testing.assert_allclose(found.std(axis=2), 1.0, atol=1e-2)
    with torch.inference_mode():
        expected = FromFeatures(network)(torch.from_numpy(found), torch.tensor([248]))[1][0].numpy()
    assert encoder.embed(voice) @ expected > 0.9999


def test_graph_that_takes_the_waveform(tmp_path, voice):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(BUNDLED_MODEL.read_bytes())
    encoder = PublishedEncoder(tell(path, like="waveform"))
    np.testing.assert_allclose(encoder.embed(voice), SpeakerEncoder.load().embed(voice), atol=1e-6)


def test_graph_for_sherpa_says_itself_whose_it_is(graph):
    path = graph()
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"framework": "wespeaker"})
    onnx.save(model, path)
    assert PublishedEncoder(path).features == FAMILIES["wespeaker"]


def test_a_key_of_the_file_differs_from_the_family(graph):
    encoder = PublishedEncoder(tell(graph(), like="wespeaker", window="povey"))
    assert (encoder.features.window, encoder.features.scale) == ("povey", 32_768.0)


def test_fingerprint_names_features_and_every_byte(graph):
    path = graph()
    first = PublishedEncoder(tell(path, like="wespeaker")).fingerprint
    assert PublishedEncoder(path).fingerprint == first
    assert PublishedEncoder(tell(path, like="3d-speaker")).fingerprint != first
    model = onnx.load(path)
    model.doc_string = "a word more"
    onnx.save(model, path)
    assert PublishedEncoder(tell(path, like="wespeaker")).fingerprint != first


def test_it_embeds_and_refuses_to_decide(graph):
    model = Model.load(f"onnx:{tell(graph(), like='wespeaker')}")
    with pytest.raises(NotCalibrated):
        model.to_decide()


def test_no_frame_weights(graph, voice):
    with pytest.raises(SpkidError, match="no frame weights"):
        PublishedEncoder(tell(graph(), like="wespeaker")).frame_weights(voice)


def test_pickled_by_its_place(graph, voice):
    encoder = PublishedEncoder(tell(graph(), like="wespeaker"))
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.embed(voice), encoder.embed(voice))


@pytest.mark.parametrize(
    ("told", "match"),
    [
        (None, r"nothing says which features it takes.*theirs\.features\.json"),
        ("{", "not the features of a model"),
        ("[1]", "not the features of a model"),
        ('{"like": "kaldi"}', "families are wespeaker, 3d-speaker"),
        ('{"like": "nemo", "n_mel": 80}', "unknown key 'n_mel'"),
        ('{"window": "blackman"}', "one of povey, hamming, hann"),
        ('{"n_mels": 60}', r"does not take features of the shape \[1, 98, 60\]"),
    ],
)
def test_features_that_are_not_known_are_refused(graph, told, match):
    path = graph()
    if told is not None:
        sidecar(path).write_text(told)
    with pytest.raises(SpkidError, match=match):
        PublishedEncoder(path)


def test_a_file_that_is_no_graph(tmp_path):
    path = tmp_path / "theirs.onnx"
    with pytest.raises(NotFound):
        PublishedEncoder(path)
    path.write_bytes(b"no graph")
    with pytest.raises(SpkidError, match="not a usable model"):
        PublishedEncoder(path)
