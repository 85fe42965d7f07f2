"""A home of the demo's people, and a clip that it has not heard."""

from __future__ import annotations

import pytest

from enrollment import Household
from spkid.audio.reading import load_audio


@pytest.fixture
def home(store, model, cast):
    household = Household(store, "home", model=model)
    for name in ("Ana", "Ben"):
        household.enroll(name, cast[name]["enroll"], consent=True)
    return household


@pytest.fixture(scope="session")
def path(cast):
    """A clip of Ana's that she was not enrolled with."""
    return cast["Ana"]["heard"][0]


@pytest.fixture(scope="session")
def voice(path):
    """The samples of ``path``, float32 at 16 kHz."""
    return load_audio(path)
