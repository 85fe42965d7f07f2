"""Profiles on the command line: growing, taking back, reading, moving, live enrollment."""

from __future__ import annotations

import json
import sqlite3
import sys
import types
import zipfile
from contextlib import closing

import numpy as np
import pytest

from spkid.audio.reading import load_audio

ANA = ("--household", "home", "--member", "Ana")


@pytest.fixture
def ana(spkid, cast, tmp_path):
    """Ana enrolled with three clips, which are kept."""
    words = ("--consent", "--device", "kitchen", "--keep-audio", tmp_path / "key")
    assert spkid("enroll", *cast["Ana"]["enroll"], *ANA, *words)[0] == 0
    return spkid


def clip_rows(spkid) -> list[dict]:
    return json.loads(spkid("profiles", "--clips", "--json")[1])


def test_a_profile_grows_by_confirmed_clips_and_goes_back(ana, cast):
    code, out, _ = ana("confirm", cast["Ana"]["heard"][0], *ANA, "--device", "hall")
    assert (code, out.count("accepted")) == (0, 1)
    assert [(row["origin"], row["device"]) for row in clip_rows(ana)] == [
        *[("enrolled", "kitchen")] * 3,
        ("confirmed", "hall"),
    ]
    code, _, err = ana("confirm", cast["Ben"]["heard"][0], *ANA)
    assert code == 2
    assert "does not sound like" in err
    assert ana("forget", *ANA, "--confirmed", "--yes")[0] == 0
    assert [row["origin"] for row in clip_rows(ana)] == ["enrolled"] * 3
    code, _, err = ana("confirm", cast["Ben"]["heard"][0], "--household", "home", "--member", "Ben")
    assert code == 2
    assert "unknown member" in err


def test_one_clip_is_forgotten(ana):
    first, *others = [row["clip"] for row in clip_rows(ana)]
    code, out, _ = ana("forget", *ANA, "--clip", first, "--yes")
    assert code == 0
    assert "the vectors of 1 clip," in out
    assert [row["clip"] for row in clip_rows(ana)] == others
    assert ana("forget", *ANA, "--clip", first, "--yes")[0] == 2
    assert ana("forget", "--household", "home", "--clip", others[0], "--yes")[0] == 2
    assert [row["clip"] for row in clip_rows(ana)] == others


def test_an_archive_is_written(ana, tmp_path):
    out = tmp_path / "ana.zip"
    assert ana("archive", *ANA, "--out", out, "--key", tmp_path / "key")[0] == 0
    with zipfile.ZipFile(out) as archive:
        assert len([name for name in archive.namelist() if name.startswith("audio/")]) == 3
    code, _, err = ana("archive", *ANA, "--out", out, "--key", tmp_path / "none")
    assert code == 2
    assert "no such file" in err


def test_a_store_of_another_model_is_moved_by_kept_audio(ana, cast, tmp_path):
    clip = cast["Ana"]["heard"][0]
    before = json.loads(ana("identify", clip, "--household", "home", "--json")[1])[0]
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as connection:
        connection.execute("UPDATE member SET model = 'another'")
        connection.commit()
    assert ana("identify", clip, "--household", "home")[0] == 2
    code, out, _ = ana("reembed")
    assert code == 0
    assert "must enroll again" in out
    code, out, _ = ana("reembed", "--key", tmp_path / "key", "--json")
    assert [(move["member"], move["outcome"]) for move in json.loads(out)] == [("Ana", "moved")]
    after = json.loads(ana("identify", clip, "--household", "home", "--json")[1])[0]
    assert after["member"] == "Ana"
    assert after["cosine"] == pytest.approx(before["cosine"], abs=0.01)
    assert "already" in ana("reembed")[1]


def test_a_rejected_clip_is_reviewed(spkid, cast, monkeypatch):
    clips = [*cast["Ana"]["enroll"], cast["Ben"]["enroll"][0]]
    assert spkid("enroll", *clips, *ANA, "--consent", "--review")[0] == 2  # nobody to ask
    asked = []
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("typer.confirm", lambda text, abort: asked.append(text) or True)
    assert spkid("enroll", *clips, *ANA, "--consent", "--review")[0] == 0
    assert len(asked) == 1
    assert "does not sound like" in asked[0]
    assert len(clip_rows(spkid)) == 4


def microphone(samples: np.ndarray, *, broken: bool = False) -> types.ModuleType:
    """Stands in for sounddevice: a microphone that hears ``samples``, then nothing."""
    module = types.ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})

    class InputStream:
        def __init__(self, *, samplerate, channels, dtype, blocksize):
            if broken:
                raise module.PortAudioError("no default input device")
            assert (samplerate, channels, dtype) == (16_000, 1, "float32")
            self.position = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, n_samples):
            start, self.position = self.position, self.position + n_samples
            if start > len(samples) + 160_000:
                raise KeyboardInterrupt
            found = np.zeros((n_samples, 1), dtype=np.float32)
            heard = samples[start : start + n_samples]
            found[: len(heard), 0] = heard
            return found, False

    module.InputStream = InputStream
    return module


def test_a_person_is_enrolled_from_the_microphone(spkid, cast, monkeypatch):
    pause = np.zeros(16_000, dtype=np.float32)
    spoken = [part for clip in cast["Ana"]["enroll"] for part in (load_audio(clip), pause)]
    monkeypatch.setitem(sys.modules, "sounddevice", microphone(np.concatenate(spoken)))
    code, _, err = spkid("enroll", "--microphone", *ANA, "--consent")
    assert code == 0
    assert err.count("accepted") >= 3
    assert "stopped" in err
    assert len(clip_rows(spkid)) >= 3
    known = json.loads(spkid("identify", cast["Ana"]["heard"][0], "--json")[1])[0]
    assert known["member"] == "Ana"


def test_without_a_microphone_it_says_what_is_missing(spkid, cast, monkeypatch):
    words = ("enroll", "--microphone", *ANA, "--consent")
    for module, sentence in (
        (None, "pip install 'spkid[microphone]'"),
        (microphone(np.zeros(1), broken=True), "no default input device"),
    ):
        monkeypatch.setitem(sys.modules, "sounddevice", module)
        code, _, err = spkid(*words)
        assert code == 2
        assert sentence in err
    silence = microphone(np.zeros(16_000, dtype=np.float32))
    monkeypatch.setitem(sys.modules, "sounddevice", silence)
    code, _, err = spkid(*words)
    assert code == 2
    assert "nothing heard" in err
    assert clip_rows(spkid) == []
    for clips in ((), ("--microphone", cast["Ana"]["enroll"][0])):
        assert spkid("enroll", *clips, *ANA, "--consent")[0] == 2


def test_the_same_commands_on_a_server(spkid, cast, place_on_server, monkeypatch):
    monkeypatch.setenv("SPKID_STORE", place_on_server)
    clip = cast["Ana"]["heard"][0]
    assert spkid("profiles")[0] == 2  # no store yet
    assert spkid("enroll", *cast["Ana"]["enroll"], *ANA)[0] == 2  # nobody agreed
    assert spkid("profiles")[0] == 2
    assert spkid("enroll", *cast["Ana"]["enroll"], *ANA, "--consent")[0] == 0
    assert json.loads(spkid("identify", clip, "--json")[1])[0]["member"] == "Ana"
    code, _, err = spkid("forget", *ANA, "--yes")
    assert code == 0
    assert "backups" in err


def test_deleting_works_without_model_and_index(ana, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setitem(sys.modules, "spkid.embedder", None)
    code, _, err = ana("forget", *ANA, "--yes")
    assert code == 0, err
    assert clip_rows(ana) == []


def test_a_home_of_both_models_and_the_way_there(ana, cast, tmp_path):
    both = ("--model", "both")
    clip = cast["Ana"]["heard"][0]
    (answer,) = json.loads(ana("identify", clip, *both, "--json")[1])
    assert answer["member"] == "Ana"
    assert "the small one knows no clip of Ana" in answer["hints"][0]
    out = ana("reembed", *both)[1]
    assert ("must enroll again" in out, "no key was given" in out) == (True, True)
    assert "for both, 3 clips" in ana("reembed", *both, "--key", tmp_path / "key")[1]
    assert "already" in ana("reembed", *both)[1]
    words = ("--household", "home", "--member", "Ben", "--consent", *both)
    assert ana("enroll", *cast["Ben"]["enroll"], *words)[0] == 0
    clips = (clip, cast["Ben"]["heard"][0], cast["a visitor"]["heard"][0])
    answers = json.loads(ana("identify", *clips, *both, "--json")[1])
    assert [answer["member"] for answer in answers] == ["Ana", "Ben", None]
    assert [answer["hints"] for answer in answers] == [[], [], []]
    assert json.loads(ana("identify", clip, "--json")[1])[0]["member"] == "Ana"
    words = ("--root", tmp_path, "--out", tmp_path / "out.npz")
    (tmp_path / "clips.csv").write_text(f"path\n{clip}\n")
    code, _, err = ana("embed", tmp_path / "clips.csv", *words, *both)
    assert (code, "both models where one encoder is used" in err) == (2, True)
