"""Conditions for scripts: read, compared, and refused where nothing can be said."""

from __future__ import annotations

import math

import pytest

from spkid.audit.conditions import FigureCondition, read_condition
from spkid.errors import SpkidError

FIGURES = {
    "gender": {"garbe": 0.25, "gap": 0.01},
    "age, in years": {"garbe": 0.1, "gap": math.nan},
}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("garbe>0.2", FigureCondition("garbe", None, ">", 0.2)),
        (" gap [ age, in years ] <= -1e-3 ", FigureCondition("gap", "age, in years", "<=", -1e-3)),
        ("gap>=.5", FigureCondition("gap", None, ">=", 0.5)),
        ("gap<3.", FigureCondition("gap", None, "<", 3.0)),
    ],
)
def test_a_condition_is_read(text, condition):
    assert read_condition(text) == condition
    assert read_condition(str(condition)) == condition


@pytest.mark.parametrize(
    "text",
    [
        *("", "garbe", "garbe>", ">0.2", "garbe=0.2", "garbe>>1", "garbe>0.2 or 1", "garbe>nan"),
        *("a b>1", "garbe[]>1", "garbe[x>1", "garbe>__import__('os')", "garbe>0x1", "garbe==0.2"),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(SpkidError, match="write for example 'garbe>0"):
        read_condition(text)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("garbe>0.2", ["gender"]),
        ("garbe>=0.25", ["gender"]),
        ("garbe>0.25", []),
        ("garbe<1", ["gender", "age, in years"]),
        ("garbe<=0.1", ["age, in years"]),
        ("garbe[age, in years]>0.2", []),
        ("gap>0", ["gender"]),  # unknown in the other
    ],
)
def test_columns_where_it_is_true(text, columns):
    assert read_condition(text).columns_where_true(FIGURES) == columns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("garbe[accent]>0", "one of the audited columns gender, age, in years"),
        ("fairness>0", "one of the figures garbe, gap"),
        ("gap[age, in years]>0", "leave unknown"),
    ],
)
def test_what_is_not_there_is_said(text, words):
    with pytest.raises(SpkidError, match=words):
        read_condition(text).columns_where_true(FIGURES)
