"""Audits of planted truth: a gap that is there, one that is not, and plain counting."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from spkid.audit.statistics.figures import FIGURES
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.verification import RATES, audit_scores
from spkid.errors import SpkidError
from spkid.scoring.metrics import equal_error_rate

FMR, FNMR, EER = RATES
COSTS = {"min_dcf", "cllr", "calibration_loss"}
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


def gaps_of(audit, section=0):
    """The rows of the measure "gap" by figure."""
    table = audit.groupings[section].measures
    return table[table["measure"] == "gap"].set_index("figure")


def certain_of(audit, section=0):
    """Figures in which a group is certainly different from the others."""
    table = audit.groupings[section].differences
    return set(table["figure"][table["certain"]])


def test_a_planted_gap_is_found():
    audit = audit_scores(*plant(0, drops=(0.0, 1.0)), ["group"], n_resamples=200)
    gap = gaps_of(audit).loc[FNMR]
    assert (gap["worst"], gap["best"]) == ("b", "a")
    assert {FNMR, EER, "target_mean"} <= certain_of(audit) <= {*RATES, "target_mean", *COSTS}
    # the normal distribution says how many targets are below the threshold
    sd = math.sqrt(2 + 2 * SPEAKER_SD**2)
    threshold = audit.threshold.value
    truth = (math.erf((threshold - 2) / sd) - math.erf((threshold - 3) / sd)) / 2
    assert truth > 0.15
    assert gap["low"] < truth < gap["high"]
    for row in audit.groupings[0].groups.to_dict("records"):
        for figure in FIGURES:
            low, value, high = (row[f"{figure.name}{end}"] for end in ("_low", "", "_high"))
            assert low <= value <= high
    first = audit.notable().iloc[0]
    assert (first["grouping"], first["group"], first["figure"]) == ("group", "b", FNMR)
    assert first["certain"]


def test_two_groups_are_one_question():
    table = audit_scores(*plant(0), ["group"], n_resamples=20).groupings[0].differences
    assert table["figure"].tolist() == [figure.name for figure in FIGURES]
    assert (table["difference"] >= 0).all()


def test_where_there_is_no_gap_none_is_certain():
    """At most 5 % of audits may say so: of 40, more than six have a chance of 0.3 %."""
    alarms = 0
    for seed in range(40):
        audit = audit_scores(*plant(seed, sizes=(25, 25)), ["group"], n_resamples=2, seed=seed)
        alarms += bool(certain_of(audit) & set(RATES))
    assert alarms <= 6


def test_a_shift_of_the_scores_shows_at_the_shared_threshold_only():
    scores, people = plant(1, sizes=(30, 0))
    twins, others = (table.replace(regex={r"^a": "b"}) for table in (scores, people))
    twins["score"] += 1
    both = pd.concat([scores, twins]), pd.concat([people, others])
    audit = audit_scores(*both, ["group"], n_resamples=100)
    gaps = gaps_of(audit)
    assert gaps.loc[FMR, "worst"] == "b"
    assert gaps.loc[FNMR, "worst"] == "a"
    assert gaps.loc[EER, "value"] == 0
    assert gaps.loc["target_mean", "value"] == pytest.approx(1)
    assert gaps.loc["impostor_mean", "value"] == pytest.approx(1)
    assert {FMR, FNMR, "impostor_mean"} <= certain_of(audit)
    assert EER not in certain_of(audit)


def test_correction_runs_over_all_groupings_together():
    scores, people = plant(3, drops=(0.0, 0.4))
    people["half"] = np.where(np.arange(len(people)) % 2, "odd", "even")
    alone = audit_scores(scores, people, ["group"], n_resamples=2).groupings[0].differences
    both = audit_scores(scores, people, ["group", "half"], n_resamples=2)
    first, second = (section.differences for section in both.groupings)
    np.testing.assert_allclose(first["p"], alone["p"])
    p = pd.concat([first, second]).query("figure in @RATES").sort_values("p")
    assert p["p_corrected"].iloc[0] == pytest.approx(min(1, 6 * p["p"].iloc[0]))
    explaining = pd.concat([first, second]).query("figure not in @RATES").sort_values("p")
    assert explaining["p_corrected"].iloc[0] == pytest.approx(min(1, 10 * explaining["p"].iloc[0]))


def naive_section(audit, name, side):
    """The rows of a grouping by hand, then the number of trials unknown and across."""
    trials = audit.trials.to_dict("records")
    threshold = audit.threshold.value
    sides = [(trial[f"enroll:{name}"], trial[f"test:{name}"]) for trial in trials]
    deciding = {"both": (0, 1), "enroll": (0,), "test": (1,)}[side]
    chosen = [tuple(pair[place] for place in deciding) for pair in sides]
    table = []
    for group in sorted({one for pair in sides for one in pair if isinstance(one, str)}):
        own = [
            trial
            for trial, deciders in zip(trials, chosen, strict=True)
            if set(deciders) == {group}
        ]
        target = [trial["score"] for trial in own if trial["label"]]
        impostor = [trial["score"] for trial in own if not trial["label"]]
        ends = [("enroll", "test")[place] for place in deciding]
        n_speakers = len({trial[f"{end}_speaker"] for trial in own for end in ends})
        accepted = sum(score >= threshold for score in impostor) / len(impostor)
        rejected = sum(score < threshold for score in target) / len(target)
        rates = accepted, rejected, equal_error_rate(target, impostor)
        known = rates if n_speakers >= MIN_SPEAKERS else (math.nan,) * 3
        table.append([group, n_speakers, len(target), len(impostor), *known])
    columns = ["group", "n_speakers", "n_target", "n_impostor", *RATES]
    unknown = [any(not isinstance(one, str) for one in pair) for pair in chosen]
    n_across = sum(
        not gone and len(set(pair)) > 1 for gone, pair in zip(unknown, chosen, strict=True)
    )
    return pd.DataFrame(table, columns=columns), sum(unknown), n_across


def mixed_tables():
    """Three groups and some unknown, one tiny, with trials across; 60 without a description."""
    scores, people = plant(2, drops=(0.0, 0.5, 0.2), sizes=(20, 20, MIN_SPEAKERS - 1))
    rng = np.random.default_rng(3)
    pairs = rng.choice(people["speaker"], (300, 2))
    across = pd.DataFrame(pairs[pairs[:, 0] != pairs[:, 1]], columns=["enroll", "test"])
    across = across.assign(score=rng.normal(-0.5, 1, len(across)), label=False)
    people.loc[[3, 4, 25], "group"] = ""
    people["half"] = np.where(np.arange(len(people)) % 2, "odd", "even")
    scores = pd.concat([scores, across, scores[:60].assign(enroll="nobody")])
    return scores, people


@pytest.fixture(scope="module", params=["both", "enroll", "test"])
def mixed(request):
    return audit_scores(
        *mixed_tables(),
        ["group", "half", "half*group"],
        n_resamples=20,
        false_accept_rate=0.1,
        side=request.param,
    )


def test_rates_and_counts_are_those_of_a_loop(mixed):
    assert [len(section.groups) for section in mixed.groupings] == [3, 2, 6]
    for section in mixed.groupings:
        expected, n_unknown, n_across = naive_section(mixed, section.name, section.side)
        pd.testing.assert_frame_equal(section.groups[expected.columns], expected)
        assert (section.n_unknown, section.n_across) == (n_unknown, n_across)
    first = mixed.groupings[0]
    assert first.n_unknown > 20
    assert (first.n_across > 50) == (first.side == "both")
    assert mixed.n_unmatched == 60
    assert "the metadata lacks 1 of their names, for example 'nobody'" in mixed.left_out[0].words
    whole = mixed.trials.assign(**{"enroll:all": "x", "test:all": "x"})
    expected, _, _ = naive_section(dataclasses.replace(mixed, trials=whole), "all", "both")
    overall = mixed.overall.set_index("figure")["value"]
    for rate in RATES:
        assert overall[rate] == pytest.approx(expected[rate][0])
    n_impostor = expected["n_impostor"][0]
    assert round(n_impostor * overall[FMR]) == int(0.1 * n_impostor)


def test_a_tiny_group_gets_counts_and_no_figures(mixed):
    if mixed.groupings[0].side != "both":
        return
    groups = mixed.groupings[0].groups.set_index("group")
    tiny = groups.loc["c"]
    assert (tiny["n_speakers"], tiny["n_target"]) == (MIN_SPEAKERS - 1, 6 * (MIN_SPEAKERS - 1))
    assert groups["judged"].tolist() == [True, True, False]
    assert tiny[[f"{f.name}{end}" for f in FIGURES for end in ("", "_low", "_high")]].isna().all()
    measures, differences = mixed.groupings[0].measures, mixed.groupings[0].differences
    assert {*measures["worst"], *measures["best"]} == {"a", "b", ""}
    assert set(differences["group"]) <= {"a", "b"}


def test_small_groups_only_have_nothing_between_them():
    audit = audit_scores(*plant(4, sizes=(20, 5)), ["group"], n_resamples=20)
    assert audit.groupings[0].measures.empty
    assert audit.groupings[0].differences.empty
    assert audit.notable().empty


def test_the_threshold_may_be_of_least_cost_or_given():
    tables = plant(5)
    target, impostor = (tables[0]["score"][tables[0]["label"] == kind] for kind in (True, False))
    least = audit_scores(*tables, ["group"], cost_prior=0.2, n_resamples=2).threshold
    costs = [
        (0.2 * (target < score).mean() + 0.8 * (impostor >= score).mean(), score)
        for score in sorted(tables[0]["score"])
    ]
    assert (least.value, least.rule, least.target) == (min(costs)[1], "cost", 0.2)
    given = audit_scores(*tables, ["group"], threshold=1.25, n_resamples=2)
    assert vars(given.threshold) == {"value": 1.25, "rule": "given", "target": None}
    accepted = given.overall.set_index("figure").loc[FMR, "value"]
    assert accepted == pytest.approx((impostor >= 1.25).mean())


def test_the_wrong_sign_is_called_out():
    scores, people = plant(6)
    audit = audit_scores(scores.assign(score=-scores["score"]), people, ["group"], n_resamples=2)
    assert (
        "above 50 %: the labels or the sign of the scores are the wrong way round"
        in (audit.notes[-1])
    )
    assert not audit_scores(scores, people, ["group"], n_resamples=2).notes


def test_metadata_by_clip_and_by_speaker_say_the_same():
    scores, people = plant(5, drops=(0.0, 0.7))
    clips = pd.concat([people.assign(path=people["speaker"] + f"/{n}.wav") for n in (1, 2)])
    by_clip = scores.assign(enroll=scores["enroll"] + "/1.wav", test=scores["test"] + "/2.wav")
    described = (scores, people), (by_clip, clips), (scores, pd.concat([people, people]))
    audits = [audit_scores(*each, ["group"], n_resamples=20) for each in described]
    for audit in audits[1:]:
        pd.testing.assert_frame_equal(audit.groupings[0].groups, audits[0].groupings[0].groups)
        pd.testing.assert_frame_equal(gaps_of(audit), gaps_of(audits[0]))


def refusals():
    scores, people = plant(7, sizes=(12, 12))
    one_wrong = scores["label"] & (scores.index > 0)
    return {
        "without the column group": (scores, people.rename(columns={"group": "nation"})),
        r"with one group": (scores, people.assign(group="a")),
        r"with no group": (scores, people.assign(group="")),
        "'a0' with two different": (scores, pd.concat([people, people[:1].assign(group="b")])),
        "no trial whose two sides": (scores.assign(enroll="x"), people),
        "all equal": (scores.assign(score=1.5), people),
        r"as large as 2e\+200": (scores.assign(score=2e200 * scores["label"]), people),
        "labels that all contradict .* swap the labels": (
            scores.assign(label=~scores["label"]),
            people,
        ),
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
        with pytest.raises(SpkidError, match="false_accept_rate="):
            audit_scores(*plant(8), ["group"], false_accept_rate=rate)


@pytest.mark.parametrize("threshold", [math.nan, math.inf])
def test_a_threshold_that_compares_with_nothing_is_refused(threshold):
    with pytest.raises(SpkidError, match="threshold="):
        audit_scores(*plant(8), ["group"], threshold=threshold)


def test_groups_that_are_equal_have_no_worst():
    scores, people = plant(9, sizes=(12, 12))
    apart = scores.assign(score=9 * scores["label"] + scores["score"] / 100)
    gaps = gaps_of(audit_scores(apart, people, ["group"], n_resamples=5))
    assert (gaps["worst"] != gaps["best"]).all()
    assert (gaps.loc[list(RATES[1:]), "value"] == 0).all()


def test_a_missing_value_is_unknown_like_an_empty_one():
    scores, people = plant(11)
    people.loc[0, "group"] = None
    assert audit_scores(scores, people, ["group"], n_resamples=5).groupings[0].n_unknown > 0


def test_scores_that_are_not_finite_are_refused():
    scores, people = plant(12)
    scores.loc[3, "score"] = math.nan
    with pytest.raises(SpkidError, match=r"^1 scores that are NaN or infinite"):
        audit_scores(scores, people, ["group"], n_resamples=5)


def test_options_out_of_range_are_refused():
    tables = plant(13)
    for option, message in (({"side": "left"}, "side='left'"), ({"alpha": 1.5}, r"alpha=1\.5")):
        with pytest.raises(SpkidError, match=message):
            audit_scores(*tables, ["group"], **option)
    with pytest.raises(SpkidError, match="no groups"):
        audit_scores(*tables, [])
