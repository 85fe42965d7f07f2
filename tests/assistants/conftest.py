"""A home with members, and what people say in it."""

from __future__ import annotations

import numpy as np
import pytest
from stand_ins import LIMIT_S

from enrollment import Household, Store
from spkid.assistants.worker import Home, Identifier
from spkid.audio.reading import load_audio


@pytest.fixture(scope="session")
def home(tmp_path_factory, model, cast):
    """Whom to ask: Ana and Ben in "home"."""
    place = tmp_path_factory.mktemp("assistants") / "store.sqlite3"
    with Store.open(place) as store:
        household = Household(store, "home", model=model)
        for name in ("Ana", "Ben"):
            household.enroll(name, cast[name]["enroll"], consent=True)
    return Home("home", str(place))


@pytest.fixture(scope="session")
def identifier(home):
    """The real process, started once for all tests."""
    running = Identifier(home, answered_s=LIMIT_S)
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="session")
def spoken(cast):
    """What members and a visitor say now: 16 kHz, 16 bit, mono."""

    def pcm(title: str) -> bytes:
        return (load_audio(cast[title]["heard"][0]) * 32767).astype(np.int16).tobytes()

    return {name: pcm(name) for name in ("Ana", "Ben", "a visitor")}
