"""Comparisons paired by speaker: a change that is there, one that is not, plain counting."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from spkid.audit.comparison import compare_audits
from spkid.audit.outcome import ComparisonResult
from spkid.audit.report.comparison_conclusion import comparison_conclusion
from spkid.audit.report.comparison_page import (
    comparison_figures,
    comparison_verdict,
)
from spkid.audit.verification import audit_scores
from spkid.errors import SpkidError


def planted(seed, *, n_speakers=60, gain=0.0, noise=0.3):
    """Two systems on the same trials; hard speakers are hard for both, ``gain`` helps group b."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for number in range(n_speakers):
        name, group = f"s{number:02d}", "ab"[number % 2]
        people.append((name, group))
        own = 2.5 + 0.8 * rng.normal()
        scores = own + rng.normal(size=6)
        rows += [(name, name, score, score + gain * (group == "b"), True) for score in scores]
        for other in rng.choice([o for o in range(n_speakers) if o != number], 10):
            score = rng.normal()
            rows.append((name, f"s{other:02d}", score, score, False))
    table = pd.DataFrame(rows, columns=["enroll", "test", "one", "two", "label"])
    table["two"] += noise * rng.normal(size=len(table))
    people = pd.DataFrame(people, columns=["speaker", "group"])
    return [
        audit_scores(
            table.rename(columns={system: "score"}),
            people,
            ["group"],
            n_resamples=10,
            threshold=1.6,
        )
        for system in ("one", "two")
    ]


def rows_of(comparison):
    return comparison.table.set_index(["group", "figure"])


@pytest.fixture(scope="module")
def better():
    return compare_audits(*planted(0, gain=1.5), names=("old", "new"), n_resamples=200)


def test_values_are_those_of_the_two_audits(better):
    first, second = planted(0, gain=1.5)
    table = rows_of(better)
    for audit, system in ((first, "first"), (second, "second")):
        groups = audit.groupings[0].groups.set_index("group")
        measures = audit.groupings[0].measures.set_index(["measure", "figure"])["value"]
        overall = audit.overall.set_index("figure")["value"]
        for figure in ("false_match_rate", "false_non_match_rate"):
            for group in "ab":
                assert table.at[(group, figure), system] == pytest.approx(groups.at[group, figure])
            assert table.at[("", f"gap_{figure}"), system] == pytest.approx(measures["gap", figure])
            whole = better.table[better.table["grouping"] == ""].set_index("figure")
            assert whole.at[figure, system] == pytest.approx(overall[figure])
        assert table.at[("", "garbe"), system] == pytest.approx(measures["garbe", ""])


def answers(comparison):
    return {each.question: each.answer for each in comparison_conclusion(comparison)}


def test_the_four_answers_of_a_gain_a_loss_a_trade_and_of_nothing(better):
    who, much, sure, then = answers(better).values()
    assert who.startswith("By taking new, nobody for certain. Better off for certain: 'b' (by")
    row = rows_of(better).loc[("b", "false_non_match_rate")]
    first, second = (round(100 * row[name]) for name in ("first", "second"))
    assert f"Of 100 own clips, {first} are rejected with old for 'b' (by group), and" in much
    assert f"and {second} with new." in much
    assert sure.startswith("Sure.")
    assert then.startswith("Take new.")

    turned = better.table.copy()
    turned[["difference", "low", "high"]] *= -1
    turned[["low", "high"]] = turned[["high", "low"]].to_numpy()
    turned[["first", "second"]] = turned[["second", "first"]].to_numpy()
    worse = dataclasses.replace(better, table=turned)
    who, _, _, then = answers(worse).values()
    assert who.startswith("By taking new: 'b' (by group)")
    assert then == "Keep old."
    is_a = turned["group"] == "a"
    turned.loc[is_a, ["difference", "certain"]] = [-0.1, True]
    who, _, _, then = answers(worse).values()
    assert "'b' (by group)" in who.partition("Better off for certain: ")[0]
    assert "'a' (by group)" in who.partition("Better off for certain: ")[2]
    assert then.startswith("Decide whether what some gain is worth what others lose.")

    turned["certain"] = False
    who, much, sure, then = answers(worse).values()
    assert (who, much.count("Of 1")) == ("By taking new, nobody for certain.", 1)
    most = 100 * turned["high"][turned["figure"].isin(["false_match_rate", "false_non_match_rate"])]
    assert f"worse off by up to {most.max():.1f} points" in sure
    assert then.startswith("These data give no reason")


def test_a_planted_gain_is_certain_and_only_there(better):
    table = rows_of(better)
    gain = table.loc[("b", "false_non_match_rate")]
    assert gain["certain"]
    assert gain["high"] < 0
    assert not table.loc[("a", "false_non_match_rate"), "certain"]
    lines = comparison_verdict(better)
    assert len(lines) == 3
    assert "Certainly better: b (own rejected (FNMR)" in lines[2]
    assert "Certainly worse: none" in lines[2]


def test_pairing_makes_the_interval_narrower_than_two_audits_side_by_side(better):
    """Hard speakers are hard for both systems; the difference of rates knows nothing of them."""
    first, second = planted(0, gain=0.0)
    paired = rows_of(compare_audits(first, second, names=("x", "y"), n_resamples=200))
    row = paired.loc[("a", "false_non_match_rate")]
    alone = [audit.groupings[0].groups.set_index("group").loc["a"] for audit in (first, second)]
    figure = "false_non_match_rate"
    widths = [each[f"{figure}_high"] - each[f"{figure}_low"] for each in alone]
    assert row["high"] - row["low"] < 0.7 * np.hypot(*widths)


def test_where_nothing_changes_little_is_certain():
    """A false alarm anywhere in at most 5 % of comparisons; more than three of 20: 1.6 %."""
    alarms = sum(
        compare_audits(*planted(seed, n_speakers=40), names=("x", "y"), n_resamples=100)
        .table["certain"]
        .any()
        for seed in range(20)
    )
    assert alarms <= 3


def test_a_system_against_itself_does_not_change():
    first, _ = planted(3)
    table = compare_audits(first, first, names=("x", "x"), n_resamples=20).table
    assert (table["difference"] == 0).all()
    assert not table["certain"].any()


def test_files_are_written(better, tmp_path):
    ComparisonResult(better).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "compare.html",
        "compare.json",
        "compare.csv",
    }
    assert "old" in (tmp_path / "compare.html").read_text()
    figures = comparison_figures(better)
    table = rows_of(better)
    assert figures["group"]["garbe"] == table.at[("", "garbe"), "second"]
    assert figures["group"]["change_garbe"] == table.at[("", "garbe"), "difference"]


def test_what_cannot_be_paired_is_refused():
    first, second = planted(4)
    other = second.trials.copy()
    for side in ("enroll_speaker", "test_speaker"):
        other[side] = "x" + other[side].astype(str)
    strangers = dataclasses.replace(second, trials=other)
    with pytest.raises(SpkidError, match="0 speakers in both"):
        compare_audits(first, strangers, names=("x", "y"))
    without = dataclasses.replace(second, groupings=())
    with pytest.raises(SpkidError, match="by different groups"):
        compare_audits(first, without, names=("x", "y"))
