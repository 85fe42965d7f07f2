"""The figures of a score file are those of the metrics on its two kinds of trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spkid.data.score_files import read_scores, write_scores
from spkid.errors import SpkidError
from spkid.scoring import metrics
from spkid.scoring.evaluation import evaluate_scores


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    label = rng.random(300) < 0.3
    names = [f"clip{number}" for number in range(300)]
    scores = rng.normal(0, 2, 300) + 3 * label
    return pd.DataFrame({"enroll": names, "test": names, "score": scores, "label": label})


def test_each_figure_is_that_of_the_metrics(table):
    figures = evaluate_scores(table)
    target = [row.score for row in table.itertuples() if row.label]
    impostor = [row.score for row in table.itertuples() if not row.label]
    assert (figures.n_target, figures.n_impostor) == (len(target), len(impostor))
    assert figures.equal_error_rate == metrics.equal_error_rate(target, impostor)
    for prior, cost in ((0.01, figures.min_dcf_001), (0.05, figures.min_dcf_005)):
        assert cost == metrics.min_detection_cost(target, impostor, target_prior=prior)
    assert figures.min_dcf_001 != figures.min_dcf_005
    assert figures.cllr == metrics.log_likelihood_ratio_cost(target, impostor)
    assert figures.min_cllr == metrics.min_log_likelihood_ratio_cost(target, impostor)
    assert 0 < figures.min_cllr < figures.cllr


def test_a_written_file_gives_the_same_figures(table, tmp_path):
    write_scores(tmp_path / "scores.txt", table)
    figures = vars(evaluate_scores(read_scores(tmp_path / "scores.txt")))
    assert figures == pytest.approx(vars(evaluate_scores(table)), abs=1e-6)


def test_reversed_labels_give_the_reversed_rate(table):
    rate = evaluate_scores(table).equal_error_rate
    turned = evaluate_scores(table.assign(label=~table["label"]))
    assert turned.equal_error_rate == pytest.approx(1 - rate, abs=0.02)


@pytest.mark.parametrize("label", [True, False])
def test_one_kind_of_trial_is_refused(table, label):
    with pytest.raises(SpkidError, match="both kinds"):
        evaluate_scores(table[table["label"] == label])
