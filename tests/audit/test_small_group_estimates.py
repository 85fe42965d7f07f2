"""Partial pooling: against plain drawing, and on groups whose rates are drawn and known."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audit.small_groups import a_speaker_is_worth, small_table
from spkid.audit.statistics.intervals import Estimate
from spkid.audit.statistics.partial_pooling import partially_pooled

RATES, N_LIKE = np.array([0.1, 0.2, 0.5]), np.array([120.0, 90.0, 4.0])


def test_it_is_the_posterior_that_drawing_gives():
    """The model's own draws, weighed by how well each agrees with what was seen."""
    rng = np.random.default_rng(0)
    n = 500_000
    mean, deviation = rng.uniform(-5, 2, n), np.abs(rng.normal(size=n))
    rates = 1 / (1 + np.exp(-(mean + deviation * rng.normal(size=(3, n)))))
    seen, n_like = RATES[:, None], N_LIKE[:, None]
    agrees = n_like * (seen * np.log(rates) + (1 - seen) * np.log1p(-rates))
    weight = np.exp(agrees.sum(axis=0) - agrees.sum(axis=0).max())
    weight /= weight.sum()
    estimate, low, high = partially_pooled(RATES, N_LIKE)
    assert estimate == pytest.approx(rates @ weight, abs=0.01)
    order = np.argsort(rates[2])
    ends = np.interp([0.025, 0.975], np.cumsum(weight[order]), rates[2][order])
    assert [low[2], high[2]] == pytest.approx(ends, abs=0.025)


def test_what_is_known_well_stays_and_what_is_known_badly_leans():
    estimate, low, high = partially_pooled(RATES, N_LIKE)
    assert estimate[0] == pytest.approx(RATES[0], abs=0.015)
    assert 0.15 < estimate[2] < 0.45
    assert ((low < estimate) & (estimate < high)).all()


def an_estimate(value, n_speakers, n_like):
    error = np.sqrt(value * (1 - value) / n_like)
    return Estimate(value, error, n_speakers, n_speakers - 1.0, np.zeros(1), "logit")


def test_the_table_has_a_row_a_group_and_rate():
    counts = [
        {"group": "x", "n_speakers": 3, "n_target": 40, "n_impostor": 0},
        {"group": "y", "n_speakers": 1, "n_target": 2, "n_impostor": 9},
    ]
    judged = {
        name: {"fmr": an_estimate(rate, 20, 60), "fnmr": an_estimate(rate, 20, 60)}
        for name, rate in (("a", 0.1), ("b", 0.2))
    }
    none = an_estimate(np.nan, 3, 1)
    small = {
        "x": {"fmr": none, "fnmr": an_estimate(0.5, 3, 9)},
        "y": {"fmr": an_estimate(0.0, 1, 9), "fnmr": an_estimate(1.0, 1, 2)},
    }
    table = small_table(counts, small, judged, ("fmr", "fnmr")).set_index(["group", "figure"])
    assert a_speaker_is_worth(list(judged["a"].values())) == pytest.approx(3)
    assert a_speaker_is_worth([]) == 1
    assert table.loc[("x", "fmr"), ["raw", "estimate", "low", "high"]].isna().all()
    assert table.loc[("x", "fnmr"), "n_trials"] == 40
    for key, raw in ((("x", "fnmr"), 0.5), (("y", "fmr"), 0.0), (("y", "fnmr"), 1.0)):
        row = table.loc[key]
        assert row["raw"] == raw
        assert 0 < row["low"] < row["estimate"] < row["high"] < 1
        assert min(raw, 0.1) < row["estimate"] < max(raw, 0.2)
    assert small_table([], {}, judged, ("fmr", "fnmr")).empty


def test_estimates_are_nearer_to_the_truth_and_their_intervals_hold_it():
    """Rates of groups drawn around a common one; speakers of a group differ too."""
    rng = np.random.default_rng(0)
    raw_error, pooled_error, held = [], [], []
    for _ in range(150):
        truth = 1 / (1 + np.exp(-rng.normal(-2, 0.6, 12)))
        sizes = np.repeat([24, 3], 6)
        seen = [
            rng.binomial(size * 6, rate) / (size * 6)
            for rate, size in zip(truth, sizes, strict=True)
        ]
        estimate, low, high = partially_pooled(np.array(seen), sizes * 6.0)
        small = sizes == 3
        raw_error.append(np.square(np.array(seen) - truth)[small].mean())
        pooled_error.append(np.square(estimate - truth)[small].mean())
        held.append(((low < truth) & (truth < high))[small].mean())
    assert np.mean(pooled_error) < 0.6 * np.mean(raw_error)
    assert 0.92 < np.mean(held) < 0.98
