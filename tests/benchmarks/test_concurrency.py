"""The benchmark of many processes on one store, for a few seconds."""

from __future__ import annotations

from benchmarks import concurrency


def test_nothing_is_lost_doubled_or_half_done_when_processes_are_killed(place):
    figures = concurrency.hammer(place, n_processes=3, seconds=8, kill_every_s=1, seed=1)
    assert figures["n_killed"] >= 2
    assert figures["n_crashed"] == 0
    assert figures["n_enrolments_acknowledged"] > 0
    for name in ("lost", "forgotten_but_there", "never_enrolled_but_there", "doubled"):
        assert figures[f"n_{name}"] == 0
    assert figures["n_half_done_or_changed"] == 0
    assert figures["log_agrees_with_table"]
    assert figures["search_ms"]["n"] > 0
    assert figures["n_missed_by_search"] == 0
    assert figures["index_agrees_with_table"]
    assert figures["refused"] == {}


def test_a_loss_would_be_seen(place):
    with concurrency.Store.open(place) as store:
        clips = concurrency.clips_of("a")
        consent = concurrency.Consent("a")
        model = concurrency.MODEL
        store.add("home", "a", clips[:2], model=model, consent=consent)
        notes = [["enrol", "home", "a"], ["enrol", "home", "b"], ["enrolled", "home", "b"]]
        notes += [["forget", "home", "a"], ["forgotten", "home", "a"], ["refused", "enrol", "busy"]]
        figures = concurrency.compare(notes, store)
    assert figures["n_lost"] == 1
    assert figures["n_forgotten_but_there"] == 1
    assert figures["n_half_done_or_changed"] == 1
    assert figures["refused"] == {"enrol busy": 1}


def test_an_index_that_disagrees_would_be_seen(place, monkeypatch):
    with concurrency.Store.open(place) as store:
        model, consent = concurrency.MODEL, concurrency.Consent("a")
        store.add("home", "a", concurrency.clips_of("a"), model=model, consent=consent)
        notes = [["enrol", "home", "a"], ["enrolled", "home", "a"], ["missed", "home", "a"]]
        figures = concurrency.compare(notes, store)
        assert figures["index_agrees_with_table"]
        assert figures["n_missed_by_search"] == 1
        add = concurrency.ProfileIndex.catch_up
        monkeypatch.setattr(
            concurrency.ProfileIndex,
            "catch_up",
            lambda index: (add(index), index.vectors.remove([1, 2])),
        )
        assert not concurrency.compare(notes, store)["index_agrees_with_table"]
