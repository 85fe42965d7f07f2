"""Score normalisation against one loop over strangers, a hand-worked case and bad cohorts."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from spkid.cli.main import app
from spkid.data.score_files import read_scores
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.s_norm import Cohort, Moments, normalized, normalized_trials
from spkid.scoring.scale import raw_cosines
from spkid.scoring.simulated_homes import score_homes

RNG = np.random.default_rng(0)


def unit(values):
    values = np.asarray(values, dtype=np.float64)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


VECTORS = unit(RNG.normal(size=(12, 5))).astype(np.float32)
STRANGERS = unit(RNG.normal(size=(30, 5)))
PATHS = [f"{number}.wav" for number in range(len(VECTORS))]
TABLE = EmbeddingTable({path: row for row, path in enumerate(PATHS)}, VECTORS, "m1")
COHORT = Cohort(STRANGERS, n_top=7)


def naive(first, second, n_top=7):
    """s-norm as its formula reads, one stranger after another."""
    cosine = sum(a * b for a, b in zip(first, second, strict=True))
    parts = []
    for side in (first, second):
        near = [sum(a * b for a, b in zip(side, other, strict=True)) for other in STRANGERS]
        near = sorted(near, reverse=True)[:n_top]
        parts.append((cosine - statistics.fmean(near)) / statistics.pstdev(near))
    return sum(parts) / 2


def test_hand_worked_case():
    # strangers at cosines 0.9, 0.7 and 0.1 to the one side, 0.5, 0.3 and 0.2 to the other
    enrolled, test = (
        Moments(np.array([0.8]), np.array([0.1])),
        Moments(np.array([0.4]), np.array([0.1])),
    )
    cohort = Cohort(np.array([[0.9, 0.5], [0.7, 0.3], [0.1, 0.2]]), n_top=2)
    found = cohort.moments(np.eye(2))
    np.testing.assert_allclose(found.mean, [0.8, 0.4])
    np.testing.assert_allclose(found.deviation, [0.1, 0.1])
    np.testing.assert_allclose(normalized(np.array([0.6]), enrolled, test), [0.0], atol=1e-12)
    np.testing.assert_allclose(normalized(np.array([0.7]), enrolled, test), [1.0])


def test_trials_agree_with_one_loop(monkeypatch):
    monkeypatch.setattr("spkid.scoring.s_norm.BLOCK_ROWS", 5)
    trials = pd.DataFrame({"enroll": PATHS[:6], "test": PATHS[6:]})
    expected = [naive(VECTORS[row], VECTORS[row + 6]) for row in range(6)]
    np.testing.assert_allclose(normalized_trials(trials, TABLE, COHORT), expected, atol=1e-5)


def test_homes_agree_with_one_loop():
    roles = ["enroll", "enroll", "enroll", "member", "guest"]
    speakers = ["Ana", "Ana", "Ben", "Ben", "Eve"]
    home = pd.DataFrame(
        {"household": "h", "size": "2", "kind": "mixed", "role": roles, "speaker": speakers}
    ).assign(path=PATHS[:5])
    probes = score_homes(home, TABLE, raw_cosines("m1"), cohort=COHORT)
    profiles = {"Ana": unit(VECTORS[:2].astype(float).mean(axis=0)), "Ben": VECTORS[2]}
    for row, probe in zip((3, 4), probes.itertuples(), strict=True):
        scores = {name: naive(profile, VECTORS[row]) for name, profile in profiles.items()}
        assert probe.best == max(scores, key=scores.get)
        assert probe.known_log_odds / 1000 == pytest.approx(max(scores.values()), abs=2e-3)
        gap = max(scores.values()) - min(scores.values())
        assert probe.llr_margin / 1000 == pytest.approx(gap, abs=1e-3)


def saved(path, vectors, model="m1", name="s{}"):
    by_name = {name.format(number): vector for number, vector in enumerate(vectors)}
    save_embeddings(path, by_name, model=model, dim=5)
    return path


@pytest.mark.parametrize(
    ("vectors", "model", "n_top", "said"),
    [
        (STRANGERS, "m2", 5, "a cohort of model m2"),
        (STRANGERS[:, :4], "m1", 5, "a cohort of 4 dimensions"),
        (STRANGERS[:4], "m1", 5, "the 5 nearest of a cohort of 4"),
        (STRANGERS, "m1", 1, "the 1 nearest"),
    ],
)
def test_bad_cohorts_are_refused(tmp_path, vectors, model, n_top, said):
    with pytest.raises(SpkidError, match=said):
        Cohort.load(saved(tmp_path / "c.npz", vectors, model), like=TABLE, n_top=n_top)


def test_copies_of_one_stranger_are_refused():
    with pytest.raises(SpkidError, match="all equally near"):
        Cohort(np.repeat(STRANGERS[:1], 9, axis=0), n_top=3).moments(VECTORS)


def test_commands_take_a_cohort(tmp_path):
    model = Calibration.load().model
    saved(tmp_path / "e.npz", VECTORS, model, "{}.wav")
    cohort = saved(tmp_path / "c.npz", STRANGERS, model)
    trials = tmp_path / "trials.txt"
    trials.write_text("1 0.wav 1.wav\n0 0.wav 2.wav\n")
    options = ["--embeddings", str(tmp_path / "e.npz"), "--cohort", str(cohort)]
    command = ["score", str(trials), *options, "--out", str(tmp_path / "scores")]
    result = CliRunner().invoke(app, [*command, "--cohort-top", "7"])
    assert result.exit_code == 0, result.output
    assert "no calibration holds" in result.output
    expected = [naive(VECTORS[0], VECTORS[1]), naive(VECTORS[0], VECTORS[2])]
    np.testing.assert_allclose(read_scores(tmp_path / "scores")["score"], expected, atol=1e-5)

    homes = tmp_path / "homes.csv"
    rows = [("enroll", "Ana", 0), ("enroll", "Ben", 1), ("member", "Ana", 2), ("guest", "Eve", 3)]
    lines = [f"h,2,mixed,{role},{name},{number}.wav" for role, name, number in rows]
    homes.write_text("household,size,kind,role,speaker,path\n" + "\n".join(lines) + "\n")
    result = CliRunner().invoke(
        app, ["households", str(homes), *options, "--cohort-top", "7", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["all"]["shipped_fpir"] is None
    command = ["households", str(homes), *options, "--cohort-top", "31"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, SpkidError)
