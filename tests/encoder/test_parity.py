"""The bundled graphs and the torch networks they were made from give the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from spkid.audio.reading import load_audio
from spkid.encoder.base import WINDOW_SAMPLES
from spkid.encoder.encoder import BUNDLED, SpeakerEncoder
from spkid.training.checkpoint import load_encoder, weights_fingerprint

ALIKE = {"accurate": 0.9999, "small": 0.995}  # halves; 8-bit integers
CHECKPOINTS = Path(__file__).parents[2] / "benchmarks" / "model" / "checkpoints"


@pytest.fixture(scope="module", params=BUNDLED)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name):
    return load_encoder(CHECKPOINTS / f"{name}.safetensors")


def test_the_graph_says_which_weights_it_was_made_of(name, network):
    said = {prop.key: prop.value for prop in onnx.load(BUNDLED[name]).metadata_props}
    assert weights_fingerprint(network) == said["spkid.fingerprint"]


def test_vectors_agree_on_every_real_clip(name, network, clips):
    encoder = SpeakerEncoder.load(name)
    for path in clips.values():
        waveform = load_audio(path)[:WINDOW_SAMPLES]  # longer is read in windows
        with torch.inference_mode():
            expected, weights = network(torch.from_numpy(waveform)[None])
        assert float(expected[0].numpy() @ encoder.embed(waveform)) > ALIKE[name]
        np.testing.assert_allclose(encoder.frame_weights(waveform), weights[0], atol=1e-4)


def test_one_clip_of_ours_differs_from_another(name, clips):
    """The agreement above is no accident of vectors that are all alike."""
    encoder = SpeakerEncoder.load(name)
    first, second = (encoder.embed_file(clips[clip]) for clip in ("096160001", "001330126"))
    assert float(first @ second) < 0.8
