"""Every benchmark still fits the library that it measures."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MODULES = sorted(path.stem for path in BENCHMARKS.glob("*.py"))


@pytest.fixture
def _beside_each_other(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in MODULES:
            del sys.modules[name]


@pytest.mark.usefixtures("_beside_each_other")
@pytest.mark.parametrize("module", MODULES)
def test_benchmark_finds_what_it_measures(module):
    pytest.importorskip("torch")
    importlib.import_module(module)
