"""The audit's page and record: self-contained, escaped, and with the numbers of the tables."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import jsonschema
import matplotlib
import numpy as np
import pandas as pd
import pytest
from planted import planted_voices

import spkid
from spkid import pages
from spkid.audit.cohorts.findings import find_cohorts
from spkid.audit.outcome import AuditResult
from spkid.audit.report.page import audit_page
from spkid.audit.report.record import SCHEMA, audit_record, headline_figures
from spkid.audit.report.tables import audit_tables
from spkid.audit.report.words import MEAN_ERROR, verdict
from spkid.audit.verification import audit_scores
from spkid.encoder.vectors import EmbeddingTable
from spkid.files import to_json
from spkid.pages import linked, new_figure, percent, render, to_svg

BOLD, QUOTED, TINY = "<b>x</b>", '"it\'s" & co', "tiny"
TITLE = "Audit of <i>a & b</i>"
N_SPEAKERS = 84


def planted(*, drop=1.5, seed=0, names=(BOLD, QUOTED, TINY)):
    """Two groups of 40 of which the second is worse, and one of four; vectors by group."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], [40, 40, 4])
    rows, people = [], []
    for number in range(N_SPEAKERS):
        name = f"s{number:03d}"
        people.append(
            (name, f"{name}/0.wav", names[group[number]], "odd" if number % 2 else "even")
        )
        target = rng.normal(3 - drop * (group[number] == 1), 1, 5)
        rows += [(name, name, score, True) for score in target]
        others = rng.choice([other for other in range(N_SPEAKERS) if other != number], 8)
        rows += [(name, f"s{other:03d}", rng.normal(), False) for other in others]
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    scores[["enroll", "test"]] += "/0.wav"
    metadata = pd.DataFrame(people, columns=["speaker", "path", "group & more", "half"])
    clips, vectors = planted_voices(group, seed=seed, n_clips=1)
    table = EmbeddingTable({path: row for row, path in enumerate(clips["path"])}, vectors, "m")
    return scores, metadata, table


@pytest.fixture(scope="module")
def findings():
    scores, metadata, table = planted()
    audit = audit_scores(
        scores, metadata, ["group & more", "half"], n_resamples=40, false_accept_rate=0.1
    )
    return find_cohorts(audit, metadata, title=TITLE, embeddings=table)


@pytest.fixture(scope="module")
def folder(findings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    AuditResult(findings).save(folder)
    assert not list(folder.glob("*.part"))
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "audit.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record(folder):
    def refuse(name):
        raise AssertionError(f"{name} in the JSON")

    return json.loads((folder / "audit.json").read_text("utf-8"), parse_constant=refuse)


class Reader(HTMLParser):
    """What a browser would show: cells by what they hold, text outside tables, and all tags."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.text, self.tags = {}, [], []
        self.cell = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "td":
            named = {name: value for name, value in attrs if name.startswith("data-")}
            named.pop("data-label")
            self.cell = tuple(sorted(named.items()))
            self.cells.setdefault(self.cell, [])

    def handle_endtag(self, tag):
        self.cell = None if tag == "td" else self.cell

    def handle_data(self, data):
        (self.text if self.cell is None else self.cells[self.cell]).append(data)


def key(**named):
    return tuple(sorted((f"data-{name}", value) for name, value in named.items()))


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


def test_the_cells_show_the_figures_of_the_record(page, record):
    cells = Reader(page).cells
    rates = {"false_match_rate", "false_non_match_rate", "equal_error_rate"}
    n_seen = 0
    for section in record["groupings"]:
        for row in section["groups"]:
            for figure in (each["name"] for each in record["figures"]):
                found = cells.get(key(grouping=section["name"], group=row["group"], figure=figure))
                if row["judged"] or figure in rates:
                    n_seen += 1
                    value, low, high = (row[figure + end] for end in ("", "_low", "_high"))
                    if value is None:
                        assert found == ["–"]
                    elif figure in rates:
                        limits = f"{100 * low:.1f} to {100 * high:.1f}"
                        assert found == [f"{100 * value:.1f} %", limits]
                    else:
                        assert found == [pages.number(value), pages.span(low, high, pages.number)]
        garbe = next(row for row in section["measures"] if row["measure"] == "garbe")
        shown = cells[key(grouping=section["name"], measure="garbe", figure="")]
        assert shown == [f"{garbe['value']:.3f}"]
    assert n_seen == 4 * 8 + 3


def test_the_record_is_as_the_schema_says(record):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    for broken in (
        {"verdict": ["only one"]},
        {"threshold": 1.5},
        {"unheard": 1},
        {"cohorts": [{}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(record | broken, schema)


def test_the_record_holds_the_tables(findings, record):
    assert record["threshold"]["value"] == findings.audit.threshold.value
    assert record["verdict"] == verdict(findings)
    for section, said in zip(findings.audit.groupings, record["groupings"], strict=True):
        for name in ("groups", "small", "measures", "differences"):
            table = getattr(section, name)
            table = table.astype(object).where(table.notna(), None)
            assert said[name] == table.to_dict("records")
    assert record["tree"]["n_grown"] + record["tree"]["n_read"] == N_SPEAKERS


def test_csv_tables_hold_what_the_record_holds(folder, record):
    groups = pd.read_csv(folder / "groups.csv", keep_default_na=False)
    assert len(groups) == sum(len(section["groups"]) for section in record["groupings"]) == 5
    first = record["groupings"][0]["groups"][0]
    assert float(groups["false_match_rate"][0]) == pytest.approx(first["false_match_rate"])
    for name in ("overall", "measures", "differences", "cohorts", "discovered"):
        assert len(pd.read_csv(folder / f"{name}.csv"))


def test_the_worst_cohort_is_a_list_of_speakers(folder, findings, record):
    cohort = pd.read_csv(folder / "cohort.csv", dtype=str)
    assert list(cohort.columns) == ["speaker", "cohort", "certain"]
    assert list(cohort["speaker"]) == list(findings.worst.speakers)
    assert set(cohort["certain"]) == {"True"}
    worst = record["worst_cohort"]
    assert (worst["name"], worst["n_speakers"]) == (cohort["cohort"][0], len(cohort))
    # it is the group that the verdict names
    assert set(cohort["speaker"]) == {f"s{number:03d}" for number in range(40, 80)}
    assert (worst["kind"], worst["labels"]) == ("group", [QUOTED])
    assert f"It is worse for {QUOTED!r}" in record["verdict"][0]
    assert record["conclusion"][0]["answer"].startswith(f"{QUOTED!r} (by group & more).")


def test_three_sentences_come_first(findings, page):
    lines = verdict(findings)
    assert len(lines) == 3
    assert f"It is worse for {QUOTED!r} (by group & more)" in lines[0]
    assert "GARBE" in lines[1]
    assert "Without labels" in lines[2]
    text = "".join(Reader(page).text)
    places = [text.index(line) for line in lines]
    assert places == sorted(places)
    assert places[-1] < text.index("By group & more")


def test_where_nothing_is_certain_the_verdict_says_so():
    scores, metadata, _ = planted(drop=0, seed=1)
    audit = audit_scores(scores, metadata, ["half"], n_resamples=40)
    lines = verdict(find_cohorts(audit, metadata, title="t"))
    assert lines[0].startswith("No difference between the groups is certain. The largest")
    assert "0 of 3 differences" in lines[1]
    assert "finds no region" in lines[2]


def test_names_are_text_and_never_markup(page):
    assert BOLD not in page
    assert "<i>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    words = [node.text for node in ElementTree.fromstring(figures[0]).iter() if node.text]
    assert BOLD in words
    assert QUOTED in words
    assert TINY not in words  # no rates, so not in the plots
    assert TITLE in Reader(page).text


def test_few_speakers_give_a_page_without_cohorts(tmp_path):
    scores, metadata, _ = planted()
    few = [f"s{number:03d}" for number in range(32, 44)]
    metadata = metadata[metadata["speaker"].isin(few)]
    audit = audit_scores(scores, metadata, ["group & more"], n_resamples=5)
    found = find_cohorts(audit, metadata, title="t")
    assert verdict(found)[0] == "No verdict: no column has two groups of 10 speakers or more."
    assert found.worst is None
    page = AuditResult(found).save(tmp_path).read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "12 speakers, and 40 are needed" in page
    assert len(pd.read_csv(tmp_path / "cohort.csv")) == 0
    jsonschema.validate(json.loads(to_json(audit_record(found))), json.loads(SCHEMA.read_text()))


def test_headline_figures_are_those_of_the_measures(findings):
    figures = headline_figures(findings)
    assert list(figures) == ["group & more", "half"]
    table = findings.audit.groupings[0].measures.set_index(["measure", "figure"])["value"]
    assert figures["group & more"]["garbe"] == table["garbe", ""]
    assert figures["group & more"]["gap_false_match_rate"] == table["gap", "false_match_rate"]
    assert figures["group & more"]["n_certain"] >= 1 > figures["half"]["n_certain"]


def test_a_page_that_lacks_content_is_refused():
    with pytest.raises(Exception, match="undefined"):
        render("audit.html", title="t")


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    with new_figure(2, 2) as figure:
        figure.subplots().set_title("$5-$9 中文")
        svg = to_svg(figure)
    assert dict(matplotlib.rcParams) == before
    assert "$5-$9 中文" in [node.text for node in ElementTree.fromstring(svg).iter()]


def test_percent():
    assert [percent(value) for value in (0.0, 0.0424, math.nan)] == ["0.0 %", "4.2 %", "–"]


def test_searched_cohorts_have_a_mean_error_by_name(findings, page):
    assert MEAN_ERROR in "".join(Reader(page).text)
    heads = (re.sub("<[^>]*>", "", head) for head in re.findall(r"<th [^>]*>(.*?)</th>", page))
    headers = [header for header in heads if "error" in header]
    assert len(headers) >= 6
    assert all(header.startswith("mean error") for header in headers)
    rates, cohorts = (list(audit_tables(findings))[place] for place in (0, -1))
    assert "trials within each group" in rates.title
    assert MEAN_ERROR in cohorts.title
    assert "mean error" in cohorts.header


def test_terms_are_links_once_a_sentence_and_names_stay_text():
    said = str(linked("FMR <b>, FMRx and FMR; own FNMR", ["FMR", "FNMR"]))
    assert said == (
        '<a class="term" href="#term-fmr">FMR</a> &lt;b&gt;, FMRx and FMR; own '
        '<a class="term" href="#term-fnmr">FNMR</a>'
    )
    assert str(linked("a\u202eb", ["FMR"])) == "a\\u202eb"
    assert str(linked("FMR", [])) == "FMR"


def test_the_page_begins_with_where_it_comes_from():
    scores, metadata, _ = planted()
    scores = scores.assign(**{side: scores[side].str[:4] for side in ("enroll", "test")})
    people = metadata.drop(columns="path")
    result = spkid.audit(scores, people, by="half", n_resamples=5).made_by("spkid audit x.txt")
    text = "".join(Reader(audit_page(result.findings)).text)
    places = [text.index(each) for each in ("UTC", "numpy", "in memory", "spkid audit x.txt")]
    assert places == sorted(places)
    assert places[-1] < text.index("Who is worse off?")
    assert result.record()["origin"]["command"] == "spkid audit x.txt"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_known_is_a_dash_and_never_nan(value):
    assert [pages.percent(value), pages.signed(value), pages.number(value)] == ["–"] * 3
    assert pages.span(value, 1.0, pages.percent) == ""
    assert pages.points(0.0, value) == "95 % interval not known"
    assert pages.number(1e300) == "1e+300"
