"""The audit on the command line: exit codes for scripts, two systems, one sentence on bad input."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from planted import planted_voices

from spkid import printing
from spkid.audit.report.record import SCHEMA


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path):
    """Scores of two systems of 48 speakers, their metadata and vectors; the second is better."""
    rng = np.random.default_rng(0)
    group = np.arange(48) % 2
    lines = {"old.scores": [], "new.scores": []}
    for number in range(48):
        name = f"s{number:03d}/0.wav"
        for clip in range(1, 7):
            score = rng.normal(3 - 1.5 * group[number])
            other = f"s{number:03d}/{clip}.wav"
            for file, gain in (("old.scores", 0), ("new.scores", 1.2 * group[number])):
                lines[file].append(f"{name} {other} {score + gain:.6f} target")
        others = [other for other in range(48) if other != number]
        for other in rng.choice(others, 8, replace=False):
            for file in lines:
                lines[file].append(f"{name} s{other:03d}/0.wav {rng.normal():.6f} nontarget")
    for file, text in lines.items():
        (tmp_path / file).write_text("\n".join(text))
    clips, vectors = planted_voices(group, seed=0, n_clips=7)
    own = np.repeat(np.arange(48), 7)
    people = clips.assign(group=np.array(["north", "south"])[group[own]], half=own // 24)
    people.to_csv(tmp_path / "people.csv", index=False)
    np.savez(tmp_path / "v.npz", paths=clips["path"].to_numpy(str), embeddings=vectors)
    return tmp_path


AUDIT = ("audit", "old.scores", "--metadata", "people.csv", "--by", "group,half", "--out", "out")


def test_an_audit_with_cohorts_writes_everything(spkid, files):
    code, out, err = spkid(*AUDIT, "--embeddings", "v.npz", "--tree", "group,half")
    assert code == 0, err
    assert {path.name for path in (files / "out").iterdir()} == {
        *("audit.html", "audit.json", "overall.csv", "groups.csv", "small.csv", "measures.csv"),
        *("differences.csv", "cohorts.csv", "cohort.csv", "discovered.csv"),
    }
    assert "It is worse for 'south' (by group)" in out
    assert "Without labels" in out
    assert "old.scores was read as" in err
    assert "old.scores was read as" not in out
    assert "speakers who sound alike" in out
    record = json.loads((files / "out" / "audit.json").read_text())
    worst = pd.read_csv(files / "out" / "cohort.csv")
    south = {f"s{number:03d}" for number in range(1, 48, 2)}
    assert set(worst["speaker"]) == south
    assert record["worst_cohort"]["n_speakers"] == 24
    assert record["tree"]["columns"] == ["group", "half"]
    code, out, _ = spkid(*AUDIT, "--json")
    assert code == 0
    assert json.loads(out)["n_trials"] == 48 * 14


def test_a_pdf_needs_a_browser_and_that_is_said_before_any_work(spkid, files, monkeypatch):
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    code, _, err = spkid(*AUDIT, "--pdf")
    assert code == 2
    assert "no browser to print a PDF with" in err
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("conditions", "code", "said"),
    [
        (("garbe>0.2",), 1, "garbe > 0.2 is true for group"),
        (("garbe>0.99",), 0, "Page"),
        (("garbe>0.99", "n_certain[group]>=1"), 1, "n_certain[group] >= 1 is true for group"),
        (("garbe[half]>0.99",), 0, "Page"),
        (("garbe=0.2",), 2, "spkid: the condition 'garbe=0.2'"),
        (("fairness>0.2",), 2, "one of the figures"),
    ],
)
def test_conditions_decide_the_exit_code(spkid, files, conditions, code, said):
    words = [word for condition in conditions for word in ("--fail-if", condition)]
    found, _, err = spkid(*AUDIT, *words)
    assert found == code
    assert said in err
    # a condition that cannot be read is said before any work is done
    assert (files / "out").exists() == ("=0" not in conditions[0] or ">" in conditions[0])


def test_two_systems_are_compared(spkid, files):
    words = ("--metadata", "people.csv", "--by", "group", "--out", "out")
    code, out, err = spkid("audit", "--compare", "old.scores", "new.scores", *words)
    assert code == 0, err
    assert "From old.scores to new.scores, the share of own clips rejected goes from" in out
    assert "Certainly better: south" in out
    assert "paired by speaker" in out
    record = json.loads((files / "out" / "compare.json").read_text())
    assert (record["first"], record["second"]) == ("old.scores", "new.scores")
    better = ("--compare", "new.scores", "old.scores", *words, "--fail-if", "change_garbe>0")
    code, out, err = spkid("audit", *better, "--json")
    assert code == 1
    assert json.loads(out)["n_speakers"] == 48
    assert "change_garbe > 0 is true for group" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*AUDIT, "new.scores"), "2 score files; expected one, or two with --compare"),
        ((*AUDIT, "--compare"), "1 score files; expected two with --compare"),
        ((*AUDIT, "--store", "s.sqlite3"), "1 score files; expected one, or two with --compare"),
        (AUDIT[:2] + AUDIT[4:], "no --metadata"),
        ((*AUDIT, "--household", "home"), "--household; expected --store with it"),
        ((*AUDIT, "--by", ","), "--by ','"),
        ((*AUDIT, "--tree", "accent"), "without the column accent"),
        ((*AUDIT, "--embeddings", "people.csv"), "not a usable table of embeddings"),
        ((*AUDIT, "--embeddings", "v.npz", "--share", "0.7"), "--share 0.7"),
        ((*AUDIT, "--embeddings", "other.npz"), "vectors of clips that the metadata does not name"),
        ((*AUDIT, "--out", "people.csv"), "expected a folder to write to"),
    ],
)
def test_bad_input_is_one_sentence(spkid, files, words, said):
    np.savez(files / "other.npz", paths=np.array(["x.wav"]), embeddings=np.ones((1, 4)))
    code, _, err = spkid(*words)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_household_log_is_audited_as_it_was_answered(spkid, tmp_path):
    rng = np.random.default_rng(0)
    rows, people = [], []
    for number in range(48):
        name, missed = f"p{number}", 0.5 if number % 2 else 0.05
        people.append((name, "child" if number % 2 else "adult"))
        for _ in range(10):
            answer = "" if rng.random() < missed else name
            rows.append((f"h{number // 3}", name, name, answer))
            rows.append((f"h{number // 3}", name, "", name if rng.random() < 0.05 else ""))
    columns = ["household", "speaker", "truth", "answer"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "log.csv", index=False)
    people = pd.DataFrame(people, columns=["speaker", "age_group"])
    people.to_csv(tmp_path / "people.csv", index=False)
    words = ("--metadata", "people.csv", "--by", "age_group", "--out", "out")
    code, out, err = spkid("audit", "log.csv", "--decisions", *words)
    assert code == 0, err
    assert "of members' clips are missed" in out
    assert "It is worse for 'child'" in out
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    assert record["kind"] == "household"
    assert "960 clips heard at home" in (tmp_path / "out" / "audit.html").read_text()
    assert pd.read_csv(tmp_path / "out" / "cohort.csv").empty
    code, _, err = spkid("audit", "log.csv", "--decisions", *words, "--tree", "age_group")
    assert code == 2
    assert "leave them out" in err


def test_labels_may_come_from_a_trial_list(spkid, files):
    labelled = pd.read_csv(files / "old.scores", sep=" ", names=["e", "t", "s", "label"])
    labelled = labelled.drop_duplicates(["e", "t"])
    labelled.to_csv(files / "whole.scores", sep=" ", header=False, index=False)
    labelled[["e", "t", "s"]].to_csv(files / "bare.scores", sep=" ", header=False, index=False)
    labelled[["e", "t", "label"]].to_csv(files / "list.txt", sep=" ", header=False, index=False)
    words = ("--metadata", "people.csv", "--by", "group", "--json")
    code, whole, err = spkid("audit", "whole.scores", *words, "--out", "whole")
    assert code == 0, err
    bare = ("audit", "bare.scores", *words, "--out", "bare")
    code, joined, err = spkid(*bare, "--trials", "list.txt")
    assert code == 0, err
    assert json.loads(joined)["groupings"] == json.loads(whole)["groupings"]
    code, _, err = spkid(*bare)
    assert code == 2
    assert err.count("\n") == 1
    code, _, err = spkid(*bare, "--truth", "list.txt")
    assert code == 2
    assert "--truth with --decisions" in err


def test_the_truth_of_a_log_may_lie_beside_it(spkid, tmp_path):
    rng = np.random.default_rng(1)
    log, truth, people = [], [], []
    for number in range(48):
        name = f"p{number}"
        people.append((name, "child" if number % 2 else "adult"))
        for clip in range(10):
            answer = "" if rng.random() < 0.2 else name
            log.append((f"h{number // 3}", f"{name}-{clip}.wav", answer))
            truth.append((f"{name}-{clip}.wav", name, name))
        log.append((f"h{number // 3}", f"{name}-guest.wav", ""))
        truth.append((f"{name}-guest.wav", name, ""))
    for file, rows, columns in (
        ("log.csv", log, ["household", "clip", "answer"]),
        ("truth.csv", truth, ["clip", "speaker", "truth"]),
        ("people.csv", people, ["speaker", "age_group"]),
    ):
        pd.DataFrame(rows, columns=columns).to_csv(tmp_path / file, index=False)
    words = ("--metadata", "people.csv", "--by", "age_group", "--out", "out")
    code, _, err = spkid("audit", "log.csv", "--decisions", *words)
    assert code == 2
    assert err.count("\n") == 1
    code, _, err = spkid("audit", "log.csv", "--decisions", "--truth", "truth.csv", *words)
    assert code == 0, err
    missed = sum(answer == "" and "guest" not in clip for _, clip, answer in log) / 480
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    overall = {row["figure"]: row["value"] for row in record["overall"]}
    assert overall["false_negative_identification_rate"] == pytest.approx(missed)
