"""A teacher that hears the crops: its targets, its speeds, and a run that resumes under it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.progress import Progress

from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, save_encoder, weights_fingerprint
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.data.corpora import load_corpora
from spkid.training.data.sampler import CPU, Sampler
from spkid.training.data.speeds import SPEEDS
from spkid.training.listening import ListeningSampler, make_sampler
from spkid.training.processes import Team
from spkid.training.recipe import Recipe
from spkid.training.run_state import RunState
from spkid.training.train import train

ALONE = Team(0, 1, CPU)
CONFIG = TrainConfig(
    n_steps=3,
    n_speakers=3,
    n_unlabelled=2,
    crop_s=(0.3,),
    teacher_crop_s=0.5,
    speed_chance=0.5,
    similarity_weight=5.0,
    average_decay=0.9,
    checkpoint_every=1,
    evaluate_every=10,
)


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    """The same arithmetic in the sampler and in the test."""
    monkeypatch.setattr("spkid.training.listening.computes_in_half", lambda device: False)


@pytest.fixture
def teacher(make_encoder, tmp_path) -> Path:
    save_encoder(tmp_path / "teacher.safetensors", make_encoder(seed=5))
    return tmp_path / "teacher.safetensors"


@pytest.fixture(scope="module")
def data(speech_root, noise_root) -> DataConfig:
    return DataConfig(speech=str(speech_root), noise=str(noise_root))


@pytest.fixture(scope="module")
def corpora(data):
    return load_corpora(data, Progress(disable=True))


@pytest.fixture
def sampler(corpora, teacher) -> Sampler:
    return make_sampler(corpora, teacher, CONFIG, dim=8, oversampled=(), team=ALONE)


def test_targets_are_what_the_teacher_says_of_the_longer_clean_crop(corpora, sampler, teacher):
    assert isinstance(sampler, ListeningSampler)
    plain = make_sampler(corpora, None, CONFIG, dim=8, oversampled=(), team=ALONE)
    plain.taught_speeds = sampler.taught_speeds
    network = load_encoder(teacher)
    for step in range(3):
        heard = sampler.batch(step, n_speakers=3, n_unlabelled=2, crop_s=0.3)
        whole = plain.batch(step, n_speakers=3, n_unlabelled=2, crop_s=0.5)
        assert torch.equal(heard.waveforms, whole.waveforms[:, :4_800])
        assert torch.equal(heard.noises, whole.noises[:, :4_800])
        assert torch.equal(heard.classes, whole.classes)
        with torch.no_grad():
            expected = network(whole.waveforms)[0]
        torch.testing.assert_close(heard.targets, expected)
        assert not heard.targets.requires_grad


def test_what_was_heard_serves_several_steps(corpora, sampler, teacher, monkeypatch):
    config = replace(CONFIG, n_steps_a_hearing=3)
    patient = make_sampler(corpora, teacher, config, dim=8, oversampled=(), team=ALONE)
    heard = []
    listen = patient.vectors
    monkeypatch.setattr(patient, "vectors", lambda own: heard.append(len(own)) or listen(own))
    for step in range(6):
        found = patient.batch(step, n_speakers=3, n_unlabelled=2, crop_s=0.2 + 0.1 * (step % 3))
        expected = sampler.batch(step // 3, n_speakers=3, n_unlabelled=2, crop_s=0.5)
        assert torch.equal(found.targets, expected.targets)
        n_samples = found.waveforms.shape[1]
        assert n_samples < 8_000
        assert torch.equal(found.waveforms, expected.waveforms[:, :n_samples])
    assert heard == [8, 8]


def test_a_longer_crop_is_heard_whole(sampler):
    batch = sampler.batch(0, n_speakers=3, n_unlabelled=2, crop_s=0.7)
    assert batch.waveforms.shape == (8, 11_200)


def test_unlabelled_clips_play_at_every_speed(sampler):
    assert sampler.taught_speeds.tolist() == list(range(len(SPEEDS)))


def test_classes_begin_where_the_teacher_hears_them(sampler, corpora, teacher):
    centres = sampler.class_targets()
    assert centres.shape == (sampler.n_classes, 8)
    network = load_encoder(teacher)
    several = [own for own in sampler.clips_of if len(own) >= 2]
    for number, clips in enumerate(several):
        with torch.no_grad():
            wholes = [
                network(torch.from_numpy(corpora.training.clip(clip) / 32768.0).float()[None])[0]
                for clip in clips
            ]
        assert max(float(centres[number] @ whole[0]) for whole in wholes) > 0.9


def test_teacher_of_another_dimension_is_refused(corpora, teacher):
    with pytest.raises(SpkidError, match="teacher vectors of 8 dimensions"):
        make_sampler(corpora, teacher, CONFIG, dim=16, oversampled=(), team=ALONE)


def test_run_under_a_teacher_resumes_to_the_same_bits(
    tmp_path, data, tiny_config, teacher, stop_at
):
    recipe = Recipe(data=data, train=CONFIG, encoder=tiny_config)
    train(recipe, out=tmp_path / "whole", teacher=teacher)
    stop_at(2)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "parts", teacher=teacher)
    stop_at(None)
    train(recipe, out=tmp_path / "parts", teacher=teacher)
    whole, parts = (load_encoder(tmp_path / n / "encoder.safetensors") for n in ("whole", "parts"))
    assert weights_fingerprint(whole) == weights_fingerprint(parts)
    log = (tmp_path / "whole" / "log.jsonl").read_text()
    assert '"similarity"' in log
    assert '"teacher"' in log


def test_run_under_another_teacher_is_not_gone_on_with(
    tmp_path, data, tiny_config, teacher, make_encoder
):
    recipe = Recipe(data=data, train=CONFIG, encoder=tiny_config)
    train(recipe, out=tmp_path / "run", teacher=teacher)
    save_encoder(tmp_path / "other.safetensors", make_encoder(seed=6))
    with pytest.raises(SpkidError, match="teacher_network"):
        train(recipe, out=tmp_path / "run", teacher=tmp_path / "other.safetensors")


def test_trunk_learns_at_its_share_of_the_rate(tmp_path, data, make_encoder, teacher):
    """With a rate of nothing it stays, statistics and all, while the rest moves."""
    from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig

    config = CamPlusPlusConfig(
        n_image_channels=2, n_channels=8, n_growth=4, n_layers=(1, 1, 1), embedding_dim=8
    )
    torch.manual_seed(1)
    start = CamPlusPlus(config)
    save_encoder(tmp_path / "start.safetensors", start)
    held = replace(CONFIG, trunk_rate=0.0, hold_statistics=True)
    train(
        Recipe(data=data, train=held, encoder=config),
        out=tmp_path / "run",
        teacher=teacher,
        start=tmp_path / "start.safetensors",
    )
    before = start.state_dict()
    after = load_encoder(tmp_path / "run" / "encoder.safetensors").state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"head.weight", "head.bias"}


def test_without_held_statistics_they_move(tmp_path, data, make_encoder, tiny_config):
    start = make_encoder(seed=3)
    save_encoder(tmp_path / "start.safetensors", start)
    for name, holds in (("held", True), ("free", False)):
        recipe = Recipe(
            data=data, train=replace(CONFIG, hold_statistics=holds), encoder=tiny_config
        )
        train(recipe, out=tmp_path / name, start=tmp_path / "start.safetensors")
        after = load_encoder(tmp_path / name / "encoder.safetensors").state_dict()
        key = "head.0.running_mean"
        assert torch.equal(start.state_dict()[key], after[key]) is holds


def test_state_of_a_run_names_its_teacher(tmp_path, data, tiny_config, teacher):
    recipe = Recipe(data=data, train=CONFIG, encoder=tiny_config)
    train(recipe, out=tmp_path / "run", teacher=teacher)
    from spkid.training.checkpoint import load_tensors

    settings = load_tensors(RunState(tmp_path / "run", {}, {}, {}).checkpoint)[1]["settings"]
    assert settings["teacher_network"] == weights_fingerprint(load_encoder(teacher))
