"""Audits of planted truth: a gap that is there, one that is not, and plain counting."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from spkid.audit import MIN_SPEAKERS, RATES, audit_scores
from spkid.errors import SpkidError
from spkid.metrics import equal_error_rate

FMR, FNMR, EER = RATES
SPEAKER_SD = 0.3  # speakers differ: a target's score has mean 3 and deviation sqrt(1 + 0.3^2)


def plant(seed, *, drops=(0.0, 0.0), sizes=(30, 30), n_target=6, n_impostor=6):
    """Scores and metadata of groups a, b, ...; ``drops`` lower a group's target scores."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for group, drop, size in zip("abcdef", drops, sizes, strict=False):
        names = [f"{group}{number}" for number in range(size)]
        people += [(name, group) for name in names]
        for name in names:
            own = 3 - drop + SPEAKER_SD * rng.normal()
            rows += [(name, name, own + rng.normal(), True) for _ in range(n_target)]
            others = rng.choice([other for other in names if other != name], n_impostor)
            rows += [(name, other, rng.normal(), False) for other in others]
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    return scores, pd.DataFrame(people, columns=["speaker", "group"])


def gaps_of(audit, column=0):
    return {gap.rate: gap for gap in audit.columns[column].gaps}


def test_a_planted_gap_is_found():
    audit = audit_scores(*plant(0, drops=(0.0, 1.0)), ["group"], n_resamples=200)
    gap = gaps_of(audit)[FNMR]
    assert (gap.worst, gap.best, gap.certain, gaps_of(audit)[EER].certain) == ("b", "a", True, True)
    # the normal distribution says how many targets are below the threshold
    sd = math.sqrt(2 + 2 * SPEAKER_SD**2)
    truth = (math.erf((audit.threshold - 2) / sd) - math.erf((audit.threshold - 3) / sd)) / 2
    assert truth > 0.15
    assert gap.low < truth < gap.high
    for row in audit.columns[0].table.to_dict("records"):
        assert all(row[f"{rate}_low"] <= row[rate] <= row[f"{rate}_high"] for rate in RATES)
    words = sentence(gap, "group")
    assert f"{100 * gap.worst_value:.1f} % of own clips are rejected for 'b'" in words
    assert "not show" not in words


def test_where_there_is_no_gap_none_is_certain():
    """95 % intervals: two of 40 are to be expected, more than six have a chance of 0.3 %."""
    certain = dict.fromkeys(RATES, 0)
    for seed in range(40):
        audit = audit_scores(*plant(seed, sizes=(25, 25)), ["group"], n_resamples=100, seed=seed)
        for rate, gap in gaps_of(audit).items():
            certain[rate] += gap.certain
            assert ("do not show that the difference is real" in sentence(gap, "x")) != gap.certain
    assert max(certain.values()) <= 6


def test_a_shift_of_the_scores_shows_at_the_shared_threshold_only():
    scores, people = plant(1, sizes=(30, 0))
    twins, others = (table.replace(regex={r"^a": "b"}) for table in (scores, people))
    twins["score"] += 1
    both = pd.concat([scores, twins]), pd.concat([people, others])
    gaps = gaps_of(audit_scores(*both, ["group"], n_resamples=100))
    assert (gaps[FMR].worst, gaps[FMR].certain) == ("b", True)
    assert (gaps[FNMR].worst, gaps[FNMR].certain) == ("a", True)
    assert gaps[EER].difference == 0


def naive_section(audit, column):
    """The rows of a column by hand, then the number of trials unknown and across."""
    trials = audit.trials.to_dict("records")
    sides = [(trial[f"enroll:{column}"], trial[f"test:{column}"]) for trial in trials]
    table = []
    for group in sorted({enroll for enroll, _ in sides if enroll}):
        own = [trial for trial, side in zip(trials, sides, strict=True) if side == (group, group)]
        target = [trial["score"] for trial in own if trial["label"]]
        impostor = [trial["score"] for trial in own if not trial["label"]]
        n_speakers = len({trial[side] for trial in own for side in ("enroll", "test")})
        accepted = sum(score >= audit.threshold for score in impostor) / len(impostor)
        rejected = sum(score < audit.threshold for score in target) / len(target)
        rates = accepted, rejected, equal_error_rate(target, impostor)
        known = rates if n_speakers >= MIN_SPEAKERS else (math.nan,) * 3
        table.append([group, n_speakers, len(target), len(impostor), *known])
    columns = ["group", "n_speakers", "n_target", "n_impostor", *RATES]
    n_unknown = sum("" in side for side in sides)
    n_across = sum("" not in side and side[0] != side[1] for side in sides)
    return pd.DataFrame(table, columns=columns), n_unknown, n_across


@pytest.fixture(scope="module")
def mixed():
    """Three groups and some unknown, one tiny, with trials across; 60 without a description."""
    scores, people = plant(2, drops=(0.0, 0.5, 0.2), sizes=(20, 20, MIN_SPEAKERS - 1))
    rng = np.random.default_rng(3)
    pairs = rng.choice(people["speaker"], (300, 2))
    across = pd.DataFrame(pairs[pairs[:, 0] != pairs[:, 1]], columns=["enroll", "test"])
    across = across.assign(score=rng.normal(-0.5, 1, len(across)), label=False)
    people.loc[[3, 4, 25], "group"] = ""
    people["half"] = np.where(np.arange(len(people)) % 2, "odd", "even")
    scores = pd.concat([scores, across, scores[:60].assign(enroll="nobody")])
    return audit_scores(scores, people, ["group", "half"], n_resamples=20, false_match_rate=0.1)


def test_rates_and_counts_are_those_of_a_loop(mixed):
    assert [len(section.table) for section in mixed.columns] == [3, 2]
    for section in mixed.columns:
        expected, n_unknown, n_across = naive_section(mixed, section.column)
        pd.testing.assert_frame_equal(section.table[expected.columns], expected)
        assert (section.n_unknown, section.n_across) == (n_unknown, n_across)
    assert mixed.columns[0].n_unknown > 50 < mixed.columns[0].n_across
    assert mixed.n_unmatched == 60
    whole = mixed.trials.assign(**{"enroll:all": "x", "test:all": "x"})
    expected, _, _ = naive_section(dataclasses.replace(mixed, trials=whole), "all")
    assert mixed.overall.equals(expected[list(RATES)].iloc[0])
    n_impostor = expected["n_impostor"][0]
    assert round(n_impostor * mixed.overall[FMR]) == int(0.1 * n_impostor)


def test_disaggregation_by_pandas_gives_the_same_gap(mixed):
    """As fairlearn's MetricFrame: group, take the metric, then largest minus smallest."""
    trials = mixed.trials.assign(accepted=mixed.trials["score"] >= mixed.threshold)
    within = trials[trials["enroll:half"] == trials["test:half"]]
    accepted = within.groupby(["label", "enroll:half"])["accepted"].mean()
    table = mixed.columns[1].table.set_index("group")
    for rate, by_group in ((FMR, accepted[False]), (FNMR, 1 - accepted[True])):
        np.testing.assert_allclose(table[rate], by_group[table.index])
        gap = gaps_of(mixed, 1)[rate]
        assert gap.difference == pytest.approx(by_group.max() - by_group.min())
        assert (gap.worst, gap.best) == (by_group.idxmax(), by_group.idxmin())


def test_a_tiny_group_gets_counts_and_no_rates(mixed):
    tiny = mixed.columns[0].table.set_index("group").loc["c"]
    assert (tiny["n_speakers"], tiny["n_target"]) == (MIN_SPEAKERS - 1, 6 * (MIN_SPEAKERS - 1))
    assert tiny[[f"{rate}{end}" for rate in RATES for end in ("", "_low", "_high")]].isna().all()
    assert {name for gap in mixed.columns[0].gaps for name in (gap.worst, gap.best)} <= {"a", "b"}
    assert gaps_of(audit_scores(*plant(4, sizes=(20, 5)), ["group"], n_resamples=20)) == {}


def test_metadata_by_clip_and_by_speaker_say_the_same():
    scores, people = plant(5, drops=(0.0, 0.7))
    clips = pd.concat([people.assign(path=people["speaker"] + f"/{n}.wav") for n in (1, 2)])
    by_clip = scores.assign(enroll=scores["enroll"] + "/1.wav", test=scores["test"] + "/2.wav")
    described = (scores, people), (by_clip, clips), (scores, pd.concat([people, people]))
    audits = [audit_scores(*each, ["group"], n_resamples=20) for each in described]
    for audit in audits[1:]:
        pd.testing.assert_frame_equal(audit.columns[0].table, audits[0].columns[0].table)
        assert gaps_of(audit) == gaps_of(audits[0])


def refusals():
    scores, people = plant(7, sizes=(12, 12))
    one_wrong = scores["label"] & (scores.index > 0)
    return {
        "without the column group": (scores, people.rename(columns={"group": "nation"})),
        r"with 1 group\(s\)": (scores, people.assign(group="a")),
        r"with 0 group\(s\)": (scores, people.assign(group="")),
        "'a0' with two different": (scores, pd.concat([people, people[:1].assign(group="b")])),
        "no trial whose two sides": (scores.assign(enroll="x"), people),
        "all equal": (scores.assign(score=1.5), people),
        "which way round": (scores.assign(label=~scores["label"]), people),
        "^1 trials .* a0 against a0": (scores.assign(label=one_wrong), people),
        "and 0 different-speaker trials": (scores[scores["label"]], people),
        "^0 same-speaker": (scores[~scores["label"]], people),
    }


@pytest.mark.parametrize("message", refusals())
def test_what_cannot_be_audited_is_refused(message):
    with pytest.raises(SpkidError, match=message):
        audit_scores(*refusals()[message], ["group"], n_resamples=5)


def test_a_rate_out_of_range_is_refused():
    for rate in (-0.1, 0.0, 1.0, math.nan):
        with pytest.raises(SpkidError, match="false match rate of"):
            audit_scores(*plant(8), ["group"], false_match_rate=rate)


def test_groups_that_are_equal_have_no_worst():
    scores, people = plant(9, sizes=(12, 12))
    apart = scores.assign(score=9 * scores["label"] + scores["score"] / 100)
    for gap in gaps_of(audit_scores(apart, people, ["group"], n_resamples=5)).values():
        assert gap.worst != gap.best


def test_a_missing_value_is_unknown_like_an_empty_one():
    scores, people = plant(11)
    people.loc[0, "group"] = None
    assert audit_scores(scores, people, ["group"], n_resamples=5).columns[0].n_unknown > 0


def test_scores_that_are_not_finite_are_refused():
    scores, people = plant(12)
    scores.loc[3, "score"] = math.nan
    with pytest.raises(SpkidError, match="finite"):
        audit_scores(scores, people, ["group"], n_resamples=5)
