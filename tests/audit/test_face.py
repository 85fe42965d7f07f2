"""The face: one call from files or tables, the figures of the parts, and a folder of results."""

from __future__ import annotations

import doctest
import html
import json
import math

import jsonschema
import numpy as np
import pandas as pd
import pytest
from planted import planted_trials, planted_voices

import spkid
from spkid.audit import MIN_SPEAKERS, AuditResult, face
from spkid.audit.inputs import described
from spkid.audit.report.record import SCHEMA
from spkid.audit.verification import audit_scores
from spkid.data.score_files import write_scores
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable, SpkidError

IS_BAD = np.arange(48) % 2 == 1
IS_BAD_BY_NAME = {f"s{number:03d}": bad for number, bad in enumerate(IS_BAD)}


@pytest.fixture(scope="module")
def tables():
    trials = planted_trials(IS_BAD, drop=1.5, seed=0)
    scores = trials.set_axis(["enroll", "test", "score", "label"], axis=1)
    people = pd.DataFrame(
        {
            "speaker": [f"s{number:03d}" for number in range(48)],
            "region": np.where(IS_BAD, "south", "north"),
            "age": np.arange(48.0) + 20,
        }
    )
    return scores, people


@pytest.fixture(scope="module")
def result(tables):
    return spkid.audit(*tables, by=["region", "age:40"], n_resamples=50)


def test_the_package_is_the_function(tables, result):
    assert spkid.audit is __import__("spkid.audit").audit
    assert isinstance(result, AuditResult)
    assert spkid.audit.MIN_SPEAKERS is MIN_SPEAKERS
    with pytest.raises(AttributeError, match="no attribute 'verdicts'"):
        spkid.audit.verdicts  # noqa: B018


def test_the_face_gives_what_the_parts_give(tables, result):
    own = audit_scores(*tables, ["region", "age:40"], n_resamples=50)
    pd.testing.assert_frame_equal(result.groups("region"), own.groupings[0].groups)
    assert result.verdict.startswith("It is worse for 'south' (by region)")
    assert len(result.verdict.splitlines()) == 3
    assert result.figures["region"]["n_certain"] >= 1
    with pytest.raises(SpkidError, match="no groups by 'accent'; expected one of region, age:40"):
        result.groups("accent")


def test_files_give_what_tables_give(tables, result, tmp_path):
    scores, people = tables
    rounded = scores.assign(score=scores["score"].round(6))
    write_scores(tmp_path / "x.scores", scores)
    people.to_csv(tmp_path / "people.csv", index=False)
    read = spkid.audit(
        str(tmp_path / "x.scores"), tmp_path / "people.csv", by="region", n_resamples=50
    )
    memory = spkid.audit(rounded, people, by="region", n_resamples=50)
    pd.testing.assert_frame_equal(read.groups("region"), memory.groups("region"))
    assert read.record()["title"] == "Audit of x.scores"
    assert "was read as" in read.notes[0]


def test_ones_and_zeros_are_labels_and_anything_else_is_refused(tables, result):
    scores, people = tables
    numbers = scores.assign(label=scores["label"].astype(int))
    same = spkid.audit(numbers, people, by="region", n_resamples=50)
    pd.testing.assert_frame_equal(same.groups("region"), result.groups("region"))
    for wrong in (scores["label"].map({True: 2, False: 0}), scores["label"].where(scores["label"])):
        with pytest.raises(BadTable, match="neither true nor false"):
            spkid.audit(scores.assign(label=wrong), people, by="region")
    with pytest.raises(BadTable, match="without the column label"):
        spkid.audit(scores.drop(columns="label"), people, by="region")
    with pytest.raises(BadTable, match="without the column speaker"):
        spkid.audit(scores, people.drop(columns="speaker"), by="region")
    with pytest.raises(BadTable, match="a trial list beside it"):
        spkid.audit(scores, people, by="region", trials=scores)


def test_a_missing_value_in_a_table_is_unknown(tables):
    scores, people = tables
    some = people.assign(region=people["region"].where(people.index > 3))
    assert list(described(some)[0]["region"][:5]) == ["", "", "", "", "north"]
    result = spkid.audit(scores, some, by="region", n_resamples=20)
    assert set(result.groups("region")["group"]) == {"north", "south"}
    assert result.groups("region")["n_speakers"].sum() == 44


def test_save_writes_the_page_and_the_record(result, tmp_path):
    page = result.save(tmp_path / "new" / "report")
    assert page == tmp_path / "new" / "report" / "audit.html"
    record = json.loads((page.parent / "audit.json").read_text())
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    assert record["verdict"] == result.verdict.splitlines()
    with pytest.raises(SpkidError, match="a folder to write to"):
        result.save(page)


def test_what_defines_a_cohort_is_in_the_record_as_data(tables):
    scores, people = tables
    clips, vectors = planted_voices(IS_BAD.astype(int), seed=0, n_clips=1)
    table = EmbeddingTable({name: row for row, name in enumerate(clips["speaker"])}, vectors, "m")
    record = spkid.audit(
        scores, people, by="region", embeddings=table, tree=["region"], n_resamples=20
    ).record()
    cohorts = {(each["kind"], each["name"]): each for each in record["cohorts"]}
    known = cohorts["group", "region: south"]
    assert (known["grouping"], known["group"], known["conditions"]) == ("region", "south", [])
    region = cohorts["region", "region is south"]
    assert (region["grouping"], region["group"]) == (None, None)
    assert [each["column"] for each in region["conditions"]] == ["region"]
    assert region["conditions"][0]["values"] == ("south",)
    found = cohorts["discovered", "speakers who sound alike"]
    assert (found["grouping"], found["conditions"]) == (None, [])
    assert record["tree"]["categories"] == {"region": ["north", "south"]}


def test_two_systems_are_compared_by_name(tables):
    scores, people = tables
    better = scores.assign(score=scores["score"] + scores["label"])
    found = face.compare(scores, better, people, by="region", names=("old", "new"), n_resamples=50)
    assert found.verdict.startswith("From old to new, the share of own clips rejected goes from")
    assert found.figures["overall"]["change_false_non_match_rate"] < 0
    assert face.compare(scores, scores, people, by="region", n_resamples=9).comparison.names == (
        "first",
        "second",
    )


def test_a_comparison_says_what_is_left_out_and_checks_the_study_as_an_audit_does(tables, tmp_path):
    scores, people = tables
    others = scores[scores["enroll"] != "s000"]  # as many trials again, all of one speaker
    many = pd.concat([scores, pd.concat([scores[scores["enroll"] == "s001"]] * 40)])
    some = people.assign(region=people["region"].where(people.index > 3, "unknown"))
    found = face.compare(many, others, some, by="region", names=("old", "new"), n_resamples=9)
    alone = [face.audit(each, some, by="region", n_resamples=9) for each in (many, others)]
    for name, own, other in (("old: ", *alone), ("new: ", *reversed(alone))):
        for line in own.counted():
            expected = line if line in other.counted() else name + line
            assert expected in found.counted()
    assert any("in very many of the" in line for line in found.counted())
    assert found.checks[0][0] == "old"
    record = json.loads((found.save(tmp_path).parent / "compare.json").read_text())
    page = (tmp_path / "compare.html").read_text()
    assert [each["system"] for each in record["checks"]] == [name for name, _ in found.checks]
    assert [each["words"] for each in record["left_out"]] == [
        each.words for _, each in found.left_out
    ]
    for each in (*record["left_out"], *record["checks"]):
        assert html.escape(each["words"], quote=False).replace("'", "&#39;") in page


def test_where_a_comparison_leaves_nothing_out_it_says_so(tables):
    scores, people = tables
    own = scores[
        scores["label"]
        | (scores["enroll"].map(IS_BAD_BY_NAME) == scores["test"].map(IS_BAD_BY_NAME))
    ]
    found = face.compare(own, own, people, by="region", n_resamples=9)
    assert found.counted() == ["No trial and no speaker is left out."]


def test_the_result_shows_no_table_in_its_repr(result):
    assert repr(result) == "AuditResult()"


@pytest.mark.parametrize("share", [0, 0.6, math.nan])
def test_a_share_that_is_none_is_refused(tables, share):
    scores, people = tables
    clips, vectors = planted_voices(IS_BAD.astype(int), seed=0, n_clips=1)
    table = EmbeddingTable({name: row for row, name in enumerate(clips["speaker"])}, vectors, "m")
    with pytest.raises(SpkidError, match="share="):
        spkid.audit(scores, people, by="region", embeddings=table, share=share)


def test_the_example_runs():
    assert doctest.testmod(face).failed == 0
    assert doctest.testmod(face).attempted > 5
