"""Mitigation without torch: calibration by group, the trade, and who is used for what."""

from __future__ import annotations

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from planted import planted_trials, planted_voices
from typer.testing import CliRunner

from spkid.audit.cohorts.findings import find_cohorts
from spkid.audit.grouping import attach_groups, parse_grouping
from spkid.audit.report.record import record_files
from spkid.audit.verification import audit_scores
from spkid.cli.main import app
from spkid.data.score_files import read_score_file, write_scores
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import SpkidError
from spkid.files import write_texts
from spkid.mitigation.conclusion import mitigation_conclusion
from spkid.mitigation.groupwise import CAVEAT, groupwise_calibration
from spkid.mitigation.membership import membership_calibration, trial_membership
from spkid.mitigation.trade import trade_off
from spkid.mitigation.words import Mitigation
from spkid.mitigation.worst_cohort import WorstCohort, worst_group

IS_BAD = np.arange(60) % 3 == 0
NAMES = [f"s{number:03d}" for number in range(60)]
COHORT = {name for name, bad in zip(NAMES, IS_BAD, strict=True) if bad}
CHOOSING = set(NAMES[:30])


@pytest.fixture(scope="module")
def trials():
    return planted_trials(IS_BAD, drop=1.5, seed=3)


def logistic_by_hand(target, impostor):
    """Newton's steps on the log loss in which both kinds weigh the same."""
    scores = np.concatenate([target, impostor])
    label = np.repeat([1.0, 0.0], [len(target), len(impostor)])
    weight = np.where(label == 1, 0.5 / len(target), 0.5 / len(impostor))
    rows = np.stack([scores, np.ones_like(scores)], axis=1)
    theta = np.zeros(2)
    for _ in range(50):
        share = 1 / (1 + np.exp(-rows @ theta))
        slope = rows.T @ (weight * (share - label))
        curve = (rows * (weight * share * (1 - share))[:, None]).T @ rows
        theta -= np.linalg.solve(curve, slope)
    return theta


def test_calibration_by_group_is_a_logistic_fit_for_each_side(trials):
    score = trials["score"].to_numpy()
    found = groupwise_calibration(trials, score, cohort=COHORT, choosing=CHOOSING)
    for inside in (True, False):
        target, impostor, rows = [], [], []
        for place, row in enumerate(trials.itertuples()):
            if (row.enroll_speaker in COHORT) != inside:
                continue
            rows.append(place)
            if row.enroll_speaker in CHOOSING and row.test_speaker in CHOOSING:
                (target if row.label else impostor).append(row.score)
        scale, offset = logistic_by_hand(np.array(target), np.array(impostor))
        np.testing.assert_allclose(found[rows], scale * score[rows] + offset, atol=1e-2)


def test_calibration_needs_both_sides_to_fit_on(trials):
    score = trials["score"].to_numpy()
    with pytest.raises(SpkidError, match="3 speakers in the cohort to fit"):
        groupwise_calibration(trials, score, cohort=COHORT, choosing=set(NAMES[:9]))


def traded(trials, scores, **options):
    return trade_off(
        trials,
        scores,
        cohort=COHORT,
        choosing=CHOOSING,
        may_be_chosen=["ewc"],
        false_match_rate=0.05,
        **options,
    )


def errors_by_loop(trials, score, threshold, weight):
    """Mean error of the cohort, of all others and of everybody; ``weight`` by speaker."""
    sums = {}
    for row, value in zip(trials.itertuples(), score, strict=True):
        if row.enroll_speaker in CHOOSING or row.test_speaker in CHOOSING:
            continue
        pair = (row.enroll_speaker, row.test_speaker)
        times = weight[pair[0]] * (1 if row.label else weight[pair[1]])
        wrong = (value >= threshold) != row.label
        for name in pair[:1] if row.label else pair:  # counts for each of the two
            for group in ("all", name in COHORT):
                total = sums.setdefault((group, row.label), [0.0, 0.0])
                total[0] += times * wrong
                total[1] += times
    rate = {key: wrong / total for key, (wrong, total) in sums.items()}
    return [(rate[group, True] + rate[group, False]) / 2 for group in (True, False, "all")]


def test_the_trade_is_what_a_loop_over_trials_counts(trials):
    rng = np.random.default_rng(1)
    before = trials["score"].to_numpy()
    after = before + 0.5 * rng.normal(size=len(before))
    found = traded(trials, {"before": before, "ewc": after}, n_resamples=40, seed=9)
    reading = [name for name in NAMES if name not in CHOOSING]
    draws = np.random.default_rng(9).multinomial(30, np.full(30, 1 / 30), size=40)
    gaps = []
    for system, score in (("before", before), ("ewc", after)):
        both = trials["enroll_speaker"].isin(CHOOSING) & trials["test_speaker"].isin(CHOOSING)
        strangers = score[both & ~trials["label"]]
        threshold = found.thresholds[system]
        assert (strangers >= threshold).sum() == int(0.05 * len(strangers))
        whole = errors_by_loop(trials, score, threshold, dict.fromkeys(reading, 1))
        for figure, value in zip(("error_cohort", "error_others", "error"), whole, strict=True):
            assert found.at(system, figure)["value"] == pytest.approx(value)
        resampled = [
            errors_by_loop(trials, score, threshold, dict(zip(reading, draw, strict=True)))
            for draw in draws
        ]
        gaps.append([own - others for own, others, _ in [whole, *resampled]])
    row = found.at("ewc", "gap")
    change = np.subtract(gaps[1], gaps[0])
    assert row["change"] == pytest.approx(change[0])
    reach = 2.262157 * change[1:].std()  # Student's t, ten speakers of the cohort
    assert row["change_low"] == pytest.approx(change[0] - reach, rel=1e-5)
    assert row["change_high"] == pytest.approx(change[0] + reach, rel=1e-5)
    assert row["high"] - row["value"] == pytest.approx(2.262157 * np.std(gaps[1][1:]), rel=1e-5)


def test_a_planted_gain_is_chosen_and_certain(trials):
    before = trials["score"].to_numpy()
    lifted = before + 1.5 * (trials["label"] & trials["enroll_speaker"].isin(COHORT)).to_numpy()
    found = traded(trials, {"before": before, "ewc": lifted}, n_resamples=200)
    assert found.chosen == "ewc"
    gap = found.at("ewc", "gap")
    assert gap["certain"]
    assert gap["change_high"] < 0
    assert found.at("ewc", "error")["change"] < 0
    assert (found.n_choosing, found.n_read, found.n_read_cohort) == (30, 30, 10)


def test_calibration_is_never_chosen_and_no_change_is_none(trials):
    before = trials["score"].to_numpy()
    lifted = before + 1.5 * (trials["label"] & trials["enroll_speaker"].isin(COHORT)).to_numpy()
    found = traded(trials, {"before": before, "calibration": lifted, "ewc": before}, n_resamples=50)
    assert found.chosen == ""
    assert found.at("calibration", "gap")["change"] < 0
    assert found.at("ewc", "gap")["change"] == 0
    assert not found.at("ewc", "gap")["certain"]


def test_the_four_answers_of_a_gain_and_of_none(trials):
    before = trials["score"].to_numpy()
    own = (trials["label"] & trials["enroll_speaker"].isin(COHORT)).to_numpy()
    found = traded(trials, {"before": before, "ewc": before + 1.5 * own}, n_resamples=200)
    cohort = SimpleNamespace(name="group: bad")
    told = Mitigation("", cohort, found, pd.DataFrame(), ())
    who, much, sure, then = (each.answer for each in mitigation_conclusion(told))
    assert who == "The cohort 'group: bad': 10 of 30 held-out speakers."
    errors = [found.at(system, "error_cohort")["value"] for system in ("before", "ewc")]
    counts = [int(100 * error + 0.5) for error in errors]
    assert f"Of 100 clips, half of them their own and half strangers', {counts[0]} are" in much
    assert f"With fine-tuning (EWC): {counts[1]} for them" in much
    assert sure.startswith("That they are worse off is sure (95 % interval +")
    assert sure.endswith("is sure.")
    assert then.startswith("Take fine-tuning (EWC)")
    table = found.table.assign(certain=False)
    unsure = dataclasses.replace(told, trade=dataclasses.replace(found, table=table))
    assert mitigation_conclusion(unsure)[3].answer.startswith("Do not rely on fine-tuning (EWC)")
    table.loc[(table["system"] == "ewc") & (table["figure"] == "error"), ["certain", "change"]] = [
        True,
        0.1,
    ]
    assert mitigation_conclusion(unsure)[3].answer.startswith("Do not take fine-tuning (EWC)")
    none = dataclasses.replace(told, trade=dataclasses.replace(found, chosen=""))
    assert mitigation_conclusion(none)[3].answer.startswith("Keep the system as it is")
    assert "With" not in mitigation_conclusion(none)[1].answer


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_system_whose_scores_compare_with_nothing_is_refused(trials, value):
    before = trials["score"].to_numpy()
    broken = np.where(np.arange(len(before)) == 7, value, before)
    with pytest.raises(SpkidError, match="scores of 'ewc' that are NaN or infinite"):
        traded(trials, {"before": before, "ewc": broken}, n_resamples=2)


def test_too_few_to_read_are_refused(trials):
    with pytest.raises(SpkidError, match="2 held-out speakers in the cohort"):
        trade_off(
            trials,
            {"before": trials["score"].to_numpy()},
            cohort=NAMES[-2:],
            choosing=CHOOSING,
            may_be_chosen=(),
            false_match_rate=0.05,
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Score file, metadata, and a folder of an audit for each kind of worst cohort."""
    root = tmp_path_factory.mktemp("audits")
    trials = planted_trials(IS_BAD, drop=2.0, seed=5)
    scores = trials.rename(columns={"enroll_speaker": "enroll", "test_speaker": "test"})
    write_scores(root / "x.scores", scores)
    age = np.where(IS_BAD, "child", "adult")
    half = np.array(["even", "odd"])[np.arange(60) // 2 % 2]
    people = pd.DataFrame({"speaker": NAMES, "age": age, "half": half})
    more = pd.DataFrame({"speaker": ["t1", "t2"], "age": ["child", "adult"], "half": "odd"})
    people = pd.concat([people, more], ignore_index=True)
    people.to_csv(root / "people.csv", index=False)
    clips, vectors = planted_voices(IS_BAD.astype(int), seed=5, n_clips=1)
    table = EmbeddingTable({name: row for row, name in enumerate(clips["speaker"])}, vectors, "m")
    for by, embeddings in (("age", None), ("half", table)):
        audit = audit_scores(scores, people, [by], n_resamples=20)
        found = find_cohorts(audit, people, title="x", embeddings=embeddings)
        for kind in ("group", "region") if by == "age" else ("discovered",):
            (root / kind).mkdir()
            own = tuple(cohort for cohort in found.cohorts if cohort.kind == kind)
            write_texts(root / kind, record_files(dataclasses.replace(found, cohorts=own)))
    trials, _, _ = attach_groups(scores, people, (parse_grouping("age"), parse_grouping("half")))
    return root, people, trials, (clips, vectors)


def test_a_known_cohort_and_who_is_like_it(files):
    root, people, trials, voices = files
    cohort = WorstCohort.read(root / "group")
    assert cohort.kind == "group"
    assert cohort.speakers == COHORT
    choosing = cohort.choosing(trials)
    order = np.random.default_rng(0).permutation(60)
    assert choosing == {name for name, place in zip(NAMES, order, strict=True) if place < 30}
    assert cohort.like_them(people, voices) == COHORT | {"t1"}
    assert cohort.false_match_rate(np.array([])) == 0.05
    with pytest.raises(SpkidError, match="the audit had 840"):
        cohort.choosing(trials.iloc[1:])


def test_a_discovered_cohort_is_read_on_those_not_searched(files):
    root, people, trials, (clips, vectors) = files
    cohort = WorstCohort.read(root / "discovered")
    assert cohort.kind == "discovered"
    members = pd.read_csv(root / "discovered" / "discovered.csv")
    assert cohort.choosing(trials) == set(members["speaker"][members["searched"]])
    # strangers to the audit, with the voices of two bad and one good speaker of it
    other = pd.DataFrame({"path": list("abc"), "speaker": ["n1", "n2", "n3"]})
    heard = pd.concat([clips, other], ignore_index=True)
    rows = np.concatenate([vectors, vectors[[0, 3, 1]]])
    assert cohort.like_them(people, (heard, rows)) == COHORT | {"n1", "n2"}


def test_a_region_is_found_again_by_its_rule(files):
    root, people, trials, voices = files
    cohort = WorstCohort.read(root / "region")
    assert (cohort.kind, cohort.name) == ("region", "age is child")
    assert len(cohort.choosing(trials)) == cohort.record["tree"]["n_grown"]
    assert cohort.like_them(people, voices) == COHORT | {"t1"}


def test_a_category_that_the_audit_never_split_by_counts_as_unknown(files):
    root, people, _, voices = files
    cohort = WorstCohort.read(root / "region")
    assert cohort.record["tree"]["categories"] == {"age": ["adult", "child"]}
    (condition,) = cohort.conditions
    others = pd.DataFrame({"speaker": ["t3", "t4"], "age": ["teenager", ""], "half": "odd"})
    people = pd.concat([people, others], ignore_index=True)
    assert cohort.like_them(people, voices) == COHORT | {"t1"}
    wide = dataclasses.replace(
        cohort, conditions=(dataclasses.replace(condition, or_unknown=True),)
    )
    assert wide.like_them(people, voices) == COHORT | {"t1", "t3", "t4"}


def test_the_worst_group_of_some_speakers(files):
    _, _, trials, _ = files
    assert worst_group(trials, 1.6, ["age", "half"], NAMES) == ("age", "child")
    good = [name for name in NAMES if name not in COHORT]
    assert worst_group(trials, 1.6, ["age"], good) == ("", "")


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_with_a_score_file_alone(files, tmp_path):
    root = files[0]
    options = ("--audit", root / "group", "--metadata", root / "people.csv")
    result = run(
        *("mitigate", root / "x.scores", *options),
        *("--methods", "calibration", "--out", tmp_path),
    )
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "mitigation.json").read_text())
    assert record["caveat"] == CAVEAT
    assert record["chosen"] is None
    assert "point to the same worst group" in record["notes"][0]
    table = pd.read_csv(tmp_path / "mitigation.csv").set_index(["system", "figure"])
    gap = table.loc[("calibration", "gap")]
    page = (tmp_path / "mitigation.html").read_text()
    sources = record["origin"]["sources"]
    assert [each["role"] for each in sources] == ["scores", "audit", "metadata"]
    for shown in (record["origin"]["made_at"], *(each["sha256"][:16] for each in sources)):
        assert shown in page
    assert not re.search(r"""(?:src|href)=["'](?!#)|<script""", page)
    cells = re.findall(
        r'data-system="calibration" data-figure="gap"><span class="value">(.*?)</span></td>'
        r"<td [^>]*>(.*?)</td>",
        re.sub(r'<span class="range">.*?</span>', "", page),
    )
    (cell,) = cells
    assert cell[0] == f"{100 * gap['value']:+.1f}"
    assert cell[1].startswith(f"{100 * gap['change']:+.1f} (")
    assert CAVEAT.split(":")[0] in page
    people = pd.read_csv(tmp_path / "speakers.csv")
    assert dict(people["used_for"].value_counts()) == {"choosing": 30, "reading": 30}
    assert set(people["speaker"][people["cohort"]]) == COHORT
    assert {"before.scores", "calibration.scores"} <= {path.name for path in tmp_path.iterdir()}


def test_membership_stands_beside_the_other_methods(files, tmp_path):
    root, _, trials, (clips, vectors) = files
    voices = dict(zip(clips["speaker"], vectors, strict=True))  # the sides are names here
    save_embeddings(tmp_path / "voices.npz", voices, model="m", dim=vectors.shape[1])
    result = run(
        *("mitigate", root / "x.scores", "--audit", root / "discovered"),
        *("--metadata", root / "people.csv", "--embeddings", tmp_path / "voices.npz"),
        *("--methods", "calibration,membership", "--out", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "mitigation.html").read_text()
    assert "calibration by membership" in page
    table = pd.read_csv(tmp_path / "out" / "mitigation.csv").set_index(["system", "figure"])
    assert table.loc[("membership", "gap"), "change_high"] < 0
    written = read_score_file(tmp_path / "out" / "membership.scores").table["score"]
    choosing = WorstCohort.read(root / "discovered").choosing(trials)
    table = EmbeddingTable.load(tmp_path / "voices.npz")
    shares = trial_membership(trials, table, choosing=choosing)
    found = membership_calibration(trials, trials["score"].to_numpy(), shares, choosing=choosing)
    np.testing.assert_allclose(written, found, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"--methods": "magic"}, "--methods 'magic'"),
        ({"--methods": "membership"}, "--methods membership without --embeddings"),
        ({"--methods": "ewc"}, "--methods ewc without --data or --encoder"),
        ({"--audit": "nowhere"}, "no audit.json that can be read"),
        ({"--metadata": "nowhere.csv"}, "cannot be read as CSV"),
    ],
)
def test_bad_input_is_one_sentence(files, tmp_path, changed, says):
    root = files[0]
    options = {
        "--audit": root / "group",
        "--metadata": root / "people.csv",
        "--methods": "calibration",
        "--out": tmp_path / "out",
    } | changed
    words = [word for pair in options.items() for word in pair]
    result = run("mitigate", root / "x.scores", *words)
    assert isinstance(result.exception, SpkidError)
    assert says in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_an_audit_without_a_worst_cohort(files, tmp_path):
    record = json.loads((files[0] / "group" / "audit.json").read_text())
    (tmp_path / "audit.json").write_text(json.dumps(record | {"worst_cohort": None}))
    with pytest.raises(SpkidError, match="no cohort is worse off"):
        WorstCohort.read(tmp_path)
    (tmp_path / "audit.json").write_text(json.dumps(record | {"threshold": None}))
    with pytest.raises(SpkidError, match="an audit of decisions"):
        WorstCohort.read(tmp_path)
