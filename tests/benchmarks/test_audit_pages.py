"""Some of the ten thousand random tables; and that what is looked for would be seen."""

from __future__ import annotations

import pytest

from benchmarks.audit_pages import problems, random_tables, try_one


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_tables_give_a_page_or_a_plain_refusal(first):
    outcomes = [try_one(seed) for seed in range(first, first + 10)]
    assert [wrong for _, wrong in outcomes] == [[]] * 10
    assert "page" in {outcome for outcome, _ in outcomes}


def test_the_tables_are_of_all_kinds():
    tables = [random_tables(seed) for seed in range(60)]
    assert {each.kind for each in tables} == {"audit", "compare", "decisions"}
    assert any(each.embeddings is not None for each in tables)
    assert any(each.scores["score"].nunique() == 1 for each in tables)
    assert {True, False} == {"path" in each.people for each in tables}


def test_what_is_wrong_with_a_page_is_seen():
    record = {"rate": 0.0424, "n": 1234, "words": "with 24 speakers"}
    assert problems("<p>4.2 % of 1,234, with 24</p><style>9px</style>", record) == []
    assert problems("<p>4.3 %</p>", record) == ["'4.3' of '4.3 %' is not in the JSON"]
    assert problems("<p>log.csv (sha256 4e41781747915928…)</p>", record) == []
    assert problems("<p>nan</p>", record) == ["'nan' on the page"]
    assert problems("<p>'nan' counts as unknown</p>", record) == []
    assert problems('<svg><path d="M 1 nan"/><text>17</text></svg>', record) == [
        "'nan' in a picture"
    ]
    assert problems("", record, "-inf") == ["'-inf' in what is printed"]
