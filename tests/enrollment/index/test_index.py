"""The index of a store against numpy over all its vectors, through changes and damage."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.index.recall import Truth, moved, thinned
from enrollment.index.saved import load, save
from enrollment.index.vector_index import VectorIndex
from enrollment.profile import Consent, Exemplar
from enrollment.store.index_files import FILE_NAME
from spkid import SpkidError

DIM = 32
EXACT = IndexConfig(saved_from=1)
LISTS = IndexConfig(exact_below=400, n_training=2_000, saved_from=1)


def unit_vectors(n_vectors: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n_vectors, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def enroll(
    store: Store, n_members: int, *, n_clips: int = 2, seed: int = 0, model: str = "m1"
) -> np.ndarray:
    """Members of a few clips each; their vectors."""
    vectors = unit_vectors(n_clips * n_members, seed)
    for number in range(n_members):
        clips = [
            Exemplar(vectors[n_clips * number + i], f"{seed}-{number}-{i}", 3, 30)
            for i in range(n_clips)
        ]
        name = f"{seed}-{number}"
        store.add(f"home {number % 7}", name, clips, model=model, consent=Consent(name))
    return vectors


@pytest.fixture
def crowd(store):
    """A store with 600 clips."""
    enroll(store, 60, n_clips=10)
    return store


def all_vectors(store: Store, model: str = "m1") -> dict[int, np.ndarray]:
    return {
        clip.id: clip.vector
        for member in store.members()
        if member.model == model
        for clip in member.exemplars
    }


def ids_in(index: ProfileIndex) -> list[int]:
    """Every id that faiss holds, twice if it is there twice."""
    if index.vectors is None:
        return []
    query = unit_vectors(1)[0]
    saved_probes = getattr(index.vectors.faiss_index, "nprobe", None)
    if saved_probes is not None:
        index.vectors.faiss_index.nprobe = index.vectors.faiss_index.nlist
    ids = index.vectors.search(query, len(index))
    if saved_probes is not None:
        index.vectors.faiss_index.nprobe = saved_probes
    return sorted(ids)


@pytest.mark.parametrize("config", [EXACT, LISTS], ids=["exact", "lists"])
def test_hits_are_the_nearest_clips_of_the_store(crowd, config):
    index = ProfileIndex(crowd, model="m1", config=config)
    assert (index.vectors.recall.n_lists_read > 0) == (config is LISTS)
    everything = all_vectors(crowd)
    ids, vectors = np.array(list(everything)), np.stack(list(everything.values()))
    queries = moved(unit_vectors(600)[::6], 0.7, np.random.default_rng(1))
    n_right = 0
    for query in queries:
        hit = index.search(query, n_hits=1)[0]
        cosines = vectors @ query
        if hit.exemplar_id == ids[cosines.argmax()]:
            n_right += 1
            assert hit.cosine == pytest.approx(float(cosines.max()), abs=1e-6)
            household, member, _ = crowd.found([hit.exemplar_id])[hit.exemplar_id]
            assert (hit.household, hit.member) == (household, member)
    assert n_right >= (95 if config is LISTS else 100)


def test_the_recall_that_is_kept_is_the_one_that_a_plain_loop_counts():
    vectors, ids = unit_vectors(5_000), np.arange(5_000, dtype=np.int64)
    index = VectorIndex.build([(ids, vectors)], vectors, 5_000, LISTS)
    assert index.recall.rescored >= LISTS.wanted_recall
    assert 0 < index.recall.n_lists_read < index.faiss_index.nlist
    queries = moved(vectors[::50], 0.6, np.random.default_rng(5))
    truth = Truth(queries)
    for start in range(0, 5_000, 700):
        truth.see(ids[start : start + 700], vectors[start : start + 700])
    nearest = [max(range(5_000), key=lambda row: vectors[row] @ query) for query in queries]
    assert truth.ids.tolist() == nearest
    counted = np.mean([nearest[i] in index.search(q, 10) for i, q in enumerate(queries)])
    assert index.measure(truth, 10).rescored == counted >= 0.95
    index.faiss_index.nprobe = 1
    assert index.measure(truth, 10).rescored < 0.9


def test_thinning_takes_every_so_manieth():
    vectors = np.arange(1_000, dtype=np.float32)[:, None]
    parts = [(None, vectors[start : start + 7]) for start in range(0, 1_000, 7)]
    kept, n_seen = thinned(parts, 100)
    assert n_seen == 1_000
    assert 100 <= len(kept) <= 200
    assert set(np.diff(kept[:, 0])) == {8.0}


@pytest.mark.parametrize("config", [EXACT, LISTS], ids=["exact", "lists"])
def test_catching_up_equals_building_anew(crowd, config):
    index = ProfileIndex(crowd, model="m1", config=config)
    enroll(crowd, 10, seed=2)
    enroll(crowd, 5, seed=3, model="m2")
    crowd.forget("home 3")
    crowd.forget("home 2", "0-2")
    enroll(crowd, 3, seed=4)
    index.catch_up()
    index.catch_up()
    assert ids_in(index) == sorted(all_vectors(crowd))
    saved, generation = load(crowd.index_folder, crowd.index_key())
    assert generation.sequence == crowd.last_sequence()
    assert len(saved) == len(index)
    anew = ProfileIndex(crowd, model="m1", config=config)
    assert ids_in(anew) == ids_in(index)
    for query in unit_vectors(20, seed=9):
        if config is EXACT:
            assert anew.search(query) == index.search(query)


def test_a_grown_index_changes_its_kind(store):
    enroll(store, 30, n_clips=10)
    index = ProfileIndex(store, model="m1", config=LISTS)
    assert index.vectors.recall.n_lists_read == 0
    enroll(store, 20, n_clips=10, seed=1)
    index.catch_up()
    assert index.vectors.recall.n_lists_read > 0
    assert ids_in(index) == sorted(all_vectors(store))


def test_a_forgotten_vector_is_in_no_file_and_no_vector_in_the_saved_one(crowd, tmp_path):
    vectors = unit_vectors(600)
    index = ProfileIndex(crowd, model="m1", config=EXACT)
    saved = crowd.index_folder / FILE_NAME
    assert not any(vector.tobytes() in saved.read_bytes() for vector in vectors[::50])
    assert saved.stat().st_mode & 0o077 == 0
    crowd.forget("home 5", "0-5")
    assert not saved.exists()
    assert all(hit.member != "0-5" for hit in index.search(vectors[50]))
    contents = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(vectors[60].tobytes() in content for content in contents)
    assert not any(vectors[50].tobytes() in content for content in contents)


def damaged(content: bytes, kind: str) -> bytes:
    if kind == "a bit turned":
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return {"cut": content[: len(content) // 2], "empty": b"", "foreign": b"\x80\x04."}[kind]


@pytest.mark.parametrize("kind", ["a bit turned", "cut", "empty", "foreign"])
def test_a_damaged_file_never_reaches_faiss_and_is_made_anew(store, kind, monkeypatch):
    import faiss

    enroll(store, 10)
    ProfileIndex(store, model="m1", config=EXACT)
    saved = store.index_folder / FILE_NAME
    left = damaged(saved.read_bytes(), kind)
    saved.write_bytes(left)
    with monkeypatch.context() as patched:
        patched.setattr(faiss, "read_index", lambda *_: pytest.fail("damage reached faiss"))
        index = ProfileIndex(store, model="m1", config=EXACT)
    assert ids_in(index) == sorted(all_vectors(store))
    if kind in ("empty", "foreign"):  # not ours to replace
        assert saved.read_bytes() == left
    else:
        assert len(load(store.index_folder, store.index_key())[0]) == len(index)


def test_an_index_of_another_model_or_another_past_is_made_anew(store, tmp_path):
    enroll(store, 10)
    enroll(store, 4, seed=1, model="m2")
    ProfileIndex(store, model="m1", config=EXACT)
    assert len(ProfileIndex(store, model="m2", config=EXACT)) == 8
    for n_members in (3, 20):  # the log ends before the generation, or went another way
        with Store.open(tmp_path / f"{n_members}.sqlite3") as other:
            enroll(other, 1, seed=8)
            other.forget("home 0")
            enroll(other, n_members, seed=7)
            foreign = load(store.index_folder, store.index_key())
            save(other.index_folder, *foreign, other.index_key())
            index = ProfileIndex(other, model="m2", config=EXACT)
            assert len(index) == 0
            assert ids_in(ProfileIndex(other, model="m1", config=EXACT)) == sorted(
                all_vectors(other)
            )


def test_many_at_once_agree_with_the_store_in_the_end(place):
    with Store.open(place) as store:
        enroll(store, 10)
    failures = []

    def work(worker: int) -> None:
        try:
            with Store.open(place) as own:
                index = ProfileIndex(own, model="m1", config=EXACT)
                for number in range(4):
                    seed = 100 * worker + number
                    vectors = enroll(own, 2, seed=seed)
                    assert index.search(vectors[0], n_hits=1)[0].member == f"{seed}-0"
                    own.forget("home 0", f"{seed}-0")
                    assert all(hit.member != f"{seed}-0" for hit in index.search(vectors[0]))
        except BaseException as error:  # a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Store.open(place) as store:
        index = ProfileIndex(store, model="m1", config=EXACT)
        assert ids_in(index) == sorted(all_vectors(store))
        assert len(index) == 20 + 3 * 4 * 2
        assert load(store.index_folder, store.index_key()) is not None
        store.forget("home 0")
        assert list(store.index_folder.iterdir()) == []


def test_a_family_gets_no_second_file_and_nobody_gives_no_hits(store):
    index = ProfileIndex(store, model="m1")
    assert index.search(np.ones(DIM)) == []
    vectors = enroll(store, 3)
    assert index.search(vectors[4], n_hits=1)[0].member == "0-2"
    assert len(index) == 6
    assert not store.index_folder.exists()


def test_a_folder_that_cannot_be_written_is_worked_without(store):
    enroll(store, 3)
    store.index_folder.write_text("a file stands here")
    index = ProfileIndex(store, model="m1", config=EXACT)
    assert len(index.search(unit_vectors(1)[0], n_hits=6)) == 6


def test_wrong_dimension_and_nan_are_refused(store):
    enroll(store, 3)
    index = ProfileIndex(store, model="m1")
    for query in (np.ones(10), np.full(DIM, np.nan)):
        with pytest.raises(SpkidError, match="query"):
            index.search(query)


def test_lists_are_of_the_config(crowd):
    few = ProfileIndex(crowd, model="m1", config=replace(LISTS, max_lists=3))
    assert few.vectors.faiss_index.nlist == 3
