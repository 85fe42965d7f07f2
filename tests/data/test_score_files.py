"""Score files in every order that systems write, what is said of them, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from spkid.data.printed import N_SAMPLE
from spkid.data.score_columns import LAYOUTS
from spkid.data.score_files import read_score_file
from spkid.data.trial_lists import read_trials
from spkid.errors import SpkidError

ROWS = [("a1", "a2", 1.5, "1"), ("a1", "b1", -0.25, "0"), ("b1", "b2", 0.75, "1")]
EXPECTED = [("a1", "a2", 1.5, True), ("a1", "b1", -0.25, False), ("b1", "b2", 0.75, True)]
ORDERS = [layout for layout in LAYOUTS if "label" in layout]


def lines_of(layout, rows, *, separator=" "):
    names = ("enroll", "test", "score", "label")
    words = [dict(zip(names, map(str, row), strict=True)) for row in rows]
    return "\n".join(separator.join(row[name] for name in layout) for row in words) + "\n"


def rows_of(table):
    return list(table.itertuples(index=False, name=None))


@pytest.fixture
def written(tmp_path):
    def write(text, name="scores.txt"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("words", [("1", "0"), ("target", "nontarget")])
@pytest.mark.parametrize("layout", ORDERS, ids=" ".join)
def test_every_order_is_found_and_said(written, layout, words):
    named = [(*row[:3], words[row[3] == "0"]) for row in ROWS]
    file = read_score_file(written(lines_of(layout, named)))
    assert rows_of(file.table) == EXPECTED
    assert list(map(str, file.table.dtypes)) == ["category", "category", "float64", "bool"]
    assert file.notes == (
        f"scores.txt was read as '{' '.join(layout)}' ({LAYOUTS[layout]}): "
        "2 same-speaker and 1 different-speaker trials.",
    )


@pytest.mark.parametrize("layout", list(itertools.permutations(ORDERS[0]))[::5], ids=" ".join)
def test_a_header_names_any_order(written, layout):
    text = ",".join(layout) + "\n" + lines_of(layout, ROWS, separator=",")
    file = read_score_file(written(text))
    assert rows_of(file.table) == EXPECTED
    assert "by its header" in file.notes[0]


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if len(layout) == 3])
def test_labels_may_come_from_a_trial_list(written, layout):
    trials = read_trials(written("0 a1 b1\n1 a1 a2\n1 b1 b2\n0 b2 a1\n", "trials.txt"))
    path = written(lines_of(layout, ROWS))
    file = read_score_file(path, trials=trials)
    assert rows_of(file.table) == EXPECTED
    assert "labels from the trial list: 2 same-speaker" in file.notes[0]
    assert file.notes[1] == "1 trials of the list have no score and are left out."
    with pytest.raises(SpkidError, match="give the list with trials="):
        read_score_file(path)
    with pytest.raises(
        SpkidError, match="1 scores whose trial the list lacks, first b1 against b2"
    ):
        read_score_file(path, trials=trials[:2])


def test_labels_from_two_places_are_refused(written):
    trials = pd.DataFrame({"enroll": ["a"], "test": ["b"], "label": [True]})
    with pytest.raises(SpkidError, match="labels in the file and a trial list"):
        read_score_file(written(lines_of(ORDERS[0], ROWS)), trials=trials)


def test_names_that_look_like_numbers_stay_as_they_are_written(written):
    """Also where a label could be a name: the score is told by not being whole."""
    rows = [("0012", "012", 0.5, "1"), ("12", "NA", -0.5, "0"), ("1e3", "1000", 0.1, "0")]
    file = read_score_file(written(lines_of(ORDERS[0], rows)))
    assert [row[:2] for row in rows_of(file.table)] == [row[:2] for row in rows]
    names = file.table["enroll"].cat.categories
    assert sorted(names) == ["0012", "12", "1e3"]


def test_a_long_file_is_the_same_as_its_lines(written):
    rng = np.random.default_rng(0)
    rows = [
        (f"s{one}", f"s{other}", round(float(score), 6), "1" if one == other else "0")
        for one, other, score in zip(
            rng.integers(0, 50, 5000), rng.integers(0, 50, 5000), rng.normal(size=5000), strict=True
        )
    ]
    table = read_score_file(written(lines_of(ORDERS[2], rows))).table
    assert rows_of(table) == [(*row[:3], row[3] == "1") for row in rows]


@pytest.mark.parametrize("broken", ["nan", "high", "inf"])
def test_a_flaw_after_the_sample_is_found_with_its_line(written, broken):
    rows = [*(ROWS * N_SAMPLE), ("a", "b", broken, "1")]
    with pytest.raises(SpkidError, match=f"'{broken}' as the score in line {len(rows)}"):
        read_score_file(written(lines_of(ORDERS[0], rows)))


def test_a_label_after_the_sample_that_is_none_is_found(written):
    rows = [*(ROWS * N_SAMPLE), ("a", "b", 0.5, "maybe")]
    with pytest.raises(SpkidError, match="'maybe' in the column of labels"):
        read_score_file(written(lines_of(ORDERS[0], rows)))


def test_a_header_without_all_names_lacks_labels(written):
    with pytest.raises(SpkidError, match="no column of labels"):
        read_score_file(written("enroll,test,score\na,b,0.5\n"))
    with pytest.raises(SpkidError, match="columns"):
        read_score_file(written("a b\n"))
