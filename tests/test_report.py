"""The audit's page and record: self-contained, escaped, and with the numbers of the table."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from spkid.audit import RATES, audit_scores, sentence
from spkid.cli.output import to_json
from spkid.report import audit_record, percent, render, verdict, write_audit_page

BOLD, QUOTED, TINY = "<b>x</b>", '"it\'s" & co', "tiny"
TITLE = "Audit of <i>a & b</i>"


def planted(groups, *, sizes, drop=1.0, seed=0):
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for number, (group, size) in enumerate(zip(groups, sizes, strict=True)):
        names = [f"{number}-{person}" for person in range(size)]
        halves = ("odd", "even") * size
        people += [(name, group, half) for name, half in zip(names, halves, strict=False)]
        for name in names:
            rows += [(name, name, rng.normal(3 - drop * number), True) for _ in range(5)]
            others = rng.choice([other for other in names if other != name], 5)
            rows += [(name, other, rng.normal(), False) for other in others]
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    return scores, pd.DataFrame(people, columns=["speaker", "group & more", "half"])


@pytest.fixture(scope="module")
def audit():
    three = planted((BOLD, QUOTED, TINY), sizes=(15, 15, 4))
    return audit_scores(*three, ["group & more", "half"], n_resamples=40, false_match_rate=0.1)


@pytest.fixture(scope="module")
def page(audit, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "audit.html"
    write_audit_page(audit, path, title=TITLE)
    assert [file.name for file in path.parent.iterdir()] == ["audit.html"]
    return path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """What a browser would show: table cells by row, text outside tables, and all tags."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.text, self.tags = [], [], []
        self.in_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append([])
        self.in_cell = self.in_cell or tag == "td"

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, data):
        (self.rows[-1][-1] if self.in_cell else self.text).append(data)


def test_the_page_asks_for_nothing_outside(page):
    # namespaces of inline SVG are names, nothing that a browser fetches
    rest = re.sub(r'\b(xmlns(:\w+)?|rdf:resource)="[^"]*"', "", page)
    assert not re.search(r"https?:|//\w|@import", rest)
    assert not re.search(r"url\((?!#)", rest)
    tags = Reader(page).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "image"}
    for _, attributes in tags:
        assert not {"src", "srcset", "onload", "onclick"} & attributes.keys()
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")


def test_the_rows_show_the_numbers_of_the_table(audit, page):
    shown = [row for row in Reader(page).rows if row]
    expected = []
    for section in audit.columns:
        for row in section.table.to_dict("records"):
            cells = [[str(row[name])] for name in ("group", "n_speakers", "n_target", "n_impostor")]
            for rate in ("false_non_match_rate", "false_match_rate", "equal_error_rate"):
                low, high = row[f"{rate}_low"], row[f"{rate}_high"]
                limits = f"{100 * low:.1f} to {100 * high:.1f}"
                value = f"{100 * row[rate]:.1f} %"
                cells.append(["–"] if math.isnan(row[rate]) else [value, limits])
            expected.append(cells)
    assert shown == expected
    assert len(shown) == 5
    assert sum(cells[4] == ["–"] for cells in shown) == 1


def test_the_text_names_what_was_measured(audit, page):
    text = " ".join(Reader(page).text)
    for line in verdict(audit):
        assert line in text
    for words in (
        f"{len(audit.trials)} trials. Overall: {100 * audit.overall[RATES[1]]:.1f} % of own",
        f"shared threshold {audit.threshold:.3f}",
        "accepts 10.0 % of all strangers' trials",
        "40 resamplings of speakers (seed 0)",
        "0 trials across groups and 0 trials without a known group & more",
    ):
        assert words in text


def test_the_worst_group_is_marked_and_no_other(audit, page):
    marked = re.findall(r'<tr class="worst"><td>(.*?)</td>', page)
    worst = [gap.worst for section in audit.columns for gap in section.gaps if gap.rate == RATES[1]]
    assert len(marked) == len(worst) == 2
    assert audit.columns[0].gaps[1].worst == QUOTED
    assert "it&#39;s" in marked[0]


def test_names_are_text_and_never_markup(page):
    assert BOLD not in page
    assert "<i>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) == 4
    for figure in figures[:2]:
        words = [node.text for node in ElementTree.fromstring(figure).iter() if node.text]
        assert BOLD in words
        assert QUOTED in words
        # no rates, so not in the plots
        assert TINY not in words
    reader = Reader(page)
    assert TITLE in reader.text
    assert [row[0][0] for row in reader.rows if row] == [QUOTED, BOLD, TINY, "even", "odd"]


def test_the_record_is_json_without_nan(audit):
    def refuse(name):
        raise AssertionError(f"{name} in the JSON")

    text = to_json(audit_record(audit))
    record = json.loads(text, parse_constant=refuse)
    assert record["threshold"] == audit.threshold
    assert record["n_trials"] == len(audit.trials)
    assert record["verdict"] == verdict(audit)
    assert record["overall"] == audit.overall.to_dict()
    for section, said in zip(audit.columns, record["columns"], strict=True):
        assert (said["column"], said["n_across"]) == (section.column, section.n_across)
        table = section.table.astype(object).where(section.table.notna(), None)
        assert said["groups"] == table.to_dict("records")
        for gap, shown in zip(section.gaps, said["gaps"], strict=True):
            assert shown == {**vars(gap), "certain": gap.certain}
    assert any(group["equal_error_rate"] is None for group in record["columns"][0]["groups"])


def test_percent():
    assert [percent(value) for value in (0.0, 0.0424, math.nan)] == ["0.0 %", "4.2 %", "–"]


def test_certain_and_large_gaps_come_first(audit):
    lines = verdict(audit)
    assert len(lines) == 3
    certain = [gap for gap in audit.columns[0].gaps if gap.certain and gap.rate == RATES[1]]
    assert lines[0] == sentence(certain[0], "group & more")
    assert all("do not show" in line for line in lines[1:])


def test_small_groups_only_give_no_verdict_and_a_page(tmp_path):
    scores, people = planted(("a", "b"), sizes=(5, 5))
    audit = audit_scores(scores, people, ["group & more"], n_resamples=5)
    assert verdict(audit) == ["No column has two groups of 10 speakers: no verdict."]
    write_audit_page(audit, tmp_path / "small.html", title="t")
    assert "<svg" not in (tmp_path / "small.html").read_text(encoding="utf-8")


def test_a_page_that_lacks_content_is_not_written(tmp_path):
    with pytest.raises(Exception, match="undefined"):
        render("audit.html", tmp_path / "page.html", title="t")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["$5-$9", "$_$", "中文"])
def test_a_name_is_drawn_as_it_is_written(tmp_path, name):
    scores, people = planted(("other", name), sizes=(10, 10))
    audit = audit_scores(scores, people, ["group & more"], n_resamples=5)
    write_audit_page(audit, tmp_path / "page.html", title="t")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for figure in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert name in [node.text for node in ElementTree.fromstring(figure).iter()]
