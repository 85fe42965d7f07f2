"""Fixtures on the real clips that ship with the demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import spkid
from enrollment import Store
from spkid import Calibration, SpeakerEncoder

DEMO = Path(spkid.__file__).parent / "demo"


@pytest.fixture(scope="session")
def encoder():
    return SpeakerEncoder.load()


@pytest.fixture(scope="session")
def calibration():
    return Calibration.load()


@pytest.fixture(scope="session")
def clips():
    """Paths of the demo's clips by name."""
    return {path.stem: path for path in sorted((DEMO / "clips").glob("*.opus"))}


@pytest.fixture(scope="session")
def cast(clips):
    """The demo's people: name -> paths to enrol with and paths to hear."""
    people = json.loads((DEMO / "cast.json").read_text())
    return {
        person["name"]: {
            "enroll": [clips[name] for name in person["enroll"]],
            "heard": [clips[name] for name in person["heard"]],
        }
        for person in people
    }


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store.sqlite3") as opened:
        yield opened
