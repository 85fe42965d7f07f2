"""Checkpoints: whole or not at all, read strictly, and named by what is in them."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save_file

from spkid.errors import SpkidError
from spkid.training.checkpoint import (
    load_encoder,
    load_tensors,
    save_encoder,
    save_tensors,
    weights_fingerprint,
)


def test_tensors_and_metadata_come_back(tmp_path):
    base = torch.arange(12.0).view(3, 4)
    tensors = {
        "turned": base.T,
        "shared": base,
        "count": torch.tensor(7),
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "with/slash": torch.zeros(0, 3),
        "weight": torch.ones(2, requires_grad=True),
    }
    metadata = {"step": 3, "settings": {"crop_s": [1.0, 2.0], "name": "zürich"}}
    save_tensors(tmp_path / "a.safetensors", tensors, metadata)
    back, told = load_tensors(tmp_path / "a.safetensors")
    assert told == metadata
    assert back.keys() == tensors.keys()
    for key, value in tensors.items():
        assert back[key].dtype == value.dtype
        assert torch.equal(back[key], value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"x": torch.ones(3)}, {"step": 1})
    before = path.read_bytes()

    def half_written(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", half_written)
    with pytest.raises(SpkidError, match="no space"):
        save_tensors(path, {"x": torch.zeros(3)}, {"step": 2})
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.fixture
def good_bytes(tmp_path) -> bytes:
    save_tensors(tmp_path / "good", {"x": torch.ones(64)}, {"step": 1})
    return (tmp_path / "good").read_bytes()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "longer", "missing", "folder"])
def test_unreadable_checkpoint_is_refused_by_name(tmp_path, good_bytes, damage):
    path = tmp_path / "bad.safetensors"
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(
            {
                "empty": b"",
                "text": b"these are not weights, they are words" * 9,
                "cut": good_bytes[:-8],
                "longer": good_bytes + b"\0" * 8,
            }[damage]
        )
    with pytest.raises(SpkidError) as caught:
        load_tensors(path)
    assert str(path) in caught.value.got
    with pytest.raises(SpkidError):
        load_encoder(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"json": "{not json"}])
def test_safetensors_of_somebody_else_are_refused(tmp_path, metadata):
    save_file({"x": torch.ones(3)}, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(SpkidError, match="not a readable checkpoint"):
        load_tensors(tmp_path / "other.safetensors")


@pytest.mark.parametrize("pooling", ["attentive", "mean"])
def test_encoder_comes_back_bit_for_bit(tmp_path, make_encoder, speech, pooling):
    encoder = make_encoder(pooling=pooling)
    save_encoder(tmp_path / "encoder.safetensors", encoder.train())
    again = load_encoder(tmp_path / "encoder.safetensors")
    assert not again.training
    assert again.config == encoder.config
    assert weights_fingerprint(again) == weights_fingerprint(encoder)
    waveform = torch.from_numpy(speech(0.4, pitch_hz=120, seed=1))[None]
    with torch.no_grad():
        assert torch.equal(again(waveform)[0], encoder.eval()(waveform)[0])


def test_fingerprint_names_configuration_and_every_weight(make_encoder):
    untouched = make_encoder()
    name = weights_fingerprint(untouched)
    assert name == weights_fingerprint(make_encoder())
    assert len(name) == 16
    assert name != weights_fingerprint(make_encoder(seed=1))
    names = {name}
    for key in untouched.state_dict():
        encoder = deepcopy(untouched)
        encoder.state_dict()[key].view(-1)[-1] += 1
        names.add(weights_fingerprint(encoder))
    assert len(names) == len(untouched.state_dict()) + 1
    same_weights = deepcopy(untouched)
    same_weights.config = replace(same_weights.config, n_heads=4)
    assert weights_fingerprint(same_weights) != name


def written(path, network, *, tensors=None, **metadata):
    """An encoder file with some of its parts replaced."""
    whole = {"encoder": asdict(network.config), "fingerprint": weights_fingerprint(network)}
    save_tensors(path, tensors or network.state_dict(), {**whole, **metadata})
    return path


def test_tampered_weights_are_refused(tmp_path, make_encoder):
    encoder = make_encoder()
    path = tmp_path / "encoder.safetensors"
    load_encoder(written(path, encoder))
    tensors = {key: value.clone() for key, value in encoder.state_dict().items()}
    tensors["head.1.weight"][0, 0] += 1e-6
    with pytest.raises(SpkidError, match="do not fit their fingerprint"):
        load_encoder(written(path, encoder, tensors=tensors))


def test_tampered_configuration_is_refused(tmp_path, make_encoder):
    encoder = make_encoder()
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(SpkidError, match="do not fit their fingerprint"):
        load_encoder(written(path, encoder, encoder={**asdict(encoder.config), "n_heads": 4}))
    with pytest.raises(SpkidError, match="n_layers"):
        load_encoder(written(path, encoder, encoder={"n_layers": 3}))


@pytest.mark.parametrize("fault", ["training checkpoint", "weight missing", "other sizes"])
def test_file_that_is_not_an_encoder_is_refused(tmp_path, make_encoder, fault):
    encoder = make_encoder()
    path = tmp_path / "encoder.safetensors"
    if fault == "training checkpoint":
        save_tensors(path, {"encoder/x": torch.ones(1)}, {"settings": {}, "step": 2})
    elif fault == "weight missing":
        tensors = encoder.state_dict()
        del tensors["norm.weight"]
        written(path, encoder, tensors=tensors)
    else:
        written(path, encoder, encoder={**asdict(encoder.config), "embedding_dim": 16})
    with pytest.raises(SpkidError, match=r"encoder\.safetensors"):
        load_encoder(path)


def test_metadata_is_json_not_pickle(tmp_path, make_encoder):
    save_encoder(tmp_path / "encoder.safetensors", make_encoder())
    raw = (tmp_path / "encoder.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    told = json.loads(header["__metadata__"]["json"])
    assert told["encoder"]["embedding_dim"] == 8
    assert told["fingerprint"] == weights_fingerprint(make_encoder())
