"""The audit's page in a real browser: no error, no outside request, the figures of the JSON."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
from browser import Browser, find_browser
from planted import planted_voices

from spkid.audit.cohorts.findings import find_cohorts
from spkid.audit.face import AuditResult
from spkid.audit.verification import audit_scores
from spkid.encoder.vectors import EmbeddingTable

CELLS = """[...document.querySelectorAll("td[data-figure]")].map(cell => ({
    ...cell.dataset, shown: cell.querySelector("span").textContent,
    visible: cell.getBoundingClientRect().height > 0 }))"""
WIDTHS = "[document.documentElement.scrollWidth, window.innerWidth]"
PLOTS = "[...document.querySelectorAll('svg')].map(each => each.getBoundingClientRect().width)"
FIRST = "document.querySelector('ol.verdict').innerText"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    group = np.arange(48) % 2
    rows = []
    for number in range(48):
        name = f"s{number:03d}"
        rows += [(name, name, score, True) for score in rng.normal(3 - group[number], 1, 5)]
        others = rng.choice([other for other in range(48) if other != number], 8)
        rows += [(name, f"s{other:03d}", rng.normal(), False) for other in others]
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    people = pd.DataFrame(
        {
            "speaker": [f"s{number:03d}" for number in range(48)],
            "group": np.array(["<b>", "&"])[group],
        }
    )
    clips, vectors = planted_voices(group, seed=0, n_clips=1)
    people["path"] = clips["path"]
    scores[["enroll", "test"]] += "/0.wav"
    table = EmbeddingTable({path: row for row, path in enumerate(clips["path"])}, vectors, "m")
    audit = audit_scores(scores, people, ["group"], n_resamples=30)
    findings = find_cohorts(audit, people, title="In a browser", embeddings=table)
    folder = tmp_path_factory.mktemp("browser")
    AuditResult(findings).save(folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    executable = find_browser()
    if executable is None:
        if os.environ.get("SPKID_NEEDS_BROWSER"):
            pytest.fail("no Chromium, and SPKID_NEEDS_BROWSER is set")
        pytest.skip("no Chromium or Chrome on the path; install one or set SPKID_CHROMIUM")
    with Browser(executable, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_opens_without_errors_or_requests(browser, folder, width):
    page = folder / "audit.html"
    seen = browser.open(page, CELLS, WIDTHS, PLOTS, FIRST, width=width)
    assert seen.errors == []
    assert seen.requests == [page.resolve().as_uri()]
    cells, (page_width, window_width), plots, first = seen.answers

    record = json.loads((folder / "audit.json").read_text())
    (section,) = record["groupings"]
    rates = {"false_match_rate", "false_non_match_rate", "equal_error_rate"}
    expected = {}
    for row in section["groups"]:
        for name in (figure["name"] for figure in record["figures"]):
            value = row[name]
            shown = f"{100 * value:.1f} %" if name in rates else f"{value:.3f}"
            expected[row["group"], name] = shown
    shown = {(cell["group"], cell["figure"]): cell["shown"] for cell in cells if "group" in cell}
    assert shown == expected
    assert len(shown) == 2 * 8
    measures = {
        (cell["measure"], cell["figure"]): cell["shown"] for cell in cells if "measure" in cell
    }
    for row in section["measures"]:
        if row["measure"] in ("garbe", "fdr", "ratio") and row["figure"] in ("", *rates):
            assert measures[row["measure"], row["figure"]] == f"{row['value']:.3f}"
    assert all(cell["visible"] for cell in cells)

    assert [line for line in first.split("\n") if line.strip()] == record["verdict"]
    # nothing makes the page itself wider than the window; wide tables scroll by themselves
    assert page_width <= window_width
    assert len(plots) == 5
    assert all(100 < plot <= width for plot in plots)


def test_the_browser_sees_what_is_wrong(browser, tmp_path):
    """What the test above relies on."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><img src='http://nowhere.invalid/x.png'>"
        "<script>console.error('said'); undefined_function();</script>"
    )
    seen = browser.open(page)
    assert "http://nowhere.invalid/x.png" in seen.requests
    assert any("said" in error for error in seen.errors)
    assert any("Uncaught" in error for error in seen.errors)
