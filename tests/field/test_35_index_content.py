"""A saved index that is whole and yet wrong refused every later call; it is made anew.

Each file is sealed with the store's own key, as if another version of spkid had written it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import faiss
import numpy as np
import pytest

from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.index.saved import load
from enrollment.index.sealed import CHUNK_BYTES, SealedWriter
from enrollment.profile import Consent, Exemplar
from enrollment.store.index_files import SEALED, place_in

DIM, N_CLIPS = 32, 60
EXACT = IndexConfig(saved_from=1)
LISTS = IndexConfig(exact_below=10, saved_from=1, n_training=60)


def unit(n_vectors: int, seed: int, dim: int = DIM) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(n_vectors, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


OWN = unit(N_CLIPS, 0)


@pytest.fixture(params=[EXACT, LISTS], ids=["exact", "lists"])
def saved(request, tmp_path):
    """A store with a saved index, the config of that, and what the file says beside it."""
    with Store.open(tmp_path / "store.sqlite3") as store:
        for home in range(N_CLIPS // 5):
            rows = range(5 * home, 5 * home + 5)
            clips = [Exemplar(OWN[row], f"digest {row}", 4.0, 30.0) for row in rows]
            store.add(f"home {home}", "Ana", clips, model="m1", consent=Consent("Ana"))
        ProfileIndex(store, model="m1", config=request.param)
        vectors, generation = load(store.index_folder, store.index_key())
        header = {"generation": asdict(generation), "recall": asdict(vectors.recall)}
        yield store, request.param, {**header, "n_built": vectors.n_built}, vectors.faiss_index


def put(store: Store, header: object, index: faiss.Index) -> None:
    with place_in(store.index_folder).open("wb") as file:
        file.write(SEALED)
        stream = SealedWriter(file, store.index_key(), purpose=SEALED)
        stream.write(json.dumps(header).encode() + b"\n")
        faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write, CHUNK_BYTES))
        stream.finish()


def check(store: Store, config: IndexConfig) -> None:
    """All clips are found, also one that comes now, and the next process finds them too."""
    for added in (200, 201):
        index = ProfileIndex(store, model="m1", config=config)
        new = unit(1, added)[0]
        clips = [Exemplar(new, f"digest {added}", 4.0, 30.0)]
        store.add(f"home {added}", "Ana", clips, model="m1", consent=Consent("Ana"))
        assert index.search(new, n_hits=1)[0].household == f"home {added}"
        for row in range(0, N_CLIPS, 7):
            assert index.search(OWN[row], n_hits=1)[0].household == f"home {row // 5}"


HEADERS = {
    "a list": lambda header: [header],
    "nothing": lambda header: {},
    "no recall": lambda header: {**header, "recall": None},
    "another key": lambda header: {**header, "recall": {"best": 1.0}},
    "words for numbers": lambda header: {**header, "n_built": "many"},
    "no sequence": lambda header: {
        **header,
        "generation": {**header["generation"], "sequence": "last"},
    },
    "half an id": lambda header: {**header, "generation": {**header["generation"], "last_id": 0.5}},
}


@pytest.mark.parametrize("kind", HEADERS)
def test_what_stands_beside_the_vectors_is_odd(saved, kind):
    store, config, header, index = saved
    put(store, HEADERS[kind](header), index)
    check(store, config)


def of(vectors: np.ndarray, first_id: int = 1) -> faiss.Index:
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(vectors, np.arange(first_id, first_id + len(vectors)))
    return index


def without_ids() -> faiss.Index:
    index = faiss.IndexFlatIP(DIM)
    index.add(OWN)
    return index


INDEXES = {
    "of another dimension": lambda: of(unit(N_CLIPS, 0, dim=DIM + 1)),
    "of other voices": lambda: of(unit(N_CLIPS, 9)),
    "with ids that are not there": lambda: of(OWN, first_id=10_000),
    "of half of the clips": lambda: of(OWN[: N_CLIPS // 2]),
    "NaN": lambda: of(np.full_like(OWN, math.nan)),
    "empty": lambda: of(OWN[:0]),
    "of a kind that keeps no ids": without_ids,
    "never trained": lambda: faiss.index_factory(DIM, "IVF4,SQ8", faiss.METRIC_INNER_PRODUCT),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_the_vectors_are_others(saved, kind):
    store, config, header, _ = saved
    put(store, header, INDEXES[kind]())
    check(store, config)


def test_a_sound_one_is_taken_up(saved, monkeypatch):
    store, config, header, index = saved
    put(store, header, index)
    monkeypatch.setattr(ProfileIndex, "_build", lambda index: pytest.fail("made anew"))
    assert len(ProfileIndex(store, model="m1", config=config)) == N_CLIPS
