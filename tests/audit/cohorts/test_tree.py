"""Trees over planted regions: the rule is found, read honestly, and nothing is found in nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import THRESHOLD, planted_trials

from spkid.audit.cohorts.metadata import by_speaker
from spkid.audit.cohorts.tree import MAX_DEPTH, grow_tree
from spkid.audit.cohorts.tree_conditions import Condition
from spkid.audit.statistics.contrast import contrast
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import halves, speaker_errors
from spkid.errors import SpkidError

COLUMNS = ["latitude", "longitude", "gender", "device"]


def people(n_speakers, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "speaker": [f"s{number:03d}" for number in range(n_speakers)],
            "latitude": rng.uniform(-60, 70, n_speakers).round(1).astype(str),
            "longitude": rng.uniform(-180, 180, n_speakers).round(1).astype(str),
            "gender": rng.choice(["female", "male", ""], n_speakers),
            "device": rng.choice(list("abcdefg"), n_speakers),
        }
    )


def numbers(table, column):
    return table[column].astype(float).to_numpy()


@pytest.fixture(scope="module")
def corner():
    """The north-west is bad."""
    table = people(400, seed=3)
    bad = (numbers(table, "latitude") > 20) & (numbers(table, "longitude") < 0)
    trials = planted_trials(bad, drop=1.5, seed=3)
    return table, bad, grow_tree(trials, THRESHOLD, table, COLUMNS, n_resamples=100)


def test_a_planted_region_is_found_as_a_rule(corner):
    table, bad, tree = corner
    first = tree.leaves[0]
    assert first.read.certain
    assert first.read.difference > 0.15
    assert {condition.column for condition in first.conditions} == {"latitude", "longitude"}
    assert "latitude above" in first.rule
    assert "longitude at most" in first.rule
    assert "unknown" not in first.rule
    inside = table["speaker"].isin(first.speakers).to_numpy()
    assert (bad & inside).sum() > 0.8 * inside.sum()
    certain_and_worse = [leaf for leaf in tree.leaves if leaf.read.low > 0]
    caught = {name for leaf in certain_and_worse for name in leaf.speakers}
    assert len(caught & set(table["speaker"][bad])) > 0.8 * bad.sum()


def test_leaves_share_out_all_speakers(corner):
    table, _, tree = corner
    names = [name for leaf in tree.leaves for name in leaf.speakers]
    assert sorted(names) == sorted(table["speaker"])
    assert sum(leaf.n_grown for leaf in tree.leaves) == tree.n_grown == 200
    assert sum(leaf.read.n_speakers for leaf in tree.leaves) == tree.n_read == 200
    assert all(leaf.n_grown >= MIN_SPEAKERS for leaf in tree.leaves)
    assert len(tree.leaves) <= 2**MAX_DEPTH
    differences = [leaf.read.difference for leaf in tree.leaves]
    assert differences == sorted(differences, reverse=True)


def test_a_leaf_is_read_on_the_other_half_only(corner):
    table, bad, tree = corner
    trials = planted_trials(bad, drop=1.5, seed=3)
    leaf = tree.leaves[0]
    read = table["speaker"].to_numpy()[~halves(400, seed=0)]
    errors = speaker_errors(trials, THRESHOLD, read, n_resamples=100, seed=0)
    inside = np.isin(read, leaf.speakers)
    expected = contrast(errors, inside, min_speakers=10, n_comparisons=len(tree.leaves))
    assert leaf.read == expected


def test_where_nothing_is_nothing_is_certain():
    """False alarms at most 5 %: more than three of 20 trees have a chance of 1.6 %."""
    alarms, naive = 0, 0
    for seed in range(20):
        table = people(120, seed)
        trials = planted_trials(np.zeros(120, dtype=bool), drop=0, seed=seed)
        tree = grow_tree(trials, THRESHOLD, table, COLUMNS, n_resamples=50, seed=seed)
        alarms += any(leaf.read.certain for leaf in tree.leaves)
        naive += len(tree.leaves) > 1
    assert alarms <= 3
    assert naive > 6  # the growing half alone would have been taken in


def test_categories_and_the_unknown_are_split_too():
    table = people(300, seed=5)
    bad = table["device"].isin(["b", "e"]).to_numpy()
    table.loc[::9, "device"] = ""
    trials = planted_trials(bad, drop=2, seed=5)
    tree = grow_tree(trials, THRESHOLD, table, COLUMNS, n_resamples=100)
    worse = [leaf.rule for leaf in tree.leaves if leaf.read.low > 0]
    assert worse
    assert all(rule.startswith("device is b or e") and "other" not in rule for rule in worse)
    assert any(rule.endswith("or other") for rule in {leaf.rule for leaf in tree.leaves})


def test_rare_categories_and_values_unknown_on_one_half_only_belong_somewhere():
    table = people(200, seed=6)
    read = ~halves(200, seed=0)
    table["gender"] = np.where(np.arange(200) % 2, "female", "male")
    table.loc[np.flatnonzero(read)[:12], "gender"] = "unheard of"
    table.loc[np.flatnonzero(~read)[:3], "gender"] = "rare"
    trials = planted_trials((table["gender"] == "male").to_numpy(), drop=2, seed=6)
    tree = grow_tree(trials, THRESHOLD, table, ["gender"], n_resamples=100)
    rules = [leaf.rule for leaf in tree.leaves]
    assert sorted(rules) in (
        ["gender is female", "gender is male or other"],
        ["gender is female or other", "gender is male"],
    )
    assert sum(len(leaf.speakers) for leaf in tree.leaves) == 200


def test_a_condition_holds_for_what_it_says():
    table = pd.DataFrame({"age": ["3", "12", "40", ""], "sex": ["f", "m", "x", ""]})
    cases = [
        (Condition("age", 12, True, (), True), "age at most 12 or unknown", [1, 1, 0, 1]),
        (Condition("age", 12, False, (), False), "age above 12", [0, 0, 1, 0]),
        (Condition("sex", None, False, ("f", "x"), False), "sex is f or x", [1, 0, 1, 0]),
    ]
    for condition, words, expected in cases:
        assert str(condition) == words
        assert condition.holds(table).tolist() == [bool(value) for value in expected]


def test_rules_and_speakers_agree(corner):
    table, _, tree = corner
    described = by_speaker(table, COLUMNS, table["speaker"])
    for leaf in tree.leaves:
        inside = np.all([condition.holds(described) for condition in leaf.conditions], axis=0)
        assert list(table["speaker"][inside]) == list(leaf.speakers)


def test_a_split_on_the_same_column_twice_is_said_once():
    table = people(400, seed=8)
    latitude = numbers(table, "latitude")
    bad = (latitude > 0) & (latitude < 30)
    trials = planted_trials(bad, drop=2.5, seed=8)
    tree = grow_tree(trials, THRESHOLD, table, ["latitude"], n_resamples=100)
    assert all(leaf.rule.count("above") <= 1 >= leaf.rule.count("at most") for leaf in tree.leaves)
    assert any("above" in leaf.rule and "at most" in leaf.rule for leaf in tree.leaves)


def test_too_few_speakers_are_refused():
    trials = planted_trials(np.zeros(39, dtype=bool), drop=0, seed=0)
    with pytest.raises(SpkidError, match="39 speakers; expected 40 or more"):
        grow_tree(trials, THRESHOLD, people(39, 0), COLUMNS)
    with pytest.raises(SpkidError, match="without the column accent"):
        grow_tree(
            planted_trials(np.zeros(40, dtype=bool), drop=0, seed=0),
            THRESHOLD,
            people(40, 0),
            ["accent"],
        )
