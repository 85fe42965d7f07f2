"""The mean of networks' weights, kept where training and export read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.model import average_legs
from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig

SIZES = {"n_image_channels": 4, "n_channels": 32, "n_growth": 16, "n_layers": (1, 1, 1)}


@pytest.fixture
def parts(tmp_path) -> list[Path]:
    paths = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        paths.append(tmp_path / f"{seed}.safetensors")
        save_encoder(paths[-1], CamPlusPlus(CamPlusPlusConfig(**SIZES)).eval())
    return paths


def test_weights_are_the_mean_by_share(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(average_legs, "CHECKPOINTS", tmp_path)
    average_legs.main([f"{parts[0]}=0.25", f"{parts[1]}=0.75"], "both")
    first, second = (load_encoder(path) for path in parts)
    both = load_encoder(tmp_path / "both.safetensors").state_dict()
    for key, value in both.items():
        if value.is_floating_point():
            mean = 0.25 * first.state_dict()[key] + 0.75 * second.state_dict()[key]
            torch.testing.assert_close(value, mean, atol=1e-3, rtol=1e-3)
    record = json.loads((tmp_path / "both.json").read_text())
    assert record["average_of"] == [
        {"share": 0.25, "fingerprint": weights_fingerprint(first)},
        {"share": 0.75, "fingerprint": weights_fingerprint(second)},
    ]


def test_shares_that_are_not_one_in_all_are_refused(parts):
    with pytest.raises(SpkidError, match=r"shares of 0\.9 in all"):
        average_legs.main([f"{parts[0]}=0.5", f"{parts[1]}=0.4"], "both")
