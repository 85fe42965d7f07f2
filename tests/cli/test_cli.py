"""The command line as its users call it: exit codes, tables, JSON, one sentence on bad input."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from spkid.audio.reading import load_audio
from spkid.encoder.encoder import BUNDLED_MODEL
from spkid.scoring.calibration import BUNDLED_CALIBRATION

ROOT = Path(__file__).parents[2]


@pytest.fixture
def family(spkid, cast):
    for name, own in cast.items():
        if own["enroll"]:
            words = ("--household", "home", "--member", name, "--consent")
            assert spkid("enroll", *own["enroll"], *words)[0] == 0
    return spkid


def store_dump(tmp_path) -> str:
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as connection:
        return "\n".join(connection.iterdump())


def test_enroll_shows_progress_and_a_verdict_for_each_clip(spkid, cast):
    clips = cast["Leo"]["enroll"]
    code, out, _ = spkid("enroll", *clips, "--household", "home", "--member", "Leo", "--consent")
    assert code == 0
    assert out.count("accepted") == 3
    assert "% done" in out
    assert "s of speech and 0 clips still wanted" in out


def test_one_clip_is_not_called_clips(spkid, cast):
    clips, words = cast["Leo"]["enroll"][:2], ("--household", "home", "--member", "Leo")
    assert "and 1 clip still wanted." in spkid("enroll", *clips, *words, "--consent")[1]
    assert "spkid: 1 clip; expected one clip with" in spkid("verify", clips[0])[2]
    assert "spkid: 3 clips; expected one clip with" in spkid("verify", *clips, clips[0])[2]


def test_enroll_in_json(spkid, cast):
    words = ("--household", "home", "--member", "Ana", "--consent", "--json")
    code, out, _ = spkid("enroll", *cast["Ana"]["enroll"], *words)
    answer = json.loads(out)
    assert code == 0
    assert answer["percent"] > 50
    assert [clip["reason"] for clip in answer["clips"]] == ["ok"] * 3


def test_enroll_without_consent_is_refused_and_makes_no_store(spkid, cast, tmp_path):
    code, _, err = spkid("enroll", *cast["Ana"]["enroll"], "--household", "home", "--member", "Ana")
    assert code == 2
    assert "no consent" in err
    assert not (tmp_path / "store.sqlite3").exists()


def test_identify_table_and_json(family, cast):
    clip = cast["Ana"]["heard"][0]
    code, out, _ = family("identify", clip, "--household", "home")
    assert code == 0
    assert "Ana" in out
    code, out, _ = family("identify", clip, cast["a visitor"]["heard"][0], "--json")
    known, stranger = json.loads(out)
    assert known["status"] == "known"
    assert known["member"] == "Ana"
    assert known["household"] == "home"
    assert {"p_member", "p_stranger", "margin", "cosine", "model", "milliseconds"} <= set(known)
    assert stranger["status"] == "unknown"
    assert stranger["member"] is None


def test_identify_goes_on_after_a_bad_clip(family, cast, tmp_path):
    bad = tmp_path / "none.wav"
    code, out, err = family("identify", bad, cast["Ben"]["heard"][0], "--household", "home")
    assert code == 2
    assert "Ben" in out
    assert "no such file" in err


def test_a_model_of_ones_own_decides_once_it_is_calibrated(spkid, cast, tmp_path):
    mine = tmp_path / "mine.onnx"
    shutil.copy(BUNDLED_MODEL, mine)
    enroll = (
        "enroll",
        *cast["Ana"]["enroll"],
        "--household",
        "home",
        "--member",
        "Ana",
        "--consent",
    )
    code, _, err = spkid(*enroll, "--model", mine)
    assert code == 2
    assert "spkid fit" in err
    shutil.copy(BUNDLED_CALIBRATION, tmp_path / "mine.calibration.json")
    assert spkid(*enroll, "--model", mine)[0] == 0
    clip = cast["Ana"]["heard"][0]
    answer = json.loads(spkid("identify", clip, "--model", mine, "--json")[1])[0]
    assert answer["member"] == "Ana"
    assert spkid("verify", clip, "--household", "home", "--member", "Ana", "--model", mine)[0] == 0


def test_verify_exit_codes(family, cast, tmp_path):
    ana, ben = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    member = ("--household", "home", "--member", "Ana")
    assert family("verify", *member, ana)[0] == 0
    assert family("verify", *member, ben)[0] == 1
    assert family("verify", ana, cast["Ana"]["heard"][1])[0] == 0
    assert family("verify", ana, ben)[0] == 1
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000), 16_000)
    code, out, _ = family("verify", ana, silence)
    assert code == 3
    assert "no speech" in out
    code, out, _ = family("verify", ana, ben, "--json")
    assert (code, json.loads(out)["same"]) == (1, False)


@pytest.mark.parametrize("words", [["A"], ["A", "B", "C"], ["A", "--member", "Ana"]])
def test_verify_needs_one_clip_and_a_member_or_two_clips(spkid, words):
    code, _, err = spkid("verify", *words)
    assert code == 2
    assert "one clip with --household and --member" in err


def test_profiles_and_forget(family):
    rows = json.loads(family("profiles", "--json")[1])
    assert [row["member"] for row in rows] == ["Ana", "Ben", "Leo"]
    assert "vector" not in rows[0]
    assert family("forget", "--household", "home", "--member", "Ana")[0] == 2  # nobody to ask
    code, out, _ = family("forget", "--household", "home", "--member", "Ana", "--yes")
    assert code == 0
    assert "Deleted Ana" in out
    receipt = json.loads(family("forget", "--household", "home", "--yes", "--json")[1])
    assert receipt["members"] == ["Ben", "Leo"]
    assert json.loads(family("profiles", "--json")[1]) == []


def bad_clips(folder, clip):
    """Every kind of clip that cannot be enrolled."""
    speech = load_audio(clip)
    wav = folder / "whole.wav"
    soundfile.write(wav, speech, 16_000)
    truncated = folder / "truncated.wav"
    truncated.write_bytes(wav.read_bytes()[:20_000])
    text = folder / "text.wav"
    text.write_text("not audio")
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    nan = folder / "nan.wav"
    spoiled = speech.copy()
    spoiled[1000:1100] = np.nan
    soundfile.write(nan, spoiled, 16_000, subtype="FLOAT")
    short, silence = folder / "short.wav", folder / "silence.wav"
    soundfile.write(short, speech[16_000:19_200], 16_000)
    soundfile.write(silence, np.zeros(48_000), 16_000)
    missing = folder / "missing.wav"
    names = ("truncated", "text", "empty", "folder", "nan", "short", "silence")
    return [*(folder / f"{name}.wav" for name in names), missing]


def test_bad_clips_end_with_one_sentence_exit_2_and_an_unchanged_store(family, cast, tmp_path):
    before = store_dump(tmp_path)
    words = ("--household", "home", "--member", "Ana", "--consent")
    for clip in [*bad_clips(tmp_path, cast["Ana"]["heard"][0]), cast["Ana"]["enroll"][0]]:
        code, _, err = family("enroll", clip, *words)
        assert code == 2, clip
        assert err.count("spkid: ") == 1, err
        assert "expected" in err
        assert "Traceback" not in err
        assert store_dump(tmp_path) == before, clip


def test_no_permission(family, cast, monkeypatch):
    monkeypatch.setattr("spkid.audio.sources.os.access", lambda path, mode: False)
    code, _, err = family("identify", cast["Ana"]["heard"][0], "--household", "home")
    assert code == 2
    assert "no permission" in err


def test_unknown_names_and_stores(family, cast, tmp_path):
    clip = cast["Ana"]["heard"][0]
    for words in (
        ("identify", clip, "--household", "away"),
        ("verify", clip, "--household", "home", "--member", "Zoe"),
        ("forget", "--household", "away", "--yes"),
        ("profiles", "--household", "away"),
        ("profiles", "--store", tmp_path / "none.sqlite3"),
        ("identify", clip, "--household", "home", "--far", "0.9"),
    ):
        code, _, err = family(*words)
        assert code == 2, words
        assert err.startswith("spkid: ")
    code, out, _ = family("profiles", "--household", "away", "--json")
    assert (code, json.loads(out)["code"]) == (2, "unknown_household")


def test_newer_schema_and_other_model(family, cast, tmp_path):
    path = tmp_path / "store.sqlite3"
    clip = cast["Ana"]["heard"][0]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE member SET model = 'another'")
    connection.close()
    code, _, err = family("identify", clip, "--household", "home")
    assert code == 2
    assert "another" in err
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    code, _, err = family("identify", clip, "--household", "home")
    assert code == 2
    assert "schema 9" in err


@pytest.fixture
def protocol(tmp_path, cast):
    """A manifest, a trial list and a home protocol over the demo's clips."""
    rows = []
    for number, (name, own) in enumerate(cast.items()):
        for clip in own["enroll"] + own["heard"]:
            group = "child" if name in ("Leo", "a neighbour's girl") else "adult"
            rows.append((clip.name, f"s{number}", group))
    manifest = pd.DataFrame(rows, columns=["path", "speaker", "age_group"])
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    trials = [
        f"{int(a.speaker == b.speaker)} {a.path} {b.path}"
        for i, a in enumerate(manifest.itertuples())
        for b in list(manifest.itertuples())[i + 1 :]
    ]
    (tmp_path / "trials.txt").write_text("\n".join(trials) + "\n")
    homes = [
        ("h1", 3, "family", role, f"s{number}", clip.name)
        for number, own in enumerate(cast.values())
        for role, own_clips in (("enroll", own["enroll"]), ("heard", own["heard"]))
        for clip in own_clips
    ]
    table = pd.DataFrame(homes, columns=["household", "size", "kind", "role", "speaker", "path"])
    is_member = table["speaker"].isin(table["speaker"][table["role"] == "enroll"])
    heard = table["role"] == "heard"
    table.loc[heard & is_member, "role"] = "member"
    table.loc[heard & ~is_member, "role"] = "guest"
    table.to_csv(tmp_path / "homes.csv", index=False)
    return tmp_path


def test_from_manifest_to_audit(spkid, protocol, clips):
    root = next(iter(clips.values())).parent
    out = protocol / "vectors.npz"
    words = ("embed", protocol / "manifest.csv", "--root", root, "--out", out)
    code, _, err = spkid(*words)
    assert code == 0
    assert "19 embedded, 0 already there, 0 skipped" in err
    assert "0 embedded, 19 already there" in spkid(*words)[2]
    with np.load(out) as file:
        assert file["embeddings"].dtype == np.float32
        assert len(file["paths"]) == 19

    scores = protocol / "scores.txt"
    code, _, err = spkid("score", protocol / "trials.txt", "--embeddings", out, "--out", scores)
    assert code == 0
    assert "log-likelihood ratios" in err
    figures = json.loads(spkid("evaluate", scores, "--json")[1])
    assert 0 <= figures["equal_error_rate"] < 0.3
    assert "EER" in spkid("evaluate", scores)[1]

    homes = json.loads(
        spkid("households", protocol / "homes.csv", "--embeddings", out, "--json")[1]
    )
    assert homes["all"]["n_member_probes"] == 6
    assert homes["all"]["n_guest_probes"] == 4
    assert "3 members" in spkid("households", protocol / "homes.csv", "--embeddings", out)[1]

    report = protocol / "audit"
    audit = (
        *("audit", scores, "--metadata", protocol / "manifest.csv"),
        *("--by", "age_group", "--out", report),
    )
    code, out_text, _ = spkid(*audit)
    assert code == 0
    assert "child" in out_text
    assert "No verdict" in out_text  # five speakers are too few to judge anybody
    assert json.loads((report / "audit.json").read_text())["n_trials"] == 19 * 18 // 2
    assert (
        "<svg" in (report / "audit.html").read_text()
        or "By age_group" in (report / "audit.html").read_text()
    )


def test_a_wrong_root_is_said_once(spkid, protocol, tmp_path):
    words = ("embed", protocol / "manifest.csv", "--root", tmp_path / "away")
    code, _, err = spkid(*words, "--out", tmp_path / "e.npz")
    assert code == 2
    assert "give it as --root" in err
    assert err.count("clips under") == 1


def test_embed_skips_and_counts_bad_files(spkid, protocol, clips):
    root = next(iter(clips.values())).parent
    with (protocol / "manifest.csv").open("a") as file:
        file.write("missing.opus,s9,adult\n")
    code, _, err = spkid(
        *("embed", protocol / "manifest.csv", "--root", root, "--out", protocol / "v.npz")
    )
    assert code == 0
    assert "skipped:" in err
    assert "1 skipped" in err


def test_reversed_scores_are_called_out(spkid, tmp_path):
    values = ((0.1, 1), (0.2, 1), (0.8, 0), (0.9, 0))
    lines = [f"a{n} b{n} {value} {label}" for n, (value, label) in enumerate(values)]
    (tmp_path / "s.txt").write_text("\n".join(lines))
    code, _, err = spkid("evaluate", tmp_path / "s.txt")
    assert code == 0
    assert "wrong way round" in err


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "none.txt"),
        ("score", "none.txt", "--embeddings", "none.npz", "--out", "s"),
        ("households", "none.csv", "--embeddings", "none.npz"),
        ("audit", "none.txt", "--metadata", "none.csv", "--by", "x", "--out", "o"),
        ("embed", "none.csv", "--root", ".", "--out", "o.npz"),
        ("train", "none.toml", "--data", ".", "--noise", ".", "--out", "o"),
        ("export", "none.safetensors", "--out", "o.onnx"),
    ],
)
def test_missing_files_are_one_sentence(spkid, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = spkid(*words)
    assert code == 2
    assert err.startswith("spkid: none")
    assert list(tmp_path.iterdir()) == []


def test_version_and_help(spkid):
    code, out, _ = spkid("--version")
    assert code == 0
    assert out.startswith("spkid 0.")
    for command in ("enroll", "identify", "verify", "profiles", "forget", "embed", "audit"):
        assert command in spkid("--help")[1]
    assert spkid("identify")[0] == 2


def test_demo(spkid, tmp_path):
    code, out, err = spkid("demo", "--out", tmp_path / "demo.html")
    assert code == 0
    assert out.count(" yes ") == 10
    assert " NO " not in out
    assert str(tmp_path / "demo.html") in err
    page = (tmp_path / "demo.html").read_text()
    assert "<svg" in page
    assert "neighbour" in page


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["train", "-h"], ["audit", "--help"]])
def test_help(spkid, words):
    code, out, err = spkid(*words)
    assert (code, err) == (0, "")
    assert "Usage: spkid" in out


def test_help_keeps_what_stands_in_brackets(spkid):
    assert "[train]" in spkid("train", "-h")[1]


def test_completion_can_be_installed(spkid):
    assert "--install-completion" in spkid("-h")[1]


@pytest.mark.parametrize(("word", "command"), [("delete", "forget"), ("list", "profiles")])
def test_words_of_other_tools_name_the_command(spkid, word, command):
    code, _, err = spkid(word)
    assert code == 2
    assert f"Did you mean '{command}'?" in err


def test_python_dash_m(tmp_path):
    words = [sys.executable, "-m", "spkid", "--version"]
    result = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split()[0] == "spkid"
