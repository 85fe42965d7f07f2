"""A thinned network that is taught what the frames of the whole one say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.progress import Progress

from benchmarks.model import distil as distilling
from benchmarks.model.distil import Distillation, Kept, distil, losses, said_of, with_strides
from benchmarks.model.keep_leg import averaged
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.data.corpora import load_corpora
from spkid.training.data.sampler import CPU
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig
from spkid.training.processes import Team
from spkid.training.run_state import RunState

ALONE = Team(0, 1, CPU)
WHOLE = AttentiveTrunkConfig(
    embedding_dim=8,
    n_image_channels=2,
    n_channels=8,
    n_growth=4,
    n_narrow=8,
    n_layers=(2, 2, 2),
    n_attention_channels=8,
    n_heads=2,
    n_pooling_channels=4,
)
TOLD = Distillation(n_speakers=2, n_unlabelled=1, crop_s=(0.4, 0.5))
SCHEDULE = TrainConfig(n_steps=4, learning_rate=1e-2)


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    monkeypatch.setattr(distilling, "computes_in_half", lambda device: False)


@pytest.fixture(scope="module")
def corpora(speech_root, noise_root):
    return load_corpora(
        DataConfig(speech=str(speech_root), noise=str(noise_root)), Progress(disable=True)
    )


@pytest.fixture
def whole() -> AttentiveTrunk:
    torch.manual_seed(4)
    return AttentiveTrunk(WHOLE).eval().requires_grad_(False)


@pytest.fixture
def small() -> AttentiveTrunk:
    torch.manual_seed(5)
    return AttentiveTrunk(replace(WHOLE, n_layers=(1, 1, 1), n_narrow=4)).eval()


@pytest.fixture
def kept(small) -> list[Kept]:
    widths = [WHOLE.n_channels, *(block.n_channels for block in small.trunk.blocks)]
    return [(torch.arange(width), 1) for width in widths]


def run(corpora, small, whole, kept, out, **changes):
    return distil(
        small,
        whole,
        kept,
        corpora,
        replace(SCHEDULE, **changes),
        out=out,
        team=ALONE,
        progress=Progress(disable=True),
        config=TOLD,
    )


def test_said_are_the_networks_own_vectors_and_blocks(whole):
    waveforms = torch.randn(2, 8_000) * 0.1
    said = said_of(whole, whole.log_mel(waveforms))
    torch.testing.assert_close(said.vectors, whole(waveforms)[0])
    assert [block.shape[1] for block in said.blocks] == [8, 8, 8, 8]


def test_losses_are_nothing_where_the_kept_channels_agree(whole):
    said = said_of(whole, whole.log_mel(torch.randn(2, 8_000) * 0.1))
    kept = [(torch.tensor([1, 4]), 1) for _ in said.blocks]
    own = replace(said, blocks=[block[:, [1, 4]] for block in said.blocks])
    assert losses(own, said, kept, TOLD)["loss"] < 1e-5
    other = replace(own, blocks=[block[:, [4, 1]] for block in said.blocks])
    assert losses(other, said, kept, TOLD)["loss"] > 0.1


def test_fewer_frames_are_told_what_the_whole_network_says_at_them(whole):
    fewer = with_strides(whole, (1, 2, 1))
    assert fewer.config.dilations == (1, 1, 1)
    log_mel = whole.log_mel(torch.randn(2, 8_000) * 0.1)
    own, wanted = said_of(fewer, log_mel), said_of(whole, log_mel)
    assert [block.shape[2] for block in own.blocks] == [24, 24, 12, 12]
    every = (1, 1, 2, 2)
    kept = [(torch.arange(own.blocks[n].shape[1]), every[n]) for n in range(4)]
    missed = losses(own, wanted, kept, TOLD)
    assert missed["block 1"] == 0
    # they differ by what the masks hear of the clip's other frames
    shifted = replace(own, blocks=[block.roll(1, dims=2) for block in own.blocks])
    assert 0 < missed["block 2"] < losses(shifted, wanted, kept, TOLD)["block 2"] / 20


def test_teaching_brings_the_vectors_nearer_and_leaves_the_statistics(
    corpora, small, whole, kept, tmp_path
):
    waveforms = torch.randn(4, 8_000) * 0.1

    def distance() -> float:
        with torch.inference_mode():
            return float((1 - (small(waveforms)[0] * whole(waveforms)[0]).sum(dim=1)).mean())

    before = distance()
    statistics = [buffer.clone() for buffer in small.buffers()]
    run(corpora, small, whole, kept, tmp_path / "run", n_steps=40)
    assert distance() < before / 2
    for then, now in zip(statistics, small.buffers(), strict=True):
        assert torch.equal(then, now)


def test_stopped_run_goes_on_as_if_it_had_not_stopped(
    corpora, small, whole, kept, tmp_path, monkeypatch
):
    begun = {name: value.clone() for name, value in small.state_dict().items()}
    straight = run(corpora, small, whole, kept, tmp_path / "straight").state_dict()

    class Stopped(Exception):
        pass

    def save_and_stop(state: RunState) -> None:
        save(state)
        raise Stopped

    save = RunState.save
    monkeypatch.setattr(distilling, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(RunState, "save", save_and_stop)
    small.load_state_dict(begun)
    with pytest.raises(Stopped):
        run(corpora, small, whole, kept, tmp_path / "stopped")
    monkeypatch.setattr(RunState, "save", save)
    small.load_state_dict(begun)
    resumed = run(corpora, small, whole, kept, tmp_path / "stopped").state_dict()
    for name, value in straight.items():
        np.testing.assert_allclose(resumed[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    network, record = averaged(tmp_path / "stopped" / "checkpoint.safetensors")
    assert record["step"] == 4
    assert isinstance(network, AttentiveTrunk)
