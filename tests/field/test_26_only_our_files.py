"""``forget`` removed a user's folder that is called like the index; held: only our files go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar

THEIRS = {
    "notes.txt": b"my thesis",
    "profiles.index": b"a back-of-the-book index of profiles",
    "x.part": b"half a film",
    "deep/er/profiles.index": b"another one",
}


def enroll(store: Store) -> None:
    vectors = np.eye(6, dtype=np.float32)
    for number, name in enumerate(("Ana", "Ben")):
        clip = Exemplar(vectors[number], name, 4.0, 30.0)
        store.add("home", name, [clip], model="m1", consent=Consent(name))


@pytest.fixture
def folder(store):
    """A user's folder in the index's place, a link in it, and the store with two people."""
    enroll(store)
    for name, content in THEIRS.items():
        path = store.index_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (store.index_folder / "link.part").symlink_to("notes.txt")
    (store.index_folder / "empty").mkdir()
    return store.index_folder


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def test_a_folder_of_the_user_stays_as_it_is(store, folder):
    before = content_of(folder)
    index = ProfileIndex(store, model="m1", config=IndexConfig(saved_from=1))
    assert store.forget("home", "Ana").n_exemplars == 1
    assert [hit.member for hit in index.search(np.eye(6)[0])] == ["Ben"]
    assert store.forget("home").members == ("Ben",)
    with Store.open(store.place):
        assert content_of(folder) == before


def test_our_file_goes_from_among_theirs(store, folder):
    (folder / "profiles.index").unlink()
    before = content_of(folder)
    ProfileIndex(store, model="m1", config=IndexConfig(saved_from=1))
    assert set(content_of(folder)) - set(before) == {"profiles.index"}
    store.forget("home", "Ana")
    assert content_of(folder) == before


def test_an_empty_folder_and_a_file_in_its_place_stay(store):
    enroll(store)
    store.index_folder.mkdir()
    store.forget("home", "Ana")
    assert store.index_folder.is_dir()
    store.index_folder.rmdir()
    store.index_folder.write_bytes(b"theirs")
    store.forget("home")
    assert store.index_folder.read_bytes() == b"theirs"
