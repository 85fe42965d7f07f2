"""A sealed clip was bound to a number only, so another member's or store's passed; held."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store.vault import Vault
from spkid import SpkidError

OLD = Path(__file__).with_name("test_38") / "schema_2.sqlite3"


@pytest.fixture
def vault(tmp_path):
    return Vault.load(tmp_path / "key", create=True)


def add(store: Store, member: str, vault: Vault, *, seed: int) -> int:
    """Enroll ``member`` with one kept clip; its number."""
    vector = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    clip = Exemplar(vector / np.linalg.norm(vector), f"digest-{seed}", 4.0, 30.0)
    consent = Consent(member, audio_text="keep the clips")
    said = {clip.digest: f"what {member} said".encode()}
    found = store.add(
        "home", member, [clip], model="m1", consent=consent, vault=vault, recordings=said
    )
    return found.exemplars[0].id


def sql(store: Store, statement: str, *values: object) -> list:
    """What somebody can do who may write the file and has no key."""

    def work(connection) -> list:
        result = connection.exec_driver_sql(statement, values)
        return result.all() if result.returns_rows else []

    return store._database.write(work)


def refuses(store: Store, clip: int, vault: Vault) -> bool:
    with pytest.raises(SpkidError) as caught:
        store.recording(clip, vault)
    return caught.value.code == "bad_key"


def test_a_clip_of_another_store_with_the_same_key_is_refused(store, vault, tmp_path):
    own = add(store, "Ana", vault, seed=1)
    with Store.open(tmp_path / "other.sqlite3") as other:
        assert add(other, "Ana", vault, seed=1) == own  # same number, member and content
        ((sealed,),) = sql(other, "SELECT sealed FROM kept_audio")
    sql(store, "UPDATE kept_audio SET sealed = ?", sealed)
    assert refuses(store, own, vault)


def test_a_clip_of_another_member_is_refused(store, vault):
    ana, ben = add(store, "Ana", vault, seed=1), add(store, "Ben", vault, seed=2)
    assert store.recording(ana, vault) == b"what Ana said"
    sql(store, "UPDATE exemplar SET member_id = 2 WHERE id = ?", ana)
    assert refuses(store, ana, vault)
    assert store.recording(ben, vault) == b"what Ben said"


def test_a_clip_of_other_content_is_refused(store, vault):
    ana = add(store, "Ana", vault, seed=1)
    sql(store, "UPDATE exemplar SET digest = 'another' WHERE id = ?", ana)
    assert refuses(store, ana, vault)


def test_clips_that_an_older_version_sealed_stay_readable(tmp_path):
    place = Path(shutil.copy(OLD, tmp_path / "store.sqlite3"))
    key = Path(shutil.copy(OLD.with_name("schema_2.key"), tmp_path / "key"))
    with Store.open(place) as store:
        (ana,) = store.members()
        said = [store.recording(clip.id, Vault.load(key)) for clip in ana.exemplars]
    assert said == [b"what Ana said", b"and what she said then"]
