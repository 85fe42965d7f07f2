"""A leg that is kept: half the size, the same network, where training reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.model import keep_leg
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.export import SMALLEST_HALVED
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig
from spkid.training.networks.registry import network_settings
from spkid.training.run_state import RunState

SIZES = {"n_image_channels": 4, "n_channels": 64, "n_growth": 32, "n_layers": (2, 1, 1)}


@pytest.fixture
def run(tmp_path) -> tuple[Path, CamPlusPlus]:
    torch.manual_seed(1)
    config = CamPlusPlusConfig(**SIZES)
    encoder, average = CamPlusPlus(config), CamPlusPlus(config)
    modules = {"encoder": encoder, "average": torch.nn.ModuleDict({"module": average})}
    state = RunState(tmp_path / "run", {"encoder": network_settings(config)}, modules, {}, step=7)
    state.begin()
    state.write_line({"loss": 1.5})
    state.save()
    return tmp_path / "run", average.eval()


def test_average_is_kept_in_half_precision(run, tmp_path, monkeypatch):
    folder, average = run
    monkeypatch.setattr(keep_leg, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["keep_leg", "--run", str(folder), "--name", "kept"])
    keep_leg.main()
    kept = load_encoder(tmp_path / "kept.safetensors")
    waveforms = 0.1 * torch.randn(2, 16_000)
    with torch.no_grad():
        cosines = (kept(waveforms)[0] * average(waveforms)[0]).sum(dim=1)
    assert cosines.min() > 0.999
    small = {key for key, value in average.state_dict().items() if value.numel() < SMALLEST_HALVED}
    state = kept.state_dict()
    assert all(torch.equal(state[key], average.state_dict()[key]) for key in small)
    large = set(state) - small
    assert all(torch.equal(state[key], average.state_dict()[key].half().float()) for key in large)
    in_full = sum(4 * value.numel() for value in state.values())
    assert (tmp_path / "kept.safetensors").stat().st_size < 0.6 * in_full
    record = json.loads((tmp_path / "kept.json").read_text())
    assert record["step"] == 7
    assert record["log"][0]["loss"] == 1.5
    assert record["fingerprint"] == weights_fingerprint(kept)
