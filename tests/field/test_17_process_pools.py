"""An encoder, a household and a store did not pickle, so no process pool could use them.

Workers open the file or the address again; no connection, profile or password travels.
"""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.profile import Consent, Exemplar
from spkid import SpkidError


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        yield workers


@pytest.fixture
def family(store, model, cast):
    home = Household(store, "home", model=model)
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    return home


@pytest.mark.slow
def test_a_household_answers_in_a_worker(pool, family, cast):
    clip = cast["Ana"]["heard"][0]
    assert pool.submit(family.identify, clip).result() == family.identify(clip)
    with pytest.raises(SpkidError, match="no such file"):  # the error comes back whole
        pool.submit(family.identify, "missing.wav").result()
    (member,) = pool.submit(family.members).result()
    assert member == family.members()[0]


@pytest.mark.slow
def test_an_encoder_embeds_in_a_worker(pool, encoder, cast):
    clip = cast["Ana"]["heard"][0]
    there = pool.submit(encoder.embed_file, clip).result()
    np.testing.assert_allclose(there, encoder.embed_file(clip), atol=1e-6)


@pytest.mark.slow
def test_a_store_is_read_and_written_in_a_worker(pool, place):
    vector = np.eye(192, dtype=np.float32)[0]
    with Store.open(place) as store:
        clips = [Exemplar(vector, "digest", 4.0, 30.0)]
        added = pool.submit(
            store.add, "home", "Ana", clips, model="m1", consent=Consent("Ana")
        ).result()
        assert [added.name] == [member.name for member in store.members()] == ["Ana"]


def test_no_profile_travels(family):
    (member,) = family.members()
    for value in (family, family.store, family.model.encoder):
        assert member.exemplars[0].vector.tobytes() not in pickle.dumps(value)
