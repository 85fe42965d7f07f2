"""One odd name, a bomb or a full disk lost all answers and showed a traceback; now one sentence.

Held: a name that is not UTF-8, a member called like TeX, an ``.npz`` that fills memory, standard
output that is full or closed, and a last handler for what nobody foresaw.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from spkid.cli.main import NO_OUTPUT, READER_GONE, UNFORESEEN
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable

TEX = r"$A^{\b}_M$ [/x]"
WORDS = ("--household", "$5^{", "--member", TEX)


@pytest.fixture
def home(spkid, cast):
    for name, words in (("Ana", WORDS), ("Ben", (*WORDS[:3], "Ben"))):
        assert spkid("enroll", *cast[name]["enroll"], *words, "--consent")[0] == 0
    return spkid


def test_a_name_that_is_not_utf8_costs_no_answer(home, cast, tmp_path):
    clip = cast["Ana"]["heard"][0]
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m" + clip.suffix.encode())
    shutil.copy(clip, odd)
    code, out, _ = home("identify", odd, clip, "--household", "$5^{")
    assert code == 0
    assert out.count(TEX) == 2
    assert r"\xff\x1b[31m" in out
    code, out, _ = home("identify", odd, clip, "--household", "$5^{", "--json")
    assert code == 0
    answers = json.loads(out)
    assert [answer["clip"] for answer in answers] == [odd, str(clip)]
    assert [answer["member"] for answer in answers] == [TEX, TEX]


def test_one_that_is_gone_costs_one_line(home, cast, tmp_path):
    gone = os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.wav")
    code, out, err = home("identify", gone, cast["Ana"]["heard"][0], "--household", "$5^{")
    assert code == 2
    assert TEX in out
    assert err.count("\n") == 1
    assert r"\xfe.wav: no such file" in err


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_member_called_like_tex_breaks_no_plot(home, cast, tmp_path, suffix):
    plot = tmp_path / f"plot{suffix}"
    clip = cast["Ana"]["heard"][0]
    assert home("timeline", clip, "--household", "$5^{", "--plot", plot)[0] == 0
    assert plot.stat().st_size > 1000
    if suffix == ".svg":
        assert TEX in plot.read_text(encoding="utf-8")
    assert home("calibrate", "--household", "$5^{", "--plot", plot)[0] == 0


def npz(path, headers, content=b""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (shape, dtype) in headers.items():
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"shape": shape, "fortran_order": False, "descr": dtype}
            )
            archive.writestr(f"{name}.npy", header.getvalue() + content)
    return path


def test_a_bomb_is_refused_by_what_it_says_of_itself(tmp_path):
    zeros = bytes(300_000_000)
    headers = {"paths": ((0,), "<U1"), "embeddings": ((300_000, 250), "<f4")}
    bomb = npz(tmp_path / "bomb.npz", headers, zeros)
    del zeros
    assert bomb.stat().st_size < 1_000_000
    code = (
        "import resource, sys; from spkid.encoder.vectors import EmbeddingTable\n"
        "from spkid.errors import BadTable\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: EmbeddingTable.load(sys.argv[1])\n"
        "except BadTable as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, bomb], capture_output=True, text=True, check=True
    )
    sentence, grown_kb = found.stdout.splitlines()
    assert "600 MB in a file of" in sentence
    assert int(grown_kb) < 50_000


def test_an_array_that_says_it_is_larger_than_it_is_takes_no_memory(tmp_path):
    headers = {"paths": ((1,), "<U1"), "embeddings": ((10**12, 192), "<f4")}
    with pytest.raises(BadTable, match="says it is larger than it is"):
        EmbeddingTable.load(npz(tmp_path / "liar.npz", headers, b"a\0\0\0"))


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "spkid", *words], text=True, timeout=120, check=False, **options
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_full_standard_output_is_one_sentence(home, monkeypatch, as_json, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:  # noqa: PTH123
        found = run("profiles", *as_json, stdout=full, stderr=subprocess.PIPE)
    assert found.returncode == NO_OUTPUT
    assert found.stderr.startswith("spkid: standard output: No space left on device")
    assert found.stderr.count("\n") == 1


def test_a_closed_standard_output_is_one_sentence(home):
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "spkid", "profiles"]
    found = subprocess.run(closed, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert found.returncode == NO_OUTPUT
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_reader_that_has_enough_is_no_error(home, monkeypatch, as_json, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    read, write = os.pipe()
    os.close(read)
    found = run("profiles", *as_json, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (found.returncode, found.stderr) == (READER_GONE, "")


@pytest.fixture
def surprised(monkeypatch):
    """Opening a store fails in a way that nobody foresaw, with a voice in the message."""
    vector = np.linspace(-1, 1, 8, dtype=np.float32)

    def fail(*args, **options):
        raise KeyError(f"{vector} {vector.tolist()} {vector.tobytes()} \x1b[31m")

    monkeypatch.setattr("enrollment.store.store.open_database", fail)
    monkeypatch.delenv("SPKID_TRACEBACK", raising=False)
    return [f"{value:.3}" for value in vector[:3]] + ["x80", "0.14"]


def test_the_unforeseen_is_one_sentence_with_an_exit_code_of_its_own(spkid, surprised):
    code, out, err = spkid("profiles")
    assert (code, out) == (UNFORESEEN, "")
    assert err.startswith("spkid: an error in spkid itself: KeyError")
    assert err.count("\n") == 1
    assert "SPKID_TRACEBACK=1" in err
    assert not any(part in err for part in (*surprised, "\x1b"))
    code, out, _ = spkid("profiles", "--json")
    assert code == UNFORESEEN
    assert json.loads(out)["code"] == "unforeseen"


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_its_traceback_can_be_seen_and_shows_no_voice(spkid, surprised, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("SPKID_TRACEBACK", "1")
    code, _, err = spkid(*(["--traceback"] if how == "flag" else []), "profiles")
    assert code == UNFORESEEN
    assert "Traceback (most recent call last)" in err
    assert "open_store" in err
    assert not any(part in err for part in (*surprised, "\x1b"))
