"""Every fault that was met in the field has a test of its own, named by its number."""

from __future__ import annotations

from pathlib import Path

import pytest

N_FAULTS = 39


@pytest.mark.parametrize("number", range(1, N_FAULTS + 1))
def test_it_is_held_by_a_test(number):
    found = sorted(Path(__file__).parent.glob(f"test_{number:02d}_*.py"))
    assert found, f"no test of fault {number}"
    for path in found:
        assert "\ndef test_" in path.read_text(encoding="utf-8"), path.name
