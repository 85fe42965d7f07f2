"""What all studies stand on: options, the result, its tables, and parts that are kept."""

from __future__ import annotations

import importlib
import inspect
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import kept
from benchmarks.harness.benchmark import Benchmark
from benchmarks.harness.record import write_result
from benchmarks.harness.result_files import RESULTS, command_of, result
from spkid.errors import SpkidError

ROOT = Path(__file__).parents[2]


def measure(data: Path, n_homes: int = 20, peers: bool = False, out: Path | None = None):
    return {"n_homes": n_homes, "rate": float("nan"), "cells": (1, np.float64(0.5))}


STUDY = Benchmark(
    "study", measure, (lambda own: f"| {own['n_homes']} homes |",), seed=3, file="study_{n_homes}"
)


def test_a_result_names_command_and_seed_and_has_null_for_nan(tmp_path, capsys):
    figures = STUDY.run(tmp_path, data=Path("/anywhere"), n_homes=4, peers=True)
    written = json.loads((tmp_path / "study_4.json").read_text())
    assert written["figures"] == figures == {"n_homes": 4, "rate": None, "cells": [1, 0.5]}
    assert written["command"] == "python -m benchmarks.study --n-homes 4 --peers"
    assert written["seed"] == 3
    assert {"commit", "uncommitted_changes", "date", "machine", "packages"} <= set(written)
    assert "| 4 homes |" in capsys.readouterr().out


def test_an_absolute_path_is_refused_before_anything_is_measured(tmp_path):
    def never(data: Path, out: Path | None = None):
        raise AssertionError

    with pytest.raises(SpkidError, match="--out /somewhere"):
        Benchmark("study", never, ()).run(tmp_path, data=Path("/any"), out=Path("/somewhere"))
    assert not list(tmp_path.iterdir())


def test_a_figure_that_names_a_folder_of_this_machine_is_refused(tmp_path):
    with pytest.raises(ValueError, match="absolute path"):
        write_result(tmp_path / "a.json", {"file": "/home/me/x.npz"}, command="c", seed=None)
    assert not list(tmp_path.iterdir())


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.audit_scale", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_study_runs_from_the_command_line(tmp_path):
    done = run("--trials", "20000", "--resamples", "20", "--seed", "2", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "audit_scale.json").read_text())
    assert written["seed"] == 2
    assert written["command"] == (
        "python -m benchmarks.audit_scale --trials 20000 --resamples 20 --seed 2"
    )
    assert written["figures"]["n_read"] == 20_000
    assert "audit of 20,000 trials in 20 groups" in done.stdout


def test_an_unknown_option_ends_with_2(tmp_path):
    done = run("--homes", "3", "--results", str(tmp_path))
    assert done.returncode == 2
    assert "--homes" in done.stderr


def test_arrays_are_made_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return {"a": np.arange(3), "names": np.array(["x", "y"])}

    for _ in range(2):
        found = kept.kept_arrays(tmp_path / "deep" / "a.npz", make)
        assert found["a"].tolist() == [0, 1, 2]
        assert found["names"].tolist() == ["x", "y"]
    assert len(calls) == 1


def test_figures_are_kept_for_the_same_settings_and_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []

    def part(settings):
        return kept.kept_figures("study", settings, lambda: calls.append(1) or {"n": len(calls)})

    assert part({"size": 1}) == part({"size": 1}) == {"n": 1}
    assert part({"size": 2}) == {"n": 2}
    monkeypatch.setattr(kept, "commit", lambda: "another")
    assert part({"size": 1}) == {"n": 3}


@pytest.mark.parametrize("name", sorted(path.stem for path in RESULTS.glob("*.json")))
def test_the_command_that_a_page_shows_for_a_result_has_options_that_the_study_has(name):
    pytest.importorskip("torch")
    words = shlex.split(command_of(result(name)))
    module = importlib.import_module(words[words.index("-m") + 1])
    options = inspect.signature(module.BENCHMARK.measure).parameters
    given = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    assert given <= set(options)
