"""Small groups are judged together, in either direction, and what could have been seen is said."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import spkid
from spkid.audit.report.words import power_words


def planted(seed, *, drop, sizes=(24, 24, 3, 4, 3), small_from=2):
    """Groups a, b, ...; the own scores of those from ``small_from`` on lie ``drop`` lower."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for place, (group, size) in enumerate(zip("abcdefgh", sizes, strict=False)):
        names = [f"{group}{number}" for number in range(size)]
        people += [(name, group) for name in names]
        for name in names:
            own = 3 - drop * (place >= small_from) + 0.3 * rng.normal()
            rows += [(name, name, own + rng.normal(), True) for _ in range(8)]
            for other in rng.choice([other for other in names if other != name], 8):
                rows.append((name, other, rng.normal(), False))
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    return scores, pd.DataFrame(people, columns=["speaker", "accent"])


def test_three_small_groups_that_are_worse_are_named_first():
    result = spkid.audit(*planted(0, drop=1.5), by="accent", n_resamples=20)
    first = result.verdict.splitlines()[0]
    assert first.startswith("It is worse for the small groups 'together: c, d, e' (by accent)")
    section = result.findings.audit.groupings[0]
    assert section.groups["judged"].tolist() == [True, True, False, False, False]
    trials = result.findings.audit.trials
    own = trials[trials["enroll_speaker"].str[0].isin(list("cde")) & trials["label"]]
    missed = (own["score"] < result.findings.audit.shared_threshold).mean()
    assert section.pooled["n_speakers"].tolist() == [10]
    assert section.pooled["false_non_match_rate"].tolist() == [pytest.approx(missed)]
    assert any(row[0] == "together: c, d, e" for row in result.tables()[0].rows)
    assert result.record()["groupings"][0]["pooled"][0]["group"] == "together: c, d, e"
    assert any("are judged together" in each.words for each in result.left_out)


def test_small_groups_that_are_no_worse_raise_no_alarm():
    """At most 5 % of audits may say so: of 40, more than six have a chance of 0.3 %."""
    alarms = 0
    for seed in range(40):
        scores, people = planted(seed, drop=0, sizes=(16, 16, 3, 3, 3))
        audit = spkid.audit(scores, people, by="accent", n_resamples=2).findings.audit
        table = audit.notable()
        alarms += bool(table["certain"][table["group"].str.startswith("together")].any())
    assert alarms <= 6


def test_few_small_groups_are_not_judged():
    for sizes in ((24, 24, 9), (24, 24, 3, 4)):
        result = spkid.audit(*planted(0, drop=1.5, sizes=sizes), by="accent", n_resamples=5)
        assert result.findings.audit.groupings[0].pooled.empty


def test_who_is_better_off_is_said_too():
    scores, people = planted(0, drop=-1.5, sizes=(24,) * 6, small_from=5)
    result = spkid.audit(scores, people, by="accent", threshold=2.5, n_resamples=20)
    assert result.verdict.startswith("It is better for 'f' (by accent)")


@pytest.mark.parametrize("n_questions", [1, 6])
def test_the_difference_that_is_said_is_found_four_times_in_five(n_questions):
    """Against Student tests of as many speakers, whose values have a deviation of 10 points."""
    n, deviation = 24, 0.1
    half = stats.t.ppf(0.975, n - 1) * deviation / np.sqrt(n)
    said = power_words(pd.Series({"n_speakers": n, "low": -half, "high": half}), n_questions)
    gap = float(re.search(r"With 24 speakers in it, a difference of ([\d.]+) points", said)[1])
    values = np.random.default_rng(0).normal(gap / 100, deviation, (20_000, n))
    p = stats.ttest_1samp(values, 0, axis=1).pvalue
    assert np.mean(p < 0.05 / n_questions) == pytest.approx(0.8, abs=0.05)


def test_where_nothing_is_certain_the_verdict_says_what_would_have_been():
    scores, people = planted(0, drop=0, sizes=(24, 24))
    first = spkid.audit(scores, people, by="accent", n_resamples=5).verdict.splitlines()[0]
    assert re.search(r"With 24 speakers in it, a difference of \d+\.\d points would have", first)
