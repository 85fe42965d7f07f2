"""Mitigation by training: the whole command on pieces of the demo's clips, and oversampling."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from spkid.audio.reading import load_audio
from spkid.cli.main import app
from spkid.data.score_files import write_scores
from spkid.errors import SpkidError
from spkid.training.checkpoint import save_encoder
from spkid.training.data.corpora import load_teacher
from spkid.training.data.corpus import Corpus, is_held_out
from spkid.training.data.sampler import Sampler

PIECE_SAMPLES = 8_000
N_AUDITED = 48
TINY = ("n_steps=2", "n_speakers=4", "crop_s=[0.3]", "checkpoint_every=2", "evaluate_every=2")


@pytest.fixture(scope="module")
def places(tmp_path_factory, clips):
    """48 audited names and 8 to train on, two half-second pieces each; scores worse for children.

    The children score as the others do, but lower: that is what the audit finds.
    """
    root = tmp_path_factory.mktemp("mitigate")
    (root / "speech").mkdir()
    waves = [load_audio(path) for path in clips.values()]
    audited = [f"a{number:02d}" for number in range(N_AUDITED)]
    to_train = [f"t{number:02d}" for number in range(20) if not is_held_out(f"t{number:02d}")][:8]
    rows = []
    for number, speaker in enumerate([*audited, *to_train]):
        for piece in range(2):
            # a speaker's two pieces overlap: even an untrained network finds them alike
            start = 8_000 + 2 * PIECE_SAMPLES * (number // len(waves)) + 1_000 * piece
            wave = waves[number % len(waves)][start : start + PIECE_SAMPLES]
            path = f"{speaker}-{piece}.wav"
            soundfile.write(root / "speech" / path, wave, 16_000)
            split = "train" if speaker in to_train else "test"
            is_child = number % (2 if split == "test" else 4) == 1
            rows.append((path, speaker, split, "child" if is_child else "adult"))
    table = pd.DataFrame(rows, columns=["path", "speaker", "split", "age_group"])
    table.to_csv(root / "speech" / "manifest.csv", index=False)
    rng = np.random.default_rng(0)
    trials = []
    for number, speaker in enumerate(audited):
        own = rng.normal(2.5 - 1.5 * (number % 2))
        trials.append((f"{speaker}-0.wav", f"{speaker}-1.wav", own, True))
        for step in range(1, 5):
            other = audited[(number + step) % N_AUDITED]
            trials.append((f"{speaker}-0.wav", f"{other}-1.wav", rng.normal(), False))
    scores = pd.DataFrame(trials, columns=["enroll", "test", "score", "label"])
    write_scores(root / "x.scores", scores)
    return root


@pytest.fixture(scope="module")
def command(places):
    """``command(out, *more)`` mitigates the audit of ``places``."""
    metadata = ("--metadata", places / "speech" / "manifest.csv")
    audited = invoked(
        "audit", places / "x.scores", *metadata, "--by", "age_group", "--out", places / "audit"
    )
    assert audited.exit_code == 0, audited.output

    def run(out, *more):
        words = ("mitigate", places / "x.scores", "--audit", places / "audit", *metadata)
        return invoked(*words, "--data", places / "speech", "--out", out, *more)

    return run


def invoked(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_whole_command(places, command, make_encoder, tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", make_encoder())
    options = [word for change in TINY for word in ("--set", f"train.{change}")]
    options += ["--encoder", tmp_path / "encoder.safetensors"]
    methods = ("--methods", "reweighting,oversampling,ewc,calibration")
    out = tmp_path / "out"
    result = command(out, *options, *methods)
    assert result.exit_code == 0, result.output
    record = json.loads((out / "mitigation.json").read_text())
    systems = ["before", "reweighting", "oversampling", "ewc", "calibration"]
    assert list(record["thresholds"]) == systems
    assert record["cohort"] == {"kind": "group", "name": "age_group: child"}
    assert "Trained on 8 speakers" in record["notes"][-1]
    assert "2 are like the cohort" in record["notes"][-1]
    own = pd.read_csv(out / "ewc" / "cohort.csv")["speaker"]
    metadata = pd.read_csv(places / "speech" / "manifest.csv").set_index("speaker")
    assert len(own) == 2
    assert set(metadata.loc[own, "age_group"]) == {"child"}
    assert not set(own) & set(pd.read_csv(out / "speakers.csv")["speaker"])
    settings = {
        name: json.loads((out / name / "run.json").read_text())["train"] for name in systems[1:4]
    }
    assert [each["reweighting"] for each in settings.values()] == ["pairwise", "none", "none"]
    assert [each["ewc"] for each in settings.values()] == [0, 0, 1e4]
    files = [(out / f"{name}.scores").read_text() for name in systems]
    assert len(set(files)) == len(systems)
    assert (
        "Calibration by group decides by group membership" in (out / "mitigation.html").read_text()
    )

    stamps = [(out / name / "trials.npz").stat().st_mtime_ns for name in systems[1:4]]
    again = command(out, *options, *methods)
    assert again.exit_code == 0, again.output
    assert stamps == [(out / name / "trials.npz").stat().st_mtime_ns for name in systems[1:4]]
    again = json.loads((out / "mitigation.json").read_text())
    assert again | {"origin": None} == record | {"origin": None}  # made at another minute


def test_data_that_do_not_fit(places, command, make_encoder, tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", make_encoder())
    options = ("--encoder", tmp_path / "encoder.safetensors")
    table = pd.read_csv(places / "speech" / "manifest.csv")
    table["path"] = [str(places / "speech" / path) for path in table["path"]]
    table.to_csv(tmp_path / "elsewhere.csv", index=False)
    result = command(tmp_path / "out", *options, "--data", tmp_path / "elsewhere.csv")
    assert isinstance(result.exception, SpkidError)
    assert "no clip 'a00-0.wav'" in str(result.exception)
    # the only children that are left to train on are audited ones
    table = pd.read_csv(places / "speech" / "manifest.csv")
    kept = table[(table["split"] == "test") | (table["age_group"] == "adult")]
    (tmp_path / "few").mkdir()
    for path in kept["path"]:
        (tmp_path / "few" / path).symlink_to(places / "speech" / path)
    kept.to_csv(tmp_path / "few" / "manifest.csv", index=False)
    metadata = ("--metadata", tmp_path / "few" / "manifest.csv")
    result = command(tmp_path / "out", *options, *metadata, "--data", tmp_path / "few")
    assert isinstance(result.exception, SpkidError)
    assert "training speakers like the cohort" in str(result.exception)
    assert "): 0; expected" in str(result.exception)


def test_oversampled_speakers_are_half_of_what_is_drawn():
    speakers = [f"s{number:02d}" for number in range(20) for _ in range(2)]
    lengths = np.full(len(speakers), 2_000)
    corpus = Corpus(
        np.zeros(lengths.sum(), np.int16),
        np.cumsum([0, *lengths]),
        [f"{number:02d}" for number in range(len(speakers))],
        speakers,
    )
    own = {"s03", "s11"}
    counts = {}
    for often in ((), own, {f"s{number:02d}" for number in range(15)}):
        sampler = Sampler(
            corpus,
            corpus.subset([False] * len(corpus)),
            load_teacher(None, corpus, 1),
            seed=0,
            oversampled=often,
        )
        rows = [corpus.speakers[clips[0]] in own for clips in sampler.clips_of]
        counts[len(often)] = sampler.chance[rows].sum()
        assert sampler.chance.sum() == pytest.approx(1)
    # 15 of 20 are more than half already: they are left as they are
    assert counts == pytest.approx({0: 0.1, 2: 0.5, 15: 0.1})
