"""A member's repr, in a log or a traceback, showed the voice vector; nothing that prints does."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import sqlite3
import traceback
from contextlib import closing

import numpy as np
import pytest

import enrollment
import spkid.encoder
import spkid.scoring
from enrollment import Household
from enrollment.index.profile_index import ProfileIndex
from enrollment.timeline import USUAL_SMOOTHING, listen
from spkid import SpkidError
from spkid.encoder.hearing import hear
from spkid.encoder.vectors import EmbeddingTable

VOICES = {"vector", "vectors", "landmarks", "clips_of"}  # what fields that hold vectors are called


def numbers(vector: np.ndarray) -> set[str]:
    """Its longer numbers, as numpy and Python print them."""
    printed = np.array2string(np.asarray(vector, np.float32), threshold=10**6)
    words = [*printed.strip("[]").split(), *map(str, np.asarray(vector).tolist())]
    return {word.lstrip("-").rstrip("0")[:9] for word in words if len(word) >= 9}


@pytest.fixture
def ana(store, model, cast):
    home = Household(store, "home", model=model)
    return home, home.enroll("Ana", cast["Ana"]["enroll"][:1], consent=True)


def holds(text: str, vector: np.ndarray) -> bool:
    return any(number in text for number in numbers(vector))


def test_what_is_printed_of_a_person_holds_no_vector(ana, cast, model, store):
    home, enrolled = ana
    member = enrolled.member
    vector = member.exemplars[0].vector
    assert holds(repr(vector), vector)
    assert holds(str(vector.tolist()), vector)
    heard = hear(cast["Ana"]["enroll"][0], model.encoder)
    session = home.session("Ana", consent=True)
    session.add(cast["Ana"]["enroll"][0])
    assert member.vector.any()  # computed, and kept beside the fields
    for value in (
        *(heard, member, enrolled, home, vars(home), session, vars(session), store, model),
        *(model.calibration, home.identify(heard), home.verify("Ana", cast["Ana"]["enroll"][0])),
        *(list(store.exemplars(model.fingerprint)), store.changes()),
        listen(cast["Ana"]["enroll"][0], model.encoder, USUAL_SMOOTHING),
        ProfileIndex(store, model=model.fingerprint).search(heard.vector),
        EmbeddingTable({"a": 0}, heard.vector[None], model.fingerprint),
    ):
        assert not holds(f"{value!r} {value}", vector)


def test_a_traceback_shows_members_and_clips_without_their_vectors(ana, cast, model):
    member = ana[1].member
    heard = hear(cast["Ana"]["enroll"][0], model.encoder)

    def breaks(member, heard):
        raise RuntimeError(f"at {member} and {heard}")

    with pytest.raises(RuntimeError) as caught:
        breaks(member, heard)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format())
    assert "exemplars=(Exemplar(" in text
    assert not holds(text, heard.vector)


def test_an_error_about_a_stored_vector_does_not_show_it(ana):
    home, enrolled = ana
    vector = 2 * enrolled.member.exemplars[0].vector
    with closing(sqlite3.connect(home.store.place)) as connection:
        connection.execute("UPDATE exemplar SET vector = ?", (vector.tobytes(),))
        connection.commit()
    with pytest.raises(SpkidError) as caught:
        home.members()
    home.store.close()
    assert not holds("".join(traceback.format_exception(caught.value)), vector)


def test_no_dataclass_prints_a_field_that_holds_vectors():
    seen = set()
    for package in (enrollment, spkid.encoder, spkid.scoring):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(found.name)).values():
                if dataclasses.is_dataclass(value):
                    fields = [field for field in dataclasses.fields(value) if field.name in VOICES]
                    assert not any(field.repr for field in fields), value
                    seen |= {f"{value.__name__}.{field.name}" for field in fields}
    assert {"Exemplar.vector", "Heard.vector", "EmbeddingTable.vectors", "Pool.clips_of"} <= seen
