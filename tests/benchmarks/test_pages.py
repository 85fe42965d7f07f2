"""How figures get from the result files into the pages."""

from __future__ import annotations

import json

import pytest

from benchmarks.harness import result_files
from benchmarks.pages.filling import filled, formatted, value_at
from spkid.errors import SpkidError

RESULT = {
    "command": "python benchmarks/study.py --homes 2",
    "seed": 3,
    "commit": "0123456789abcdef",
    "uncommitted_changes": True,
    "date": "2026-01-02T03:04:05+00:00",
    "machine": {"cpu": "A Processor", "cores": 2},
    "figures": {
        "error": {"all": 0.0771, "at_0.05, far": None},
        "cells": [
            {"kind": "mixed", "size": 2, "rate": 0.25},
            {"kind": "mixed", "size": 4, "rate": 0.5},
        ],
    },
}


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    (tmp_path / "study.json").write_text(json.dumps(RESULT))
    monkeypatch.setattr(result_files, "RESULTS", tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("study/error/all", 0.0771),
        ("study/error/at_0.05, far", None),
        ("study/cells/1/rate", 0.5),
        ("study/cells/kind=mixed,size=4/rate", 0.5),
        ("study/cells/*/rate", 0.375),
    ],
)
def test_a_path_leads_to_its_figure(path, value):
    assert value_at(path) == value


@pytest.mark.parametrize(
    "path",
    [
        "other/error",
        "study/wrong",
        "study/cells/2/rate",
        "study/cells/kind=mixed/rate",
        "study/a/b",
    ],
)
def test_a_path_to_nothing_or_to_two_things_is_an_error(path):
    with pytest.raises(SpkidError, match=r"no (figure at|result)"):
        value_at(path)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(0.0771, ".1%", "7.7 %"), (0.0771, ".2f", "0.08"), (1234, ",", "1,234"), (None, ".1%", "–")],
)
def test_a_figure_is_written_in_its_format(value, form, text):
    assert formatted(value, form) == text


def test_a_page_is_filled_and_filled_again_is_the_same():
    page = (
        "One <!-- figure:study/error/all|.1% -->?<!-- /figure --> and\n"
        "<!-- figure:study/cells/0/rate|.2f -->old<!-- /figure --> here.\n\n"
        "<!-- figures:shown -->\n<!-- /figures -->\n\n"
        "<!-- figures:source study -->\nold\n<!-- /figures -->\n"
    )
    done = filled(page, {"shown": lambda: "| a |"})
    assert "One <!-- figure:study/error/all|.1% -->7.7 %<!-- /figure --> and" in done
    assert "|.2f -->0.25<!-- /figure --> here." in done
    assert "<!-- figures:shown -->\n| a |\n<!-- /figures -->" in done
    assert (
        "- `python -m benchmarks.study --homes 2`: seed 3, commit 0123456789 with changes, "
        "2 cores of A Processor, 2026-01-02\n" in done
    )
    assert filled(done, {"shown": lambda: "| a |"}) == done


@pytest.mark.parametrize(
    "marker",
    [
        "<!-- figures:shown -->\nnever closed",
        "<!-- figure:study/error/all -->without a format<!-- /figure -->",
        "<!-- figures:unknown -->\n<!-- /figures -->",
        "<!-- figures:shown of what -->\n<!-- /figures -->",
    ],
)
def test_a_marker_that_is_not_whole_or_names_no_table_is_an_error(marker):
    with pytest.raises(SpkidError, match="marker"):
        filled(marker, {"shown": lambda: ""})
