"""Fault 38, the kind: what is acknowledged is kept. A store whose file went away says so."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from spkid.errors import StoreError


def add(store: Store, name: str, number: int) -> None:
    vector = np.eye(8, dtype=np.float32)[number]
    exemplar = Exemplar(vector=vector, digest=f"{number:064x}", speech_s=3.0, snr_db=20.0)
    store.add("home", name, [exemplar], model="m", consent=Consent(name))


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_nothing_is_acknowledged_by_a_store_that_went_away(tmp_path, how):
    path, aside = tmp_path / "home.sqlite3", tmp_path / "aside.sqlite3"
    with Store.open(path) as store:
        add(store, "Ana", 1)
        if how == "removed":
            path.unlink()
        else:
            path.rename(aside)
        if how == "replaced":
            path.write_bytes(aside.read_bytes())
        with pytest.raises(StoreError, match="moved, removed or replaced") as caught:
            add(store, "Ben", 2)
        assert caught.value.code == "store_moved"
        with pytest.raises(StoreError):
            store.forget("home", "Ana")


def test_a_store_opened_by_a_relative_path_stays_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with Store.open("home.sqlite3") as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        add(store, "Ana", 1)
        assert [member.name for member in store.members()] == ["Ana"]
