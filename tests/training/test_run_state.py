"""The folder of a run: what survives a stop, a full disk and a change of mind."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from spkid.errors import SpkidError
from spkid.training import train as training
from spkid.training.checkpoint import load_encoder, load_tensors, weights_fingerprint
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.recipe import Recipe
from spkid.training.train import train

TINY = TrainConfig(
    n_steps=8,
    n_speakers=3,
    n_unlabelled=0,
    crop_s=(0.3,),
    average_decay=0.9,
    checkpoint_every=4,
    evaluate_every=1,
)


@pytest.fixture(scope="module")
def recipe(speech_root, tiny_config) -> Recipe:
    return Recipe(DataConfig(speech=str(speech_root)), TINY, tiny_config)


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_times(lines: list[dict]) -> list[dict]:
    return [{key: value for key, value in line.items() if key != "elapsed_s"} for line in lines]


@pytest.fixture
def errors(monkeypatch):
    """``errors(0.3, 0.2)``: what the evaluations find, one after the other."""

    def set_errors(*values: float) -> None:
        left = list(values)
        monkeypatch.setattr(
            training, "held_out_errors", lambda *_: {"a": left[0], "b": left.pop(0) + 0.1}
        )

    return set_errors


def test_log_of_a_resumed_run_is_the_log_of_a_whole_one(tmp_path, recipe, monkeypatch):
    """It was killed at step 7, in the middle of a line; steps 5 and 6 come again, once."""
    train(recipe, out=tmp_path / "whole")
    original = training.train_step

    def killed(step, *rest):
        if step == 6:
            raise KeyboardInterrupt
        return original(step, *rest)

    monkeypatch.setattr(training, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "parts")
    assert [line["step"] for line in lines_of(tmp_path / "parts")] == [1, 2, 3, 4, 5, 6]
    with (tmp_path / "parts" / "log.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    monkeypatch.undo()
    train(recipe, out=tmp_path / "parts")
    whole, parts = lines_of(tmp_path / "whole"), lines_of(tmp_path / "parts")
    assert [line["step"] for line in parts] == list(range(1, 9))
    assert without_times(parts) == without_times(whole)
    assert all(a["elapsed_s"] <= b["elapsed_s"] for a, b in pairwise(parts))
    curves = (tmp_path / "whole" / "curves.svg").read_text()
    assert "held-out EER" in curves
    assert "alpha" in curves


def test_run_ends_when_the_error_stays_and_keeps_the_best(tmp_path, recipe, errors, monkeypatch):
    seen = []
    errors(0.5, 0.3, 0.4, 0.35, 0.1, 0.1)
    judged = training.held_out_errors

    def noted(encoder, corpus):
        seen.append(weights_fingerprint(encoder))
        return judged(encoder, corpus)

    monkeypatch.setattr(training, "held_out_errors", noted)
    patient = replace(recipe, train=replace(TINY, patience=2))
    train(patient, out=tmp_path)
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3, 4]
    assert weights_fingerprint(load_encoder(tmp_path / "encoder.safetensors")) == seen[1]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["n_steps_done"] == 4
    assert run["lowest_mean_held_out_eer"] == pytest.approx(0.35)
    train(patient, out=tmp_path)  # it is over: nothing more is trained
    assert len(seen) == 4


def test_patience_is_counted_over_a_stop(tmp_path, recipe, errors):
    """One evaluation without a lower error before the stop and one after make two."""
    patient = replace(recipe, train=replace(TINY, patience=2, checkpoint_every=1))
    errors(0.5, 0.6)  # the third evaluation finds the list empty: as good as a crash
    with pytest.raises(IndexError):
        train(patient, out=tmp_path)
    metadata = load_tensors(tmp_path / "checkpoint.safetensors")[1]
    assert (metadata["step"], metadata["n_stale"]) == (2, 1)
    errors(0.7, 0.1)
    train(patient, out=tmp_path)
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3]


def test_without_patience_the_last_is_the_result(tmp_path, recipe, errors):
    errors(0.1, *[0.5] * 7)
    train(recipe, out=tmp_path)
    assert len(lines_of(tmp_path)) == 8
    tensors, _ = load_tensors(tmp_path / "checkpoint.safetensors")
    encoder = load_encoder(tmp_path / "encoder.safetensors")
    key = "head.1.weight"
    assert torch.equal(encoder.state_dict()[key], tensors[f"average/module.{key}"])


def test_full_disk_keeps_the_last_checkpoint(tmp_path, recipe, monkeypatch):
    """The limit on a file's size fails a write as a full disk does: in the middle of it."""
    original = training.train_step
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def filled(step, *rest):
        if step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        return original(step, *rest)

    monkeypatch.setattr(training, "train_step", filled)
    try:
        with pytest.raises(SpkidError, match="expected a file to write to") as caught:
            train(recipe, out=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "unwritable"
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["step"] == 4
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.undo()
    train(recipe, out=tmp_path)
    train(recipe, out=tmp_path / "undisturbed")
    folders = (tmp_path, tmp_path / "undisturbed")
    one, other = (load_encoder(folder / "encoder.safetensors") for folder in folders)
    assert weights_fingerprint(one) == weights_fingerprint(other)


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path, recipe):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SpkidError, match="file"):
        train(recipe, out=tmp_path / "file" / "run")


def test_checkpoint_over_other_clips_is_refused(tmp_path, recipe, speech_root):
    train(replace(recipe, train=replace(TINY, n_steps=1)), out=tmp_path / "run")
    lines = (speech_root / "manifest.csv").read_text().splitlines()
    (tmp_path / "manifest.csv").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    (tmp_path / "alpha").symlink_to(speech_root / "alpha")
    other = replace(recipe, data=DataConfig(speech=str(tmp_path)))
    with pytest.raises(SpkidError, match=r"another configuration \(clips\)"):
        train(replace(other, train=replace(TINY, n_steps=1)), out=tmp_path / "run")


def test_same_clips_in_another_place_are_gone_on_with(tmp_path, recipe, speech_root):
    short = replace(recipe, train=replace(TINY, n_steps=1))
    train(short, out=tmp_path / "run")
    (tmp_path / "moved").symlink_to(speech_root)
    train(replace(short, data=DataConfig(speech=str(tmp_path / "moved"))), out=tmp_path / "run")
    assert len(lines_of(tmp_path / "run")) == 1
