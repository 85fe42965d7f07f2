"""`spkid backup` and `spkid restore`."""

from __future__ import annotations

import json

ANA = ("--household", "home", "--member", "Ana")


def test_a_person_comes_back_with_the_backup_and_that_is_said(spkid, cast, tmp_path):
    place, copy = tmp_path / "store.sqlite3", tmp_path / "copy.sqlite3"
    assert spkid("enroll", *cast["Ana"]["enroll"], *ANA, "--consent")[0] == 0
    code, out, _ = spkid("backup", copy)
    assert (code, out) == (0, f"{copy}: 1 member, 3 clips, read again and whole.\n")
    code, _, err = spkid("backup", copy)
    assert code == 2
    assert "choose another name" in err
    assert spkid("forget", *ANA, "--yes")[0] == 0
    code, out, err = spkid("restore", copy)
    assert (code, out) == (0, f"{place}: 1 member, 3 clips, from {copy}.\n")
    assert f"kept as {place}.before-" in err
    assert "Clips of Ana in home are back that were deleted after the backup" in err
    assert spkid("identify", cast["Ana"]["heard"][0], "--household", "home")[0] == 0


def test_for_programs_it_is_json(spkid, cast, tmp_path):
    copy, other = tmp_path / "copy.sqlite3", tmp_path / "other.sqlite3"
    spkid("enroll", *cast["Ana"]["enroll"], *ANA, "--consent")
    made = json.loads(spkid("backup", copy, "--json")[1])
    assert made == {"backup": str(copy), "n_members": 1, "n_clips": 3}
    done = json.loads(spkid("restore", copy, "--store", other, "--json")[1])
    assert done == {
        "store": str(other),
        "n_members": 1,
        "n_clips": 3,
        "kept": None,
        "deleted_since": [],
    }
    code, out, err = spkid("restore", other, "--store", other, "--json")
    assert code == 2
    assert json.loads(out)["code"] == "file_exists"
    assert "--store" in err
