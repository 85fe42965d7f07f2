"""Every benchmark still fits the library that it measures."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
)


@pytest.mark.parametrize("module", MODULES)
def test_benchmark_finds_what_it_measures(module):
    pytest.importorskip("torch")
    importlib.import_module(module)
