"""Adversarial training, re-weighting and consolidation inside the loop, and fine-tuning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.progress import Progress

from spkid.errors import SpkidError
from spkid.training.checkpoint import load_encoder, load_tensors, save_encoder
from spkid.training.config import FORMS, DataConfig, TrainConfig
from spkid.training.data.augment import AugmentConfig
from spkid.training.data.corpora import load_corpora, load_teacher
from spkid.training.data.sampler import Sampler
from spkid.training.finetune import (
    FINE_TUNING,
    fine_tuning_recipe,
    finetune,
    read_cohort,
    split_by_cohort,
)
from spkid.training.objectives.optional import optional_parts
from spkid.training.objectives.weighted_sum import Losses
from spkid.training.processes import Team
from spkid.training.recipe import Recipe
from spkid.training.step import train_step
from spkid.training.train import train

TINY = TrainConfig(
    n_steps=8,
    n_speakers=4,
    n_unlabelled=1,
    crop_s=(0.3, 0.4),
    average_decay=0.5,
    checkpoint_every=4,
    evaluate_every=8,
)
ALONE = Team(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def recipe_of(speech_root, noise_root, tiny_config):
    """``recipe_of(**changes)`` for the tiny network on the corpus of seconds."""

    def make(**changes) -> Recipe:
        data = DataConfig(speech=str(speech_root), noise=str(noise_root))
        return Recipe(data=data, train=replace(TINY, **changes), encoder=tiny_config)

    return make


@pytest.fixture(scope="module")
def corpora(recipe_of):
    return load_corpora(recipe_of().data, Progress(disable=True))


@pytest.fixture(scope="module")
def run(recipe_of, corpora):
    """``run(out, start=, kept=, **changes)`` trains the tiny network in ``out``."""

    def run_in(out: Path, *, start: Path | None = None, kept=None, **changes) -> Path:
        train(recipe_of(**changes), out=out, start=start, corpora=corpora, kept=kept)
        return out

    return run_in


def tensors_of(folder: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    tensors, _ = load_tensors(folder / "checkpoint.safetensors")
    return {key: value for key, value in tensors.items() if key.startswith(prefix)}


def different(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [key for key in one if not torch.equal(one[key], other[key])]


def last_line(folder: Path) -> dict:
    return json.loads((folder / "log.jsonl").read_text().splitlines()[-1])


def parts_of_a_step(recipe: Recipe, corpora, make_encoder) -> dict[str, torch.Tensor]:
    """One step of a network that is the same each time, late enough for the margin."""
    sampler = Sampler(
        corpora.training, corpora.noise, load_teacher(None, corpora.training, 8), seed=1
    )
    torch.manual_seed(1)
    losses = Losses(recipe.train, 8, sampler.n_classes)
    encoder = make_encoder()
    parts = optional_parts(recipe.train, encoder, None)
    return train_step(5, recipe, encoder, losses, sampler, ALONE, parts)


def test_adversarial_step_mixes_the_loss_at_the_worst_place_nearby(
    recipe_of, corpora, make_encoder
):
    plain = parts_of_a_step(recipe_of(), corpora, make_encoder)
    mixed = parts_of_a_step(
        recipe_of(adversarial_weight=0.3, adversarial_epsilon=5.0), corpora, make_encoder
    )
    clean, disturbed = plain["loss"].item(), mixed["disturbed"].item()
    assert disturbed > clean + 0.05
    assert mixed["loss"].item() == pytest.approx(0.7 * clean + 0.3 * disturbed, rel=1e-5)


def test_adversarial_disturbance_has_the_length_asked_for(
    recipe_of, corpora, make_encoder, monkeypatch
):
    """Next to no disturbance is next to no change; ten times the length is more loss."""
    # bfloat16, where the processor has it, rounds more than the smallest disturbance changes
    monkeypatch.setattr("spkid.training.step.computes_in_half", lambda device: False)
    losses = [
        parts_of_a_step(
            recipe_of(adversarial_weight=0.5, adversarial_epsilon=epsilon), corpora, make_encoder
        )["disturbed"].item()
        for epsilon in (1e-6, 0.3, 3.0)
    ]
    clean = parts_of_a_step(recipe_of(), corpora, make_encoder)["loss"].item()
    assert losses[0] == pytest.approx(clean, abs=0.02)
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"reweighting": "pairwise", "n_regions": 2, "adversarial_weight": 0.5},
        {"reweighting": "accumulated", "ge2e_weight": 1.0, "n_sub_centres": 2},
    ],
    ids=["pairwise and adversarial", "accumulated, ge2e and sub-centres"],
)
def test_resumed_run_ends_with_the_same_bits(tmp_path, run, stop_at, changes):
    changes = {"reweighting_warm_up": 0.25, **changes}
    whole = tensors_of(run(tmp_path / "whole", **changes))
    stop_at(6)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", **changes)
    stop_at(None)
    resumed = tensors_of(run(tmp_path / "stopped", **changes))
    assert different(resumed, whole) == []
    assert any(key.startswith("adversary/") for key in whole)
    assert whole["reweighting/adversary.weight"].any()
    assert int(whole["reweighting/regions.n_fits"]) > 0


def test_weights_begin_after_the_warm_up(tmp_path, run):
    """Until then the run is the one without; after it the two part."""
    plain = tensors_of(run(tmp_path / "plain"), "encoder/")
    warm = run(tmp_path / "warm", reweighting="pairwise", reweighting_warm_up=1.0)
    assert different(tensors_of(warm, "encoder/"), plain) == []
    assert not tensors_of(warm)["reweighting/adversary.weight"].any()
    assert "gain" not in last_line(warm)
    early = run(
        tmp_path / "early",
        reweighting="pairwise",
        reweighting_warm_up=0.0,
        adversary_learning_rate=0.5,
    )
    assert different(tensors_of(early, "encoder/"), plain) != []


@pytest.mark.parametrize("form", FORMS)
def test_log_says_how_uneven_the_weights_are(tmp_path, run, form):
    out = run(
        tmp_path,
        reweighting=form,
        reweighting_warm_up=0.0,
        adversary_learning_rate=1.0,
        n_regions=2,
        largest_weight=2.5,
    )
    line = last_line(out)
    assert 2.0 < line["largest_weight"] <= 2.5
    assert 0.5 < line["weight_entropy"] < 1.0
    assert line["gain"] > 0


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"reweighting": "paired"}, "none or accumulated or pseudo_label or pairwise"),
        ({"reweighting": "pairwise", "prototypical_weight": 0.0}, "without a pairwise loss"),
        ({"adversarial_weight": 1.5}, "between 0 and 1"),
        ({"n_regions": 0}, "1 or more"),
        ({"n_sub_centres": 0}, "1 or more"),
    ],
)
def test_value_that_makes_no_sense_is_refused(changes, fragment):
    with pytest.raises(SpkidError, match=fragment):
        TrainConfig(**changes)


@pytest.fixture(scope="module")
def start(tmp_path_factory, run) -> Path:
    """An encoder to fine-tune."""
    return run(tmp_path_factory.mktemp("start")) / "encoder.safetensors"


@pytest.fixture
def cohort(tmp_path, speakers_by_role) -> Path:
    """The first two training speakers, as the audit writes them."""
    path = tmp_path / "cohort.csv"
    names = "".join(f"{name},0.3\n" for name in speakers_by_role[0][:2])
    path.write_text(f"speaker,error\n{names}")
    return path


@pytest.fixture
def tuned(tmp_path, start, cohort, corpora):
    """``tuned(name, **changes)`` -> the weights of the fine-tuned encoder."""

    def tune(name: str, **changes) -> dict[str, torch.Tensor]:
        tiny = {"n_steps": 6, "crop_s": (0.3,), "average_decay": 0.0, "learning_rate": 1e-3}
        recipe = Recipe(train=replace(FINE_TUNING, **{**tiny, **changes}))
        finetune(recipe, start, cohort=cohort, out=tmp_path / name, corpora=corpora)
        return dict(load_encoder(tmp_path / name / "encoder.safetensors").named_parameters())

    return tune


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return sum(float((one[key] - other[key]).detach().square().sum()) for key in one)


def test_firmly_held_weights_stay(start, tuned):
    before = dict(load_encoder(start).named_parameters())
    plain = distance(tuned("plain", n_steps=40), before)
    held = distance(tuned("held", n_steps=40, ewc=1e6), before)
    assert held < 0.3 * plain


def test_consolidation_leaves_the_batch_statistics(tmp_path, start, tuned):
    """Batches of one cohort would move them for everybody."""
    before = dict(load_encoder(start).named_buffers())
    tuned("held", ewc=1.0)
    tuned("plain")
    held, plain = (
        dict(load_encoder(tmp_path / name / "encoder.safetensors").named_buffers())
        for name in ("held", "plain")
    )
    means = [key for key in before if key.endswith(("running_mean", "running_var"))]
    assert means
    assert all(torch.equal(held[key], before[key]) for key in means)
    assert not any(torch.equal(plain[key], before[key]) for key in means)


def test_without_consolidation_it_is_training_on_the_cohort(
    tmp_path, start, tuned, cohort, corpora, tiny_config
):
    own, _ = split_by_cohort(corpora.training, read_cohort(cohort))
    tiny = {"n_steps": 6, "crop_s": (0.3,), "average_decay": 0.0, "learning_rate": 1e-3}
    recipe = Recipe(train=replace(FINE_TUNING, **tiny), encoder=tiny_config)
    train(recipe, out=tmp_path / "trained", start=start, corpora=replace(corpora, training=own))
    expected = dict(load_encoder(tmp_path / "trained" / "encoder.safetensors").named_parameters())
    tuned_weights = tuned("plain")
    assert all(torch.equal(tuned_weights[key], expected[key]) for key in expected)


def test_consolidated_run_resumes_with_the_same_bits(tmp_path, tuned, stop_at):
    changes = {"ewc": 10.0, "checkpoint_every": 3}
    whole = tuned("whole", **changes)
    stop_at(4)
    with pytest.raises(KeyboardInterrupt):
        tuned("stopped", **changes)
    stop_at(None)
    resumed = tuned("stopped", **changes)
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_consolidation_without_others_is_refused(tmp_path, run, start):
    with pytest.raises(SpkidError, match="use spkid finetune"):
        run(tmp_path, start=start, ewc=1.0)


def test_cohort_is_every_speaker_once(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("cohort,speaker\n0,ann\n0,\n1,bob\n1,ann\n")
    assert read_cohort(path) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("speaker\n", "no rows"),
        ("speaker,error\n,0.1\n,0.2\n", "a cohort without speakers"),
        ("name\nann\n", "no column speaker"),
    ],
)
def test_cohort_that_names_nobody_is_refused(tmp_path, text, fragment):
    path = tmp_path / "cohort.csv"
    path.write_text(text)
    with pytest.raises(SpkidError, match=fragment):
        read_cohort(path)


def test_clips_of_the_cohort_and_of_the_others(corpora, speakers_by_role):
    kept, held_out = speakers_by_role
    own, others = split_by_cohort(corpora.training, {kept[0], kept[4], held_out[0]})
    assert set(own.speakers) == {kept[0], kept[4]}  # one of them has a single clip
    assert set(others.speakers) == set(kept[1:4])
    for part in (own, others):
        for row, path in enumerate(part.paths):
            whole = corpora.training.clip(corpora.training.paths.index(path))
            assert torch.equal(torch.from_numpy(part.clip(row)), torch.from_numpy(whole))


def test_cohort_that_cannot_be_trained_on_is_refused(corpora, speakers_by_role):
    kept, held_out = speakers_by_role
    with pytest.raises(SpkidError, match=r"speaker nobody has no clip in the data \(1 such\)"):
        split_by_cohort(corpora.training, {kept[0], kept[1], "nobody"})
    with pytest.raises(SpkidError, match="speakers to train on in the cohort: 1"):
        split_by_cohort(corpora.training, {kept[0], held_out[0]})
    with pytest.raises(SpkidError, match="speakers to train on outside the cohort: 1"):
        split_by_cohort(corpora.training, set(kept[:4]))


def test_single_clip_speakers_can_be_tuned_for(tmp_path, start, corpora, speakers_by_role):
    kept, _ = speakers_by_role
    path = tmp_path / "cohort.csv"
    path.write_text(f"speaker\n{kept[0]}\n{kept[4]}\n")
    recipe = Recipe(train=replace(FINE_TUNING, n_steps=2, crop_s=(0.3,)))
    finetune(recipe, start, cohort=path, out=tmp_path / "run", corpora=corpora)
    assert (tmp_path / "run" / "encoder.safetensors").exists()


def test_file_that_is_no_encoder_is_refused(tmp_path, cohort, corpora):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    with pytest.raises(SpkidError, match="not a readable checkpoint"):
        finetune(Recipe(), wrong, cohort=cohort, out=tmp_path / "run", corpora=corpora)


def test_encoder_with_weights_that_are_not_finite_ends_in_a_sentence(
    tmp_path, start, cohort, corpora
):
    encoder = load_encoder(start)
    with torch.no_grad():
        encoder.head[1].weight[0, 0] = torch.nan
    save_encoder(tmp_path / "nan.safetensors", encoder)
    recipe = Recipe(train=replace(FINE_TUNING, n_steps=2, crop_s=(0.3,)))
    with pytest.raises(SpkidError, match="a finite loss"):
        finetune(
            recipe,
            tmp_path / "nan.safetensors",
            cohort=cohort,
            out=tmp_path / "run",
            corpora=corpora,
        )


def test_recipe_of_fine_tuning_takes_changes():
    recipe = fine_tuning_recipe(["train.n_steps=7", "train.ewc=3.5", "data.speech=somewhere"])
    assert recipe.train == replace(FINE_TUNING, n_steps=7, ewc=3.5)
    assert recipe.data.speech == "somewhere"
    assert recipe.augment == AugmentConfig()
    with pytest.raises(SpkidError, match="unknown key"):
        fine_tuning_recipe(["train.n_step=7"])
