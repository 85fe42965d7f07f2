"""The benchmark of deletions that are killed, for a few of them."""

from __future__ import annotations

import pytest

from benchmarks import forget_killed


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Where the index of a store on a server is saved."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_nothing_is_left_of_a_killed_deletion_once_the_store_is_opened(place, tmp_path):
    figures = forget_killed.kill_many(place, tmp_path, kills=12, seed=1)
    assert figures["n_stored"] + figures["n_not_stored"] == 12
    assert figures["n_found_after_opening"] == 0
    assert figures["n_index_opens"] == 0
    assert figures["n_half_deleted"] == 0
    assert figures["n_repeated_with_time"] == figures["n_stored"]
    assert figures["n_repeated_deleting"] == figures["n_not_stored"]
    assert figures["n_found_in_the_end"] == 0


def test_what_is_left_would_be_seen(store, tmp_path, monkeypatch):
    other = forget_killed.Consent("ben")
    clips = forget_killed.clips_of("ben")
    store.add(forget_killed.HOME, "ben", clips, model=forget_killed.MODEL, consent=other)
    monkeypatch.setattr(
        forget_killed,
        "forget_and_kill",
        lambda place, name, after_s: (
            (tmp_path / "left").write_bytes(forget_killed.clips_of(name)[1].vector.tobytes()),
            store.forget(forget_killed.HOME, name),
        ),
    )
    monkeypatch.setattr("enrollment.store.store.Store.index_key", lambda store: bytes(32))
    counts = forget_killed.one_kill(store.place, tmp_path, "ana", 0)
    assert (counts["n_stored"], counts["n_repeated_with_time"]) == (1, 1)
    assert counts["n_found_after_opening"] == counts["n_found_in_the_end"] == 1
    assert counts["n_index_opens"] == 1
