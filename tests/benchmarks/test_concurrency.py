"""The benchmark of many processes on one store, for a few seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import concurrency
from benchmarks.harness.store_workers import N_CLIPS, Note, Workplace, clips_of
from benchmarks.harness.traces import files_below, traces
from enrollment import Store
from enrollment.profile import Consent


@pytest.fixture
def workplace(place, tmp_path):
    folders = tmp_path / "notes", tmp_path / "backups"
    for folder in folders:
        folder.mkdir()
    if "://" not in place:  # a folder of its own, all of which is searched
        place = str(tmp_path / "home" / "store.sqlite3")
    return Workplace(place, *folders)


def add(store: Store, name: str, *, n_clips: int = N_CLIPS) -> None:
    clips = clips_of(name)[:n_clips]
    store.add("home", name, clips, model=concurrency.MODEL, consent=Consent(name))


def note(workplace: Workplace, *words: object) -> None:
    with (workplace.notes / "1.txt").open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def test_nothing_is_lost_or_left_when_processes_are_killed_and_backups_are_whole(workplace):
    figures = concurrency.hammer(workplace, n_writers=8, seconds=5, kill_every_s=1, seed=1)
    assert figures["n_killed"] >= 2
    assert figures["n_crashed"] == 0
    assert figures["n_enrolments_acknowledged"] > 0
    assert figures["n_deletions_acknowledged"] > 0
    for name in ("lost", "forgotten_but_there", "never_enrolled_but_there", "doubled"):
        assert figures[f"n_{name}"] == 0
    assert figures["n_half_done_or_changed"] == 0
    assert figures["log_agrees_with_table"]
    assert figures["search_ms"]["n"] > 0
    assert figures["n_missed_by_search"] == 0
    assert figures["index_agrees_with_table"]
    assert figures["refused"] == {}
    searched = concurrency.search_files(workplace, None)
    assert searched["n_vectors_forgotten"] > 0
    assert searched["n_files_with_forgotten_bytes"] == 0
    if workplace.is_file:
        backups = concurrency.check_backups(workplace, Store.open)
        assert backups.pop("n_backups_acknowledged") > 0
        assert set(backups.values()) == {0}


def test_a_loss_would_be_seen(workplace):
    with Store.open(workplace.place) as store:
        add(store, "a", n_clips=2)
        notes = [
            Note(what, ("home", name), 0)
            for what, name in (
                ("enrol", "a"),
                ("enrol", "b"),
                ("enrolled", "b"),
                ("forget", "a"),
                ("forgotten", "a"),
            )
        ]
        figures = concurrency.compare([*notes, Note("refused", ("enrol", "busy"), 0)], store)
    assert figures["n_lost"] == 1
    assert figures["n_forgotten_but_there"] == 1
    assert figures["n_half_done_or_changed"] == 1
    assert figures["refused"] == {"enrol busy": 1}


def test_an_index_that_disagrees_would_be_seen(workplace, monkeypatch):
    with Store.open(workplace.place) as store:
        add(store, "a")
        notes = [Note(what, ("home", "a"), 0) for what in ("enrol", "enrolled", "missed")]
        figures = concurrency.compare(notes, store)
        assert figures["index_agrees_with_table"]
        assert figures["n_missed_by_search"] == 1
        add_new = concurrency.ProfileIndex.catch_up
        monkeypatch.setattr(
            concurrency.ProfileIndex,
            "catch_up",
            lambda index: (add_new(index), index.vectors.remove([1, 2])),
        )
        assert not concurrency.compare(notes, store)["index_agrees_with_table"]


def test_what_is_wrong_with_a_backup_would_be_seen(tmp_path):
    workplace = Workplace(str(tmp_path / "home" / "s"), tmp_path, tmp_path)
    with Store.open(workplace.place) as store:
        for name in ("gone", "half"):
            add(store, name, n_clips=3 if name == "gone" else 2)
        store.backup(tmp_path / "b")
    note(workplace, "enrolled", "home", "lost", 1)
    note(workplace, "forget", "home", "gone", 2)
    note(workplace, "forgotten", "home", "gone", 3)
    note(workplace, "back_up", "b", 4)
    note(workplace, "enrolled", "home", "later", 5)
    note(workplace, "backed_up", "b", 6)
    figures = concurrency.check_backups(workplace, Store.open)
    assert figures == {
        "n_backups_acknowledged": 1,
        "n_backups_not_whole": 1,
        "n_lost_in_backups": 1,
        "n_forgotten_in_backups": 2,  # as a row, and as bytes
    }
    assert concurrency.search_files(workplace, None)["n_files_with_forgotten_bytes"] == 1


@pytest.mark.parametrize("offset", [0, 1, 7, 4096])
@pytest.mark.parametrize("part", [slice(None), slice(0, 8), slice(384, 392), slice(-8, None)])
def test_a_vector_is_found_wherever_it_lies(tmp_path, offset, part):
    own, other = clips_of("own")[0].vector, clips_of("other")[0].vector
    noise = np.random.default_rng(0).bytes(5000)
    file: Path = tmp_path / "deep" / "file"
    file.parent.mkdir()
    file.write_bytes(noise[:offset] + own.tobytes()[part] + noise)
    assert traces([own, other], files_below(tmp_path)) == {file: 3 if part == slice(None) else 1}
    assert traces([other], files_below(tmp_path)) == {}
