"""Commands are found by name, and nothing of the others is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from enrollment import Household
from spkid.cli.commands import PLACES, built

OWN = """
import sys
from spkid.cli.main import main
try:
    main()
except SystemExit:
    pass
print(*sorted(name for name in sys.modules if name.startswith("spkid.cli.")), file=sys.stderr)
"""
SLOW = ("pandas", "scipy", "sklearn", "faiss", "matplotlib", "jinja2", "cryptography", "torch")
SLOW_ONES = f"""
import sys
from spkid.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
print(*sorted(set({SLOW}) & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("name", PLACES)
def test_every_command_is_at_its_place(name):
    command = built(name)
    assert command.name == name
    assert command.help, "says nothing in the list of commands"


def test_a_command_imports_no_other_ones_module():
    words = [sys.executable, "-c", OWN, "identify", "--help"]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stderr.split() == [
        f"spkid.cli.{name}" for name in ("commands", "homes", "main", "output")
    ]


def test_who_is_speaking_is_said_without_a_slow_library(store, model, cast):
    Household(store, "home", model=model).enroll("Ana", cast["Ana"]["enroll"], consent=True)
    clip = str(cast["Ana"]["heard"][0])
    options = ["--household", "home", "--store", store.place]
    words = [sys.executable, "-c", SLOW_ONES, "identify", clip, *options]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "Ana" in ended.stdout
    assert ended.stderr.split() == []
