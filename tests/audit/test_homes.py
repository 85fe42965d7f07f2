"""Household logs: what is read, what is counted, and how sure it is."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from spkid.audit.homes import FNIR, FPIR, MIXED_UP, audit_decisions
from spkid.data.decision_log import COLUMNS, read_decisions
from spkid.errors import SpkidError

LOG = [
    ("home", "ana", "Ana", "Ana"),
    ("home", "ana", "Ana", ""),
    ("home", "leo", "Leo", "Ana"),
    ("home", "guest1", "", ""),
    ("home", "guest1", "", "Leo"),
]


def as_table(rows):
    return pd.DataFrame(rows, columns=list(COLUMNS))


def identified(rows):
    """As ``spkid identify --json`` prints it, without the truth, and the truth by clip."""
    entries = [
        {
            "clip": f"{number}.wav",
            "household": home,
            "status": "known" if answer else "unknown",
            "member": answer or None,
            "probability": 0.9,
            "candidates": [{"member": "Ana", "probability": 0.9, "cosine": 0.7}],
        }
        for number, (home, _, _, answer) in enumerate(rows)
    ]
    truth = pd.DataFrame(
        [(f"{number}.wav", row[1], row[2]) for number, row in enumerate(rows)],
        columns=["clip", "speaker", "truth"],
    )
    return entries, truth


def test_all_kinds_of_logs_say_the_same(tmp_path):
    expected = as_table(LOG)
    expected.to_csv(tmp_path / "log.csv", index=False)
    entries, truth = identified(LOG)
    (tmp_path / "list.json").write_text(json.dumps(entries, indent=1))
    (tmp_path / "lines.json").write_text("\n".join(json.dumps(entry) for entry in entries))
    pd.testing.assert_frame_equal(read_decisions(tmp_path / "log.csv"), expected, check_dtype=False)
    for name in ("list.json", "lines.json"):
        found = read_decisions(tmp_path / name, truth=truth)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_an_ambiguous_answer_names_nobody(tmp_path):
    entries, truth = identified(LOG[:1])
    entries[0] |= {"status": "ambiguous", "member": "Ana"}
    (tmp_path / "log.json").write_text(json.dumps(entries))
    assert read_decisions(tmp_path / "log.json", truth=truth)["answer"].tolist() == [""]


def test_what_is_no_log_is_refused(tmp_path):
    entries, truth = identified(LOG)
    for text, message in (
        ("[1, 2]", "cannot be read as JSON"),
        ("{broken", "cannot be read as JSON"),
        ("household,answer\nh,a\n", "no column speaker, truth"),
        ("household,speaker,truth,answer\nh,,,a\n", "1 clips without a household or a speaker"),
        (json.dumps([{"household": "h"}]), "no column"),
    ):
        (tmp_path / "log").write_text(text)
        with pytest.raises(SpkidError, match=message):
            read_decisions(tmp_path / "log")
    with pytest.raises(SpkidError, match="cannot be read"):
        read_decisions(tmp_path / "missing")
    (tmp_path / "log").write_text(json.dumps(entries))
    for wrong in (truth[1:], pd.concat([truth, truth[:1].assign(truth="Leo")])):
        with pytest.raises(SpkidError, match=r"1 clips without one truth, first '0\.wav'"):
            read_decisions(tmp_path / "log", truth=wrong)
    with pytest.raises(SpkidError, match="the truth lacks the column speaker"):
        read_decisions(tmp_path / "log", truth=truth.drop(columns="speaker"))


def planted(seed, *, n_homes=30, children_missed=0.5):
    """Homes of two adults and two children, with two guests; children are missed more often."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for home in range(n_homes):
        members = [(f"{home}-{number}", "adult" if number < 2 else "child") for number in range(4)]
        guests = [(f"guest-{home}-{number}", ("adult", "child")[number]) for number in range(2)]
        people += members + guests
        for name, group in members:
            missed = 0.1 if group == "adult" else children_missed
            for _ in range(5):
                answer = rng.choice(
                    [name, "", members[0][0]], p=[1 - missed, 0.8 * missed, 0.2 * missed]
                )
                rows.append((f"h{home}", name, name, answer))
        for name, _ in guests:
            rows += [(f"h{home}", name, "", rng.choice(["", name[6:]], p=[0.9, 0.1]))] * 3
    return as_table(rows), pd.DataFrame(people, columns=["speaker", "age_group"])


def test_figures_are_those_of_a_loop():
    decisions, people = planted(0)
    group_of = dict(people.itertuples(index=False))
    audit = audit_decisions(decisions, people, ["age_group"], n_resamples=50)
    assert (audit.kind, audit.threshold, audit.notes) == ("household", None, ())
    for row in audit.groupings[0].groups.to_dict("records"):
        own = [each for each in rows_of(decisions) if group_of[each[1]] == row["group"]]
        member = [(truth, answer) for _, _, truth, answer in own if truth]
        guest = [answer for _, _, truth, answer in own if not truth]
        assert (row["n_target"], row["n_impostor"]) == (len(member), len(guest))
        assert row["n_speakers"] == len({each[1] for each in own})
        assert row[FNIR] == pytest.approx(np.mean([truth != answer for truth, answer in member]))
        assert row[MIXED_UP] == pytest.approx(
            np.mean([answer not in ("", truth) for truth, answer in member])
        )
        assert row[FPIR] == pytest.approx(np.mean([answer != "" for answer in guest]))
        assert row[f"{FNIR}_low"] < row[FNIR] < row[f"{FNIR}_high"]


def rows_of(decisions):
    return list(decisions.itertuples(index=False, name=None))


def test_a_planted_gap_at_home_is_found_and_no_other():
    found = audit_decisions(*planted(1), ["age_group"], n_resamples=50)
    first = found.notable().iloc[0]
    assert (first["group"], first["figure"], bool(first["certain"])) == ("child", FNIR, True)
    assert {"garbe", "fdr"} < set(found.groupings[0].measures["measure"])
    alarms = [
        audit_decisions(*planted(seed, children_missed=0.1), ["age_group"], n_resamples=2)
        .groupings[0]
        .differences["certain"]
        .any()
        for seed in range(20)
    ]
    assert sum(alarms) <= 4  # 5 % are meant; five of twenty have a chance of 0.3 %


def test_one_home_speaks_for_itself_only():
    decisions, people = planted(2)
    audit = audit_decisions(
        decisions.assign(household="home"), people, ["age_group"], n_resamples=2
    )
    assert "(here 1), the intervals hold for other speakers in these homes" in audit.notes[0]
    row = audit.groupings[0].groups.iloc[0]
    assert row[f"{FNIR}_low"] < row[FNIR] < row[f"{FNIR}_high"]


def test_a_log_of_guests_alone_is_refused_and_one_without_guests_says_what_is_missing():
    decisions, people = planted(3)
    with pytest.raises(SpkidError, match="no clip of a member among 180"):
        audit_decisions(decisions[decisions["truth"] == ""], people, ["age_group"])
    own = audit_decisions(decisions[decisions["truth"] != ""], people, ["age_group"], n_resamples=2)
    assert own.notes == ("No clip is of a guest: how often guests are let in cannot be said.",)
    assert own.overall.set_index("figure")["value"][[FNIR, FPIR]].isna().tolist() == [False, True]


def test_strangers_to_the_metadata_are_named():
    decisions, people = planted(3)
    audit = audit_decisions(decisions, people[1:], ["age_group"], n_resamples=2)
    assert audit.n_unmatched == 5
    assert "the metadata lacks 1 of their names, for example '0-0'" in audit.left_out[0].words


def test_who_is_taken_for_whom_is_what_a_loop_counts():
    decisions, people = planted(4)
    group_of = dict(people.itertuples(index=False))
    found = audit_decisions(decisions, people, ["age_group"], n_resamples=2).groupings[0].mistaken
    expected = Counter()
    for _, speaker, truth, answer in rows_of(decisions):
        if answer not in ("", truth):  # a member's name is the speaker's here
            expected[group_of[speaker], truth != "", group_of[answer]] += 1
    assert ("child", True, "adult") in expected
    counted = found.set_index(["group", "is_member", "taken_for"])["n"]
    assert counted.to_dict() == expected
    first = found.iloc[0]
    assert (first["n_clips"], first["share"]) == (300, first["n"] / 300)
    unheard = decisions[decisions["truth"] != "0-0"]  # a member is named who never spoke
    found = audit_decisions(unheard, people, ["age_group"], n_resamples=2).groupings[0].mistaken
    assert "" in set(found["taken_for"])


def test_homes_of_a_kind_are_a_group_also_together_with_the_speakers():
    decisions, people = planted(5)
    names = sorted(set(decisions["household"]))
    kinds = ["flat", "house", "house"] * (len(names) // 3)
    homes = pd.DataFrame({"household": names, "kind": kinds})
    kind_of = dict(zip(names, kinds, strict=True))
    group_of = dict(people.itertuples(index=False))
    by = ["kind", "kind*age_group"]
    # clips of one speaker may differ in what is not asked for
    clips = pd.concat([people.assign(seconds=number) for number in ("1", "2")])
    audit = audit_decisions(decisions, clips, by, homes=homes, n_resamples=2)
    for section in audit.groupings:
        for row in section.groups.to_dict("records"):
            own = [
                truth == answer
                for home, speaker, truth, answer in rows_of(decisions)
                if truth and row["group"] in (kind := kind_of[home], f"{kind}, {group_of[speaker]}")
            ]
            assert row["n_target"] == len(own)
            assert row[FNIR] == pytest.approx(1 - np.mean(own))
    with pytest.raises(SpkidError, match="household 'h0' with two different descriptions"):
        audit_decisions(decisions, people, by, homes=pd.concat([homes, homes.assign(kind="tent")]))
