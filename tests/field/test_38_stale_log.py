"""A backup copied over a store was damaged by the log that lay there; held: it is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store import lineage
from spkid import SpkidError

ROOT = Path(__file__).parents[2]


def add(store: Store, member: str, seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    clip = Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0)
    store.add("home", member, [clip], model="m1", consent=Consent(member))


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_38_stale_log import Store, add
store = Store.open(sys.argv[2])
for seed in range(100, 130):
    add(store, f"member {seed}", seed)
os._exit(9)  # as kill -9 does: the log stays
"""


def work_and_be_killed(place: Path) -> None:
    """Enroll thirty people, and leave them in the log."""
    words = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(place)]
    assert subprocess.run(words, cwd=ROOT).returncode == 9
    assert place.with_name(f"{place.name}-wal").stat().st_size > 0


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "store.sqlite3"
    with Store.open(path) as store:
        for seed in range(20):
            add(store, f"member {seed}", seed)
    return path


def test_a_log_of_the_store_itself_is_replayed(place):
    work_and_be_killed(place)
    with Store.open(place) as store:
        assert len(store.members()) == 50
    work_and_be_killed_again = place.with_name("again.sqlite3")
    work_and_be_killed(work_and_be_killed_again)  # a store that was made and not closed once
    with Store.open(work_and_be_killed_again) as store:
        assert len(store.members()) == 30


def test_a_copy_put_beside_the_log_of_the_store_is_said_and_left_alone(place, tmp_path):
    copy = Path(shutil.copy(place, tmp_path / "copy.sqlite3"))
    with Store.open(place) as store:
        store.forget("home", "member 3")
    work_and_be_killed(place)
    shutil.copy(copy, place)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SpkidError) as caught:
        Store.open(place)
    assert caught.value.code == "stale_log"
    assert "store.sqlite3-wal" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    place.with_name("store.sqlite3-wal").unlink()  # as the sentence says
    with Store.open(place) as store:
        assert [member.name for member in store.members()][:2] == ["member 0", "member 1"]
        assert len(store.members()) == 20


def test_a_store_of_somebody_else_beside_the_log_is_said(place, tmp_path):
    with Store.open(tmp_path / "other.sqlite3") as other:
        add(other, "Zoe", 1000)
    work_and_be_killed(place)
    shutil.copy(tmp_path / "other.sqlite3", place)
    with pytest.raises(SpkidError) as caught:
        Store.open(place)
    assert caught.value.code == "stale_log"


def test_others_at_work_are_no_stale_log(place):
    with Store.open(place) as busy:
        for seed in range(200, 230):
            add(busy, f"member {seed}", seed)
            with Store.open(place) as second:
                add(second, f"guest {seed}", seed + 1000)
        busy.forget("home", "member 3")  # cuts the log
        with Store.open(place) as second:
            assert len(second.members()) == 79


def test_a_log_that_is_begun_anew_while_it_is_read_is_no_stale_log(place, monkeypatch):
    whole_reading = lineage._states_in
    with Store.open(place) as busy:
        add(busy, "Gus", 900)

        def interrupted(_: Path) -> set[str]:
            monkeypatch.setattr(lineage, "_states_in", whole_reading)
            busy.forget("home", "member 3")  # cuts the log
            add(busy, "Ida", 901)
            return {"what could be read until then"}

        monkeypatch.setattr(lineage, "_states_in", interrupted)
        lineage.check_log(place)
