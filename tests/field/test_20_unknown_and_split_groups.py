"""Field fault 20, held: unknown is no group, one group has one name, and nobody vanishes silently.

Groups called ``nan`` or ``N/A`` were audited, ``F`` and ``f`` were two groups, and speakers with an
empty cell went missing without a count.
"""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest

import spkid as package
from spkid.data.descriptions import plain_descriptions
from spkid.errors import BadTable

UNKNOWN = ["nan", "N/A", "None", "unknown", "", "-", "?", "NULL", " NaN "]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Scores of 60 speakers by clip; ``files(groups)`` writes the metadata and gives the words."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = []
    for speaker in range(60):
        for clip in range(1, 6):
            lines.append(f"s{speaker}/0 s{speaker}/{clip} {rng.normal(3):.4f} target")
            other = (speaker + clip) % 60
            lines.append(f"s{speaker}/0 s{other}/{clip} {rng.normal():.4f} nontarget")
    (tmp_path / "scores.txt").write_text("\n".join(lines))

    def words(groups):
        rows = [
            (f"s{number}/{clip}", f"s{number}", group)
            for number, group in enumerate(groups)
            for clip in range(6)
        ]
        people = pd.DataFrame(rows, columns=["path", "speaker", "gender"])
        people.to_csv(tmp_path / "people.csv", index=False)
        return ("audit", "scores.txt", "--metadata", "people.csv", "--by", "gender", "--out", "out")

    return words


def test_unknown_is_no_group_and_who_it_is_is_counted_at_the_top(spkid, files, tmp_path):
    words = files([*["f", "m"] * 21, *UNKNOWN, *UNKNOWN])
    code, out, err = spkid(*words)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    groups = record["groupings"][0]["groups"]
    assert [(row["group"], row["n_speakers"]) for row in groups] == [("f", 21), ("m", 21)]
    assert list(record).index("left_out") < list(record).index("groupings")
    unknown = next(each for each in record["left_out"] if each["reason"] == "unknown_group")
    assert (unknown["n_speakers"], unknown["grouping"]) == (18, "gender")
    assert unknown["n_trials"] == record["groupings"][0]["n_unknown"] > 0
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "nothing is known of 18 speakers" in out
    assert out.index("nothing is known of 18 speakers") < out.index("FNMR")
    assert page.index("nothing is known of 18 speakers") < page.index("<h2>By gender</h2>")
    said = next(line for line in record["notes"] if "counts as unknown" in line)
    assert all(repr(word) in said for word in UNKNOWN if word)


def test_case_blanks_and_accents_make_no_groups(spkid, files, tmp_path):
    accented = unicodedata.normalize("NFC", "Zoé"), unicodedata.normalize("NFD", "ZOÉ")
    code, _, err = spkid(*files(["F", "f", "F ", "F", *accented, accented[0], "F"] * 7 + ["f"] * 4))
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    groups = {row["group"]: row["n_speakers"] for row in record["groupings"][0]["groups"]}
    assert groups == {"F": 39, accented[0]: 21}
    assert "gender: 'F', 'F ', 'f' are one group, 'F'." in record["notes"]
    assert sum("are one group" in line for line in record["notes"]) == 2


def test_everybody_is_counted_or_counted_as_left_out(spkid, files, tmp_path):
    words = files(["f", "m", "f"] * 19 + ["x", "x", ""])
    people = pd.read_csv(tmp_path / "people.csv", dtype=str)
    people = people[people["speaker"] != "s0"]
    silent = pd.DataFrame([("z/0", "z", "f")], columns=people.columns)
    pd.concat([people, silent]).to_csv(tmp_path / "people.csv", index=False)
    code, _, err = spkid(*words)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    found = {each["reason"]: each for each in record["left_out"]}
    lines = [line.split() for line in (tmp_path / "scores.txt").read_text().splitlines()]
    lost = [line for line in lines if "s0" in (line[0].split("/")[0], line[1].split("/")[0])]
    assert found["not_in_metadata"]["n_trials"] == len(lost)
    assert record["n_trials"] == len(lines) - len(lost)
    assert found["no_trials"]["n_speakers"] == 1
    assert found["unknown_group"]["n_speakers"] == 1
    assert found["small_group"]["n_speakers"] == 2
    section = record["groupings"][0]
    counted = sum(row["n_target"] + row["n_impostor"] for row in section["groups"])
    left_out = found["unknown_group"]["n_trials"] + found["across_groups"]["n_trials"]
    assert counted + left_out == record["n_trials"]


def test_nothing_left_out_is_said_too(files):
    words = files(["f"] * 60)
    people = pd.read_csv(words[3], dtype=str)
    people["half"] = np.where(people["speaker"].str[1:].astype(int) % 2, "odd", "even")
    result = package.audit("scores.txt", people, by="half", side="enroll", n_resamples=5)
    assert result.left_out == ()
    assert result.counted()[0] == "No trial and no speaker is left out."


def test_names_are_one_whichever_way_their_accents_are_made(files, tmp_path):
    words = files(["f", "m"] * 30)
    scores = (tmp_path / "scores.txt").read_text().replace("s", "e\u0301")
    (tmp_path / "scores.txt").write_text(scores)
    people = pd.read_csv(words[3], dtype=str)
    for column in ("path", "speaker"):
        people[column] = people[column].str.replace("s", "\u00e9")
    result = package.audit("scores.txt", people, by="gender", n_resamples=5)
    assert result.groups("gender")["n_speakers"].tolist() == [30, 30]


def test_names_of_people_and_clips_keep_their_case_and_are_never_unknown():
    table = pd.DataFrame({"speaker": ["Ann", "ann", "none"], "path": ["A", "a", "-"]})
    plain, said = plain_descriptions(table)
    pd.testing.assert_frame_equal(plain, table)
    assert said == {}


def test_a_log_knows_nobody_by_those_words_and_keeps_its_zeros(tmp_path):
    rows, people = [], []
    for number in range(40):
        name = f"{number:03d}"
        people.append((name, "child" if number % 2 else "adult"))
        for clip in range(4):
            rows.append(("h", name, name, name if clip else "None"))
            rows.append(("h", name, "nan", "unknown" if clip else "someone"))
    log = tmp_path / "log.csv"
    pd.DataFrame(rows, columns=["household", "speaker", "truth", "answer"]).to_csv(log, index=False)
    people = pd.DataFrame(people, columns=["speaker", "age_group"])
    result = package.audit.decisions(log, people, by="age_group", n_resamples=5)
    overall = result.findings.audit.overall.set_index("figure")["value"]
    assert overall.tolist() == [0.25, 0.25, 0.0]
    lost = people.assign(speaker=people["speaker"].astype(int).astype(str))
    with pytest.raises(BadTable, match=r"speaker '0\d+' of the log stands in the metadata as"):
        package.audit.decisions(log, lost, by="age_group")
