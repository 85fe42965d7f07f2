"""Calibration by soft membership closes a gap that voices show, without a label."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted_trials, planted_voices

from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable
from spkid.mitigation.membership import membership_calibration, soft_membership, trial_membership
from spkid.mitigation.trade import BEFORE, trade_off

N = 120
REGION = np.arange(N) % 3
NAMES = [f"s{number:03d}" for number in range(N)]
CHOOSING = set(NAMES[: N // 2])


def membership_of(trials):
    _, vectors = planted_voices(REGION, seed=0, n_clips=1)
    table = EmbeddingTable({name: row for row, name in enumerate(NAMES)}, vectors, "m")
    clips = trials.assign(enroll=trials["enroll_speaker"], test=trials["test_speaker"])
    return trial_membership(clips, table, choosing=CHOOSING)


def test_membership_is_a_share_that_follows_the_voice():
    centroids = np.eye(3)
    soft = soft_membership(np.array([[1.0, 0, 0], [0, 0.8, 0.6], [3**-0.5] * 3]), centroids)
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert soft[0].argmax() == 0
    assert soft[1, 1] / soft[1, 2] == pytest.approx(np.exp(10 * 0.2))
    np.testing.assert_allclose(soft[2], 1 / 3)


def test_a_gap_between_voices_is_closed_on_speakers_it_was_not_fitted_on():
    trials = planted_trials(REGION == 1, drop=1.2, seed=2)
    scores = trials["score"].to_numpy()
    # strangers of the bad region score lower too: a shift, which a threshold for all cannot see
    bad = {name for name, region in zip(NAMES, REGION, strict=True) if region == 1}
    own = trials["enroll_speaker"].isin(bad) & ~trials["label"]
    scores = scores - 1.2 * own.to_numpy()
    found = membership_calibration(trials, scores, membership_of(trials), choosing=CHOOSING)
    trade = trade_off(
        trials,
        {BEFORE: scores, "membership": found},
        cohort=bad,
        choosing=CHOOSING,
        may_be_chosen=(),
        false_match_rate=0.05,
        n_resamples=200,
    )
    assert trade.at(BEFORE, "gap")["value"] > 0.1
    change = trade.at("membership", "gap")
    assert change["change_high"] < 0
    assert abs(change["value"]) < 0.6 * trade.at(BEFORE, "gap")["value"]
    assert trade.at("membership", "error")["change"] < 0


def test_where_voices_say_nothing_the_order_of_scores_is_kept():
    trials = planted_trials(np.zeros(N, dtype=bool), drop=0, seed=0)
    scores = trials["score"].to_numpy()
    found = membership_calibration(trials, scores, membership_of(trials), choosing=CHOOSING)
    assert np.corrcoef(found, scores)[0, 1] > 0.99


def test_too_few_speakers_are_refused():
    trials = planted_trials(REGION == 1, drop=1.2, seed=2)
    few = membership_of(trials)
    with pytest.raises(BadTable, match="9 speakers to fit"):
        membership_calibration(trials, trials["score"].to_numpy(), few, choosing=NAMES[:9])
