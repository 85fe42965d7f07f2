"""Every command of the README runs, in the order of the page, on a small copy of the data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RUN_BY_CI = ("make demo", "make test", "pip install")  # .ci/run calls these itself


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def data(tmp_path_factory, clips):
    """A folder like SPKID_DATA: 84 names over the demo's clips, trials, homes and noise."""
    root = tmp_path_factory.mktemp("data")
    speech, protocols = root / "speech", root / "speech" / "protocols"
    protocols.mkdir(parents=True)
    (root / "noise").mkdir()
    rows = []
    for number in range(168):
        speaker, source = f"so-{number // 2}", list(clips.values())[number % len(clips)]
        split = "test" if number < 96 else "train"
        path = f"speechocean762/{number // 2}/{number}.opus"
        (speech / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, speech / path)
        group = ("child", "10") if number % 4 < 2 else ("adult", "30")
        gender = "female" if number % 8 < 4 else "male"
        rows.append((path, speaker, split, "speechocean762", "en", "zh", gender, *group))
    columns = ["path", "speaker", "split", "corpus", "language", "native_language"]
    columns += ["gender", "age_group", "age"]
    manifest = pd.DataFrame(rows, columns=columns)
    manifest.to_csv(speech / "manifest.csv", index=False)
    test = manifest[manifest["split"] == "test"]
    trials = [
        f"{int(a.speaker == b.speaker)} {a.path} {b.path}"
        for a in test.itertuples()
        for b in test.itertuples()
        if a.path < b.path
    ]
    (protocols / "verify_new_speechocean762.txt").write_text("\n".join(trials))
    homes = []
    for number in range(0, 48, 8):
        own = test.iloc[number : number + 6]
        roles = ["enroll", "member", "enroll", "member", "guest", "guest"]
        for role, row in zip(roles, own.itertuples(), strict=True):
            homes.append((f"h{number}", 2, "mixed", role, row.speaker, row.path))
    header = ["household", "size", "kind", "role", "speaker", "path"]
    pd.DataFrame(homes, columns=header).to_csv(
        protocols / "households_new_speechocean762.csv", index=False
    )
    noise = np.random.default_rng(0).normal(size=80_000) / 10
    soundfile.write(root / "noise" / "hiss.wav", noise, 16_000)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands run: the checkout's files that they name, and nothing else."""
    root = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "spkid" / "demo", root / "spkid" / "demo")
    shutil.copytree(
        ROOT / "benchmarks" / "model" / "configs", root / "benchmarks" / "model" / "configs"
    )
    return root


def test_every_command_runs(folder, data):
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SPKID_DATA": str(data),
        "SPKID_STORE": str(folder / "store.sqlite3"),
    }
    script = [
        block
        for block in blocks("bash")
        if not all(line.startswith(RUN_BY_CI) for line in block.splitlines() if line.strip())
    ]
    assert len(script) >= 4
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert (folder / "audit" / "audit.html").exists()
    assert (folder / "audit" / "discovered.csv").exists()
    assert (folder / "mitigation" / "mitigation.html").exists()
    for run in ("own", "smoke"):
        assert (folder / "runs" / run / "model.onnx").exists()
    assert (folder / "runs" / "ecapa" / "encoder.safetensors").exists()


def test_python_example_runs(folder):
    (example,) = blocks("python")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("known Ana")


def test_figures_are_those_of_the_result_files():
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.pages", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_placeholder_is_left():
    for page in ("README.md", "spkid/models/MODEL_CARD.md"):
        assert not re.search(r"\b(FINDINGS|LIMITS|[A-Z]+_OUTPUT)\b", (ROOT / page).read_text())
