"""On the whole data, where SPKID_DATA names it: the committed figures can be measured again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spkid.data.manifest import read_manifest
from spkid.data.trial_lists import read_trials
from spkid.encoder.batch import embed_manifest
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.evaluation import evaluate_scores
from spkid.scoring.simulated_homes import home_figures, score_homes
from spkid.scoring.trials import calibrated_trials

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
pytestmark = pytest.mark.skipif("SPKID_DATA" not in os.environ, reason="SPKID_DATA is not set")


@pytest.fixture(scope="module")
def speech():
    return Path(os.environ["SPKID_DATA"]) / "speech"


@pytest.fixture(scope="module")
def committed():
    return json.loads((RESULTS / "accuracy_accurate.json").read_text())["figures"]


@pytest.fixture(scope="module")
def embeddings(speech, encoder, tmp_path_factory):
    table = read_manifest(speech / "manifest.csv")
    table = table[(table["split"] == "test") & (table["corpus"] == "speechocean762")]
    out = tmp_path_factory.mktemp("vectors") / "test.npz"
    run = embed_manifest(list(table["path"]), speech, out, encoder)
    assert run.skipped == ()
    return EmbeddingTable.load(out)


def test_committed_figures_are_of_the_bundled_model(committed, encoder):
    assert committed["model"] == encoder.fingerprint


def test_verification_figures_come_out_again(speech, embeddings, calibration, committed):
    trials = read_trials(speech / "protocols" / "verify_new_speechocean762.txt")
    trials["score"] = calibrated_trials(trials, embeddings, calibration)
    figures = evaluate_scores(trials)
    expected = committed["verify"]["verify_new_speechocean762"]
    assert figures.equal_error_rate == pytest.approx(expected["equal_error_rate"], abs=2e-3)
    assert figures.cllr == pytest.approx(expected["cllr"], abs=5e-3)


def test_household_figures_come_out_again(speech, embeddings, calibration, committed):
    protocol = read_manifest(speech / "protocols" / "households_new_speechocean762.csv")
    figures = home_figures(score_homes(protocol, embeddings, calibration), calibration)
    expected = committed["households"]["households_new_speechocean762"]["all"]
    assert figures.fnir == pytest.approx(expected["fnir"], abs=5e-3)
    assert figures.shipped_fpir == pytest.approx(expected["shipped_fpir"], abs=5e-3)
