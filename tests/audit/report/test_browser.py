"""The audit's page in a real browser: no error, no outside request, the figures of the JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import zlib

import numpy as np
import pandas as pd
import pytest
from browser import Browser
from planted import planted_voices

from spkid.audit import face
from spkid.audit.cohorts.findings import find_cohorts
from spkid.audit.outcome import AuditResult
from spkid.audit.verification import audit_scores
from spkid.encoder.vectors import EmbeddingTable
from spkid.mitigation.page import write_mitigation
from spkid.mitigation.trade import BEFORE, trade_off
from spkid.mitigation.words import Mitigation
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.printing import find_browser, printed

CELLS = """[...document.querySelectorAll("td[data-figure]")].map(cell => ({
    ...cell.dataset, shown: cell.querySelector("span").textContent,
    visible: cell.getBoundingClientRect().height > 0 }))"""
WIDTHS = "[document.documentElement.scrollWidth, window.innerWidth]"
# what is wider than the place it has; text in pictures has its own place
TOO_WIDE = """[...document.querySelectorAll("body *:not(svg *):not(thead *)")].filter(each =>
    each.getBoundingClientRect().right > window.innerWidth + 1).map(each => each.outerHTML)"""
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
    names = "a" * 60, "new & better"
    plain = scores.assign(**{side: scores[side].str[:4] for side in ("enroll", "test")})
    people = people.drop(columns="path")
    face.compare(plain, plain, people, by="group", names=names, n_resamples=9).save(folder)
    write_mitigation(a_mitigation(findings), folder)
    return folder


def a_mitigation(findings):
    """Another system, of which the second group has the better scores."""
    trials = findings.audit.trials
    score, bad = trials["score"].to_numpy(), (trials["enroll:group"] == "&").to_numpy()
    better = score + bad * trials["label"].to_numpy()
    names = sorted(set(trials["enroll_speaker"]))
    worst = findings.worst
    trade = trade_off(
        trials,
        {BEFORE: score, "reweighting": better, "ewc": better},
        cohort=worst.speakers,
        choosing=[name for name in names if int(name[1:]) % 4 < 2],
        may_be_chosen=["reweighting", "ewc"],
        false_match_rate=0.05,
        n_resamples=20,
    )
    cohort = WorstCohort(
        kind="group",
        name=worst.name,
        grouping=worst.grouping,
        labels=worst.labels,
        conditions=(),
        words="",
        speakers=frozenset(worst.speakers),
        members=pd.DataFrame(),
        record={},
    )
    return Mitigation("Mitigation for x.txt", cohort, trade, pd.DataFrame({"speaker": names}), ())


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
    seen = browser.open(page, CELLS, WIDTHS, PLOTS, FIRST, TOO_WIDE, width=width)
    assert seen.errors == []
    assert seen.requests == [page.resolve().as_uri()]
    cells, (page_width, window_width), plots, first, too_wide = seen.answers

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
    # nothing is wider than the window, and nothing scrolls sideways
    assert page_width <= window_width
    assert too_wide == []
    assert len(plots) == 7
    assert all(300 < plot <= width for plot in plots)


@pytest.mark.parametrize("name", ["compare.html", "mitigation.html"])
def test_the_other_pages_fit_on_a_phone_too(browser, folder, name):
    seen = browser.open(folder / name, WIDTHS, TOO_WIDE, width=390)
    assert seen.errors == []
    (page_width, window_width), too_wide = seen.answers
    assert page_width <= window_width
    assert too_wide == []


def test_every_link_leads_to_an_explanation(browser, folder):
    missing = """[...document.querySelectorAll("a")].filter(each =>
        !document.getElementById(each.hash.slice(1))).map(each => each.hash)"""
    shown = """[...document.querySelectorAll("dl.terms dt")].map(each => each.innerText)"""
    seen = browser.open(folder / "audit.html", missing, shown)
    assert seen.answers[0] == []
    assert {"FMR", "FNMR", "GARBE", "certain", "95 % interval"} <= set(seen.answers[1])


def test_the_page_is_printed_with_tags(browser, folder):
    """Headings, tables and what pictures show, for screen readers."""
    content = printed(folder / "audit.html")
    assert content.startswith(b"%PDF-")
    plain = content + b"".join(streams_of(content))
    assert re.search(rb"/MarkInfo\s*<<[^>]*/Marked\s+true", plain)
    for tag in (b"H1", b"H2", b"Table", b"TR", b"TH", b"TD", b"Figure", b"Link"):
        assert re.search(rb"/S\s*/" + tag + rb"\b", plain), tag
    assert b"/Lang" in plain
    assert b"/Alt" in plain


def streams_of(content):
    """Whatever of a PDF is deflated, as it is."""
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(found[1])


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
