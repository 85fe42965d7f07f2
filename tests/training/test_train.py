"""The training loop on a corpus of seconds: what it writes, stops at and goes on from."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.progress import Progress

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.scoring.metrics import equal_error_rate
from spkid.training import step as stepping
from spkid.training import train as training
from spkid.training.checkpoint import load_encoder, load_tensors, save_encoder
from spkid.training.config import DataConfig, TrainConfig, learning_rate_at, margin_at
from spkid.training.data.augment import AugmentConfig
from spkid.training.data.corpora import load_corpora, load_teacher
from spkid.training.data.corpus import Corpus
from spkid.training.data.sampler import CPU, Batch, Sampler
from spkid.training.data.speeds import SPEEDS
from spkid.training.held_out import embed_clips, held_out_errors
from spkid.training.networks.attentive import EncoderConfig, SelfAttentiveEncoder
from spkid.training.networks.registry import network_config
from spkid.training.objectives.losses import teacher_distance
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.processes import Team, computes_in_half
from spkid.training.recipe import Recipe
from spkid.training.train import train

ALONE = Team(0, 1, CPU)
SILENT = Progress(disable=True)

TINY = TrainConfig(
    n_steps=4,
    n_speakers=3,
    n_unlabelled=1,
    crop_s=(0.3, 0.4),
    average_decay=0.9,
    checkpoint_every=2,
    evaluate_every=4,
)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory, speech_root) -> Path:
    paths = sorted(str(path.relative_to(speech_root)) for path in speech_root.rglob("*.wav"))
    vectors = np.random.default_rng(3).standard_normal((len(paths), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path = tmp_path_factory.mktemp("teacher") / "teacher.npz"
    np.savez(path, paths=np.array(paths), embeddings=vectors)
    return path


@pytest.fixture(scope="module")
def data(speech_root, noise_root) -> DataConfig:
    return DataConfig(speech=str(speech_root), noise=str(noise_root))


@pytest.fixture(scope="module")
def run_in(data, teacher_file, tiny_config):
    """``run_in(out, **changes)`` trains the tiny network in ``out``."""

    def run(out: Path, start: Path | None = None, **changes) -> None:
        recipe = Recipe(data=data, train=replace(TINY, **changes), encoder=tiny_config)
        train(recipe, out=out, teacher=teacher_file, start=start)

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_in) -> Path:
    """The folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run_in(out)
    return out


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "encoder.safetensors")[0]


def assert_same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [key for key in one if not torch.equal(one[key], other[key])]
    assert different == []


def test_run_writes_what_it_promises(finished, speakers_by_role):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "checkpoint.safetensors",
        "curves.svg",
        "encoder.safetensors",
        "log.jsonl",
        "run.json",
    }
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4]
    assert lines[0].keys() >= {"elapsed_s", "loss", "aam", "prototypical", "teacher"}
    assert lines[0]["held_out_eer"].keys() == {"alpha"}
    assert 0.0 <= lines[0]["held_out_eer"]["alpha"] <= 1.0
    run = json.loads((finished / "run.json").read_text())
    assert from_mapping(TrainConfig, run["train"]) == TINY
    assert from_mapping(AugmentConfig, run["augment"]) == AugmentConfig()
    assert network_config(run["encoder"]) == load_encoder(finished / "encoder.safetensors").config
    assert torch.__version__.startswith(run["torch"])
    assert run["commit"] is None or len(run["commit"]) == 40
    assert run["n_steps_done"] == 4
    assert run["n_speakers"] == len(speakers_by_role[0]) == 5
    assert run["n_clips"] == 4 * 2 + 1 + 2
    assert run["n_hours"] == round(11 * 0.9 / 3600, 2)
    assert run["teacher"] is True


def test_encoder_is_the_running_average(finished, tiny_config):
    encoder = load_encoder(finished / "encoder.safetensors")
    assert encoder.config == tiny_config
    tensors, metadata = load_tensors(finished / "checkpoint.safetensors")
    assert metadata["step"] == 4
    prefix = "average/module."
    average = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    assert_same_bits(encoder.state_dict(), average)
    last = {k.removeprefix("encoder/"): v for k, v in tensors.items() if k.startswith("encoder/")}
    assert not torch.equal(last["head.1.weight"], average["head.1.weight"])
    n_parameters = sum(p.numel() for p in encoder.parameters())
    assert json.loads((finished / "run.json").read_text())["n_parameters"] == n_parameters


def test_running_average_is_the_one_written_out(tmp_path, run_in, monkeypatch):
    """Weights and normalisation statistics, step by step; the first step counts whole."""
    after_step, original = [], training.train_step

    def noted(step, recipe, encoder, *rest):
        after_step.append({key: value.clone() for key, value in encoder.state_dict().items()})
        return original(step, recipe, encoder, *rest)

    monkeypatch.setattr(training, "train_step", noted)
    run_in(tmp_path)
    tensors, _ = load_tensors(tmp_path / "checkpoint.safetensors")
    after_step.append({key: tensors[f"encoder/{key}"] for key in after_step[0]})
    floats = [key for key, value in after_step[0].items() if value.is_floating_point()]
    average = after_step[1]
    for state in after_step[2:]:
        average = {key: 0.9 * average[key] + 0.1 * state[key] for key in floats}
    written = weights_of(tmp_path)
    for key in floats:
        torch.testing.assert_close(written[key], average[key], atol=1e-5, rtol=1e-4)


def test_voices_are_mixed_in_so_many_steps_and_that_changes_the_result(
    tmp_path, finished, run_in, monkeypatch
):
    mixed, original = [], stepping.mix_features

    def noted(log_mel, mix):
        mixed.append(original(log_mel, mix))
        return mixed[-1]

    monkeypatch.setattr(stepping, "mix_features", noted)
    run_in(tmp_path / "never", mixup_chance=0.0)
    assert mixed == []
    assert_same_bits(weights_of(tmp_path / "never"), weights_of(finished))
    run_in(tmp_path / "always", mixup_chance=1.0)
    assert len(mixed) == 4
    now, before = weights_of(tmp_path / "always"), weights_of(finished)
    assert not torch.equal(now["head.1.weight"], before["head.1.weight"])


@pytest.mark.parametrize("step", [2, 3])
def test_resumed_run_ends_with_the_same_bits(tmp_path, finished, run_in, stop_at, step):
    stop_at(step)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path)
    assert not (tmp_path / "encoder.safetensors").exists()
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["step"] == 2
    stop_at(None)
    run_in(tmp_path)
    assert_same_bits(weights_of(tmp_path), weights_of(finished))
    whole, resumed = (
        load_tensors(folder / "checkpoint.safetensors")[0] for folder in (finished, tmp_path)
    )
    assert_same_bits(resumed, whole)


def test_resumed_run_takes_only_the_steps_that_are_left(tmp_path, run_in, stop_at, monkeypatch):
    stop_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path)
    stop_at(None)
    taken, original = [], training.train_step

    def noted(step, *rest):
        taken.append(step)
        return original(step, *rest)

    monkeypatch.setattr(training, "train_step", noted)
    run_in(tmp_path)
    assert taken == [2, 3]
    run_in(tmp_path)  # a finished run has nothing left to do
    assert taken == [2, 3]


def test_seed_decides_the_first_weights(tmp_path, run_in):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run_in(tmp_path / name, seed=seed, n_steps=1, learning_rate=1e-12)
    one, again, other = (weights_of(tmp_path / name) for name in ("one", "again", "other"))
    assert_same_bits(one, again)
    assert (one["head.1.weight"] - other["head.1.weight"]).abs().max() > 0.01


def test_step_has_the_margin_of_its_place_in_the_run(data, make_encoder):
    corpora = load_corpora(data, SILENT)
    teacher = load_teacher(None, corpora.training, 8)
    sampler = Sampler(corpora.training, corpora.noise, teacher, seed=1)
    torch.manual_seed(1)
    losses = Losses(TINY, 8, sampler.n_classes)

    def aam(step: int, margin: float) -> float:
        recipe = Recipe(train=replace(TINY, n_steps=100, margin=margin))
        parts = training.train_step(step, recipe, make_encoder(), losses, sampler, ALONE)
        return parts["aam"].item()

    assert aam(5, 0.5) == aam(5, 0.0)
    assert aam(90, 0.5) > aam(90, 0.0) + 1.0


def test_fine_tuning_begins_with_the_weights_given(tmp_path, finished, run_in):
    """With a learning rate of nothing to speak of, the weights stay what they were."""
    start = finished / "encoder.safetensors"
    run_in(tmp_path, start, n_steps=1, learning_rate=1e-12, seed=5)
    for key, value in weights_of(tmp_path).items():
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            torch.testing.assert_close(value, weights_of(finished)[key], atol=1e-6, rtol=0)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["start"] == load_tensors(start)[1]["fingerprint"]


def test_fine_tuning_may_begin_to_hear_the_long_term_spectrum(
    tmp_path, finished, data, tiny_config, run_in
):
    """What the encoder knew stays, and the new part is the seed's."""
    listening = Recipe(
        data=data,
        train=replace(TINY, n_steps=1, learning_rate=1e-12, teacher_weight=0.0),
        encoder=replace(tiny_config, long_term_spectrum=True),
    )
    for name in ("one", "other"):
        train(listening, out=tmp_path / name, start=finished / "encoder.safetensors")
    new = {}
    for key, value in weights_of(tmp_path / "one").items():
        if key.startswith("long_term_spectrum"):
            new[key] = value
        elif not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            torch.testing.assert_close(value, weights_of(finished)[key], atol=1e-6, rtol=0)
    assert new["long_term_spectrum.body.1.weight"].abs().max() > 0.01
    assert new["long_term_spectrum.body.3.weight"].abs().max() < 1e-6
    for key, value in new.items():
        assert torch.equal(value, weights_of(tmp_path / "other")[key])
    with pytest.raises(SpkidError, match="another configuration"):  # it does not unlearn to hear
        run_in(tmp_path / "deaf", tmp_path / "one" / "encoder.safetensors")


def test_fine_tuning_an_encoder_of_another_configuration_is_refused(tmp_path, run_in):
    other = SelfAttentiveEncoder(EncoderConfig(n_channels=12, n_heads=2, embedding_dim=8))
    save_encoder(tmp_path / "other.safetensors", other)
    with pytest.raises(SpkidError, match="another configuration"):
        run_in(tmp_path / "run", tmp_path / "other.safetensors")


def test_checkpoint_of_another_configuration_is_refused_and_kept(tmp_path, run_in, stop_at):
    stop_at(2)
    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    stop_at(None)
    with pytest.raises(SpkidError, match="another configuration"):
        run_in(tmp_path, learning_rate=2e-3)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert not (tmp_path / "encoder.safetensors").exists()


def test_damaged_checkpoint_is_refused_not_overwritten(tmp_path, run_in):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half a checkpoint")
    with pytest.raises(SpkidError, match="not a readable checkpoint"):
        run_in(tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == b"half a checkpoint"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_the_run(tmp_path, run_in, monkeypatch, value):
    original = training.train_step

    def spoiled(step, *rest):
        parts = original(step, *rest)
        return {**parts, "loss": parts["loss"] * value} if step == 3 else parts

    monkeypatch.setattr(training, "train_step", spoiled)
    with pytest.raises(SpkidError, match="at step 3"):
        run_in(tmp_path)
    tensors, metadata = load_tensors(tmp_path / "checkpoint.safetensors")
    assert metadata["step"] == 2
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert not (tmp_path / "encoder.safetensors").exists()


def test_training_lowers_the_loss(tmp_path, data, tiny_config):
    """Without margin, augmentation and other speeds even the tiny network learns who is who."""
    config = TrainConfig(
        n_steps=60,
        n_speakers=5,
        crop_s=(0.4,),
        speed_chance=0.0,
        margin=0.0,
        learning_rate=5e-3,
        evaluate_every=5,
    )
    clean = AugmentConfig(
        reverb_chance=0.0, band_limit_chance=0.0, noise_chance=0.0, babble_chance=0.0
    )
    train(Recipe(data, config, tiny_config, clean), out=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    losses = [line["aam"] for line in lines]
    assert np.mean(losses[6:]) < 0.5 * np.mean(losses[:2])
    assert json.loads((tmp_path / "run.json").read_text())["teacher"] is False


def test_held_out_speakers_are_never_trained_on(data, speakers_by_role):
    kept, held_out = speakers_by_role
    corpora = load_corpora(data, SILENT)
    assert sorted(set(corpora.training.speakers)) == ["", *sorted(kept)]
    assert sorted(set(corpora.held_out.speakers)) == sorted(held_out)
    assert len(corpora.held_out) == 4
    assert set(corpora.training.corpora) == {"alpha"}
    assert "alpha/missing.wav" not in corpora.training.paths
    assert corpora.noise.paths == ["rain/one.opus", "street/one.wav"]


def with_manifest(tmp_path: Path, speech_root: Path, lines: list[str]) -> DataConfig:
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "alpha").symlink_to(speech_root / "alpha")
    return DataConfig(speech=str(tmp_path))


def test_held_out_speaker_with_one_clip_is_left_out(tmp_path, speech_root, speakers_by_role):
    lines = (speech_root / "manifest.csv").read_text().splitlines()
    lonely = "speaker-017"  # held out by the name rule
    lines.append(f"alpha/{speakers_by_role[0][0]}-0.wav,{lonely},train,alpha")
    corpora = load_corpora(with_manifest(tmp_path, speech_root, lines), SILENT)
    assert lonely not in corpora.training.speakers
    assert set(corpora.held_out.speakers) == set(speakers_by_role[1])
    assert len(corpora.noise) == 0


def test_nobody_is_held_out_where_there_would_be_only_one(tmp_path, speech_root, speakers_by_role):
    """One held-out speaker has nobody to be mistaken for: better to train on them."""
    gone = speakers_by_role[1][1]
    lines = (speech_root / "manifest.csv").read_text().splitlines()
    lines = [line for line in lines if not line.startswith(f"alpha/{gone}-1")]
    corpora = load_corpora(with_manifest(tmp_path, speech_root, lines), SILENT)
    assert len(corpora.held_out) == 0
    assert set(corpora.training.speakers) >= set(speakers_by_role[1])


def test_run_without_held_out_speakers_has_no_error_and_no_patience(
    tmp_path, speech_root, tiny_config, speakers_by_role
):
    lines = (speech_root / "manifest.csv").read_text().splitlines()
    lines = [line for line in lines if not any(name in line for name in speakers_by_role[1])]
    (tmp_path / "data").mkdir()
    data = with_manifest(tmp_path / "data", speech_root, lines)
    train(Recipe(data, replace(TINY, n_steps=1), tiny_config), out=tmp_path / "run")
    (line,) = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["held_out_eer"] == {}
    with pytest.raises(SpkidError, match="no speaker held out"):
        train(Recipe(data, replace(TINY, patience=1), tiny_config), out=tmp_path / "other")


def test_speakers_of_one_clip_each_train_without_classes(
    tmp_path, speech_root, tiny_config, speakers_by_role
):
    lines = (speech_root / "manifest.csv").read_text().splitlines()
    lines = lines[:1] + [f"alpha/{name}-0.wav,{name},train,alpha" for name in speakers_by_role[0]]
    (tmp_path / "data").mkdir()
    data = with_manifest(tmp_path / "data", speech_root, lines)
    train(Recipe(data, replace(TINY, n_steps=2), tiny_config), out=tmp_path / "run")
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text())
    assert "aam" not in record
    assert math.isfinite(record["prototypical"])


def test_manifest_without_training_rows_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,speaker,split\na.wav,ann,test\n")
    with pytest.raises(SpkidError, match="no clips of the split train"):
        load_corpora(DataConfig(speech=str(tmp_path)), SILENT)


def test_missing_clip_is_refused_by_name(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,speaker\ngone.wav,ann\n")
    with pytest.raises(SpkidError, match=r"gone\.wav: no such file"):
        load_corpora(DataConfig(speech=str(tmp_path)), SILENT)


def test_folder_without_noise_is_refused(tmp_path, data):
    with pytest.raises(SpkidError, match="no audio files to use as noise"):
        load_corpora(replace(data, noise=str(tmp_path)), SILENT)


def test_no_folder_of_speech_is_refused():
    with pytest.raises(SpkidError, match="no speech"):
        load_corpora(DataConfig(), SILENT)


def test_teacher_rows_follow_the_corpus_and_its_speeds(tmp_path):
    def table(path: Path, vectors: np.ndarray) -> None:
        np.savez(path, paths=np.array(["c", "a", "other"]), embeddings=vectors)

    vectors, faster = np.eye(3, 8, dtype=np.float32), np.eye(3, 8, k=4, dtype=np.float32)
    table(tmp_path / "t.npz", vectors)
    corpus = Corpus(np.zeros(3, np.int16), np.arange(4), ["a", "b", "c"], ["x", "x", "y"])
    expected = np.zeros((3, len(SPEEDS), 8))
    expected[0, 0], expected[2, 0] = vectors[1], vectors[0]
    np.testing.assert_array_equal(load_teacher(tmp_path / "t.npz", corpus, 8), expected)
    np.testing.assert_array_equal(load_teacher(None, corpus, 8), np.zeros_like(expected))
    with pytest.raises(SpkidError, match="8 dimensions"):
        load_teacher(tmp_path / "t.npz", corpus, 16)
    folder = tmp_path / "by-speed"
    folder.mkdir()
    with pytest.raises(SpkidError, match="without a teacher"):
        load_teacher(folder, corpus, 8)
    table(folder / "speed-1.npz", vectors)
    table(folder / "speed-1.1.npz", faster)
    number = SPEEDS.index(1.1)
    expected[0, number], expected[2, number] = faster[1], faster[0]
    np.testing.assert_array_equal(load_teacher(folder, corpus, 8), expected)


def batch_of(classes: list[int], n_speakers: int, taught: list[bool]) -> tuple[Batch, torch.Tensor]:
    generator = torch.Generator().manual_seed(len(classes))
    vectors = torch.randn(2, len(classes), 8, generator=generator)
    embeddings, targets = torch.nn.functional.normalize(vectors, dim=2)
    targets = targets * torch.tensor(taught)[:, None]
    nothing = torch.zeros(len(classes), 1)
    batch = Batch(nothing, nothing, torch.tensor(classes), targets, n_speakers)
    return batch, embeddings


def test_losses_are_the_weighted_sum_of_parts_over_the_right_rows():
    config = replace(TINY, aam_weight=0.5, prototypical_weight=2.0, teacher_weight=3.0)
    torch.manual_seed(1)
    losses = Losses(config, 8, 6)
    batch, embeddings = batch_of([4, 4, -1, -1, 0, 0, -1], 3, [True, False] * 3 + [True])
    parts = losses(embeddings, batch, margin=0.2)
    with_class = [0, 1, 4, 5]
    aam = losses.aam(embeddings[with_class], torch.tensor([4, 4, 0, 0]), margin=0.2)
    pairs = torch.stack([embeddings[[0, 1]], embeddings[[2, 3]], embeddings[[4, 5]]])
    taught = [0, 2, 4, 6]
    expected = {
        "aam": aam.mean(),
        "prototypical": losses.prototypical(pairs).mean(),
        "teacher": teacher_distance(embeddings[taught], batch.targets[taught]).mean(),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    total = 0.5 * expected["aam"] + 2 * expected["prototypical"] + 3 * expected["teacher"]
    torch.testing.assert_close(parts["loss"], total)


def test_losses_without_classes_or_teacher_have_no_such_part():
    batch, embeddings = batch_of([-1, -1, -1, -1], 2, [False] * 4)
    parts = Losses(TINY, 8, 6)(embeddings, batch, margin=0.2)
    assert parts.keys() == {"prototypical", "loss"}
    assert torch.isfinite(parts["loss"])


def test_learning_rate_warms_up_then_falls_to_a_hundredth():
    config = TrainConfig(n_steps=200, warm_up=0.1, learning_rate=2e-3)
    rates = [learning_rate_at(step, config) for step in range(201)]
    np.testing.assert_allclose(rates[:20], 2e-3 * np.arange(1, 21) / 20)
    for step in range(20, 201):
        cosine = math.cos(math.pi * (step - 20) / 180)
        assert rates[step] == pytest.approx(2e-5 + (2e-3 - 2e-5) * (1 + cosine) / 2)
    assert rates[200] == pytest.approx(2e-5)


def test_margin_grows_between_one_and_three_tenths():
    config = TrainConfig(n_steps=100, margin=0.4)
    margins = [margin_at(step, config) for step in range(100)]
    assert margins[:11] == [0.0] * 11
    assert margins[20] == pytest.approx(0.2)
    assert margins[30:] == pytest.approx([0.4] * 70)


@pytest.fixture
def aside(speech) -> Corpus:
    """Two corpora; in ``beta`` only one speaker, in ``alpha`` one with ten clips."""
    layout = [("alpha", "ann", 10), ("alpha", "bob", 2), ("alpha", "cyd", 3), ("beta", "dan", 2)]
    paths, speakers, clips = [], [], []
    for folder, speaker, n_clips in layout:
        for clip in range(n_clips):
            paths.append(f"{folder}/deeper/{speaker}-{clip}.wav")
            speakers.append(speaker)
            pitch_hz = 90 + 30 * len(set(speakers))
            voice = speech(0.3 + 0.02 * clip, pitch_hz=pitch_hz, seed=len(paths))
            clips.append((32_767 * voice).astype(np.int16))
    starts = np.concatenate([[0], np.cumsum([len(clip) for clip in clips])])
    corpora = [path.split("/")[0] for path in paths]
    return Corpus(np.concatenate(clips), starts, paths, speakers, corpora)


def test_held_out_errors_are_over_all_pairs_of_a_corpus(make_encoder, aside):
    encoder = make_encoder()
    # at most eight clips a speaker: of ann's ten the last two do not count
    counted = [index for index in range(len(aside)) if index not in (8, 9)]
    vectors = {}
    with torch.no_grad():
        for index in counted:
            samples = torch.from_numpy(aside.clip(index) / np.float32(32_768))
            vectors[index] = encoder(samples[None])[0][0].numpy()
    target, impostor = [], []
    for one, other in itertools.combinations([i for i in counted if i < 15], 2):
        score = float(vectors[one] @ vectors[other])
        (target if aside.speakers[one] == aside.speakers[other] else impostor).append(score)
    errors = held_out_errors(encoder, aside)
    assert errors.keys() == {"alpha"}  # beta has nobody to be mistaken for
    assert errors["alpha"] == pytest.approx(equal_error_rate(target, impostor), abs=1e-9)


def test_embed_clips_reads_ten_seconds_at_most(make_encoder, speech):
    encoder = make_encoder().train()
    clip = (32_767 * speech(10.5, pitch_hz=120, seed=1)).astype(np.int16)
    corpus = Corpus(
        np.concatenate([clip, clip[:160_000]]),
        np.array([0, 168_000, 328_000]),
        ["a", "b"],
        ["", ""],
    )
    vectors = embed_clips(encoder, corpus, [0, 1])
    assert vectors.shape == (2, 8)
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_half_precision_is_used_where_it_is_native(monkeypatch):
    cpu = torch.device("cpu")
    for able, half in (
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "aarch64"}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert computes_in_half(cpu) is half
        assert computes_in_half(torch.device("cuda"))
