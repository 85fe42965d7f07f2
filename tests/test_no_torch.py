"""The core works where torch is not: enrolling, identifying, verifying and the audit."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchaudio", "speechbrain"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
from spkid.cli.main import main
sys.argv = ["spkid", *sys.argv[1:]]
main()
"""

LOADED = """
import sys
from spkid.cli.main import main
try:
    main()
except SystemExit:
    pass
heavy = {"torch", "pandas", "matplotlib", "sklearn", "speechbrain"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""


@pytest.fixture
def run(tmp_path):
    def call(*words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", BLOCKED, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )

    return call


def test_the_three_jobs_run_without_torch(run, cast, tmp_path):
    store = ("--store", tmp_path / "s.sqlite3")
    home = ("--household", "home", *store)
    clips = cast["Ana"]["enroll"]
    enrolled = run("enroll", *clips, "--member", "Ana", "--consent", *home)
    assert enrolled.returncode == 0, enrolled.stderr
    identified = run("identify", cast["Ana"]["heard"][0], *home)
    assert identified.returncode == 0, identified.stderr
    assert "Ana" in identified.stdout
    verified = run("verify", cast["Ana"]["heard"][0], "--member", "Ana", *home)
    assert verified.returncode == 0, verified.stderr

    rows, lines = ["speaker,group"], []
    for number in range(48):
        rows.append(f"s{number},{'ab'[number % 2]}")
        lines.append(f"s{number} s{number} {1 + number % 2 + number % 24 / 10} target")
        lines.append(f"s{number} s{(number + 2) % 48} {number % 24 / 10} nontarget")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    (tmp_path / "scores.txt").write_text("\n".join(lines))
    audited = run(
        *("audit", "scores.txt", "--metadata", "metadata.csv", "--by", "group", "--out", "a")
    )
    assert audited.returncode == 0, audited.stderr
    assert (tmp_path / "a" / "audit.html").stat().st_size > 1000
    words = ("mitigate", "scores.txt", "--audit", "a", "--metadata", "metadata.csv", "--out", "m")
    mitigated = run(*words, "--methods", "calibration")
    assert mitigated.returncode == 0, mitigated.stderr
    assert "Calibration by group decides by group membership" in mitigated.stdout
    trained = run(*words, "--data", ".", "--encoder", "e.safetensors")
    assert trained.returncode == 2
    assert "pip install 'spkid[train]'" in trained.stderr


def test_training_says_what_to_install(run, tmp_path):
    (tmp_path / "c.toml").touch()
    result = run("train", "c.toml", "--data", ".", "--noise", ".", "--out", "o")
    assert result.returncode == 2
    assert "pip install 'spkid[train]'" in result.stderr


def test_identify_loads_nothing_heavy(run, cast, tmp_path):
    store = ("--store", tmp_path / "s.sqlite3")
    clips = cast["Ana"]["enroll"]
    run("enroll", *clips, "--member", "Ana", "--household", "home", "--consent", *store)
    words = ["identify", cast["Ana"]["heard"][0], "--household", "home", *store]
    result = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert "Ana" in result.stdout
