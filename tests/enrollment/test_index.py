"""The faiss index against a plain loop over all profiles."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment.index import ProfileIndex
from enrollment.profile import Exemplar, Member
from spkid import SpkidError


def members(n_members: int, *, model: str = "m1") -> list[Member]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(n_members):
        vectors = rng.normal(size=(2, 192)).astype(np.float32)
        own = tuple(
            Exemplar(vector / np.linalg.norm(vector), f"{number}-{i}", 3.0, 30.0)
            for i, vector in enumerate(vectors)
        )
        found.append(Member(f"home {number % 7}", f"member {number}", model, "now", own))
    return found


def test_hits_are_the_nearest_profiles():
    everybody = members(100)
    query = np.random.default_rng(1).normal(size=192)
    query /= np.linalg.norm(query)
    expected = sorted(everybody, key=lambda member: -float(member.vector @ query))[:5]
    hits = ProfileIndex(everybody).search(query)
    assert [hit.member for hit in hits] == [member.name for member in expected]
    assert hits[0].household == expected[0].household
    assert hits[0].cosine == pytest.approx(float(expected[0].vector @ query), abs=1e-5)


def test_fewer_profiles_than_hits_and_none():
    assert len(ProfileIndex(members(2)).search(members(2)[0].vector, n_hits=5)) == 2
    assert ProfileIndex([]).search(np.ones(192)) == []
    assert len(ProfileIndex([])) == 0


def test_wrong_dimension_nan_and_mixed_models_are_refused():
    index = ProfileIndex(members(3))
    for query in (np.ones(10), np.full(192, np.nan)):
        with pytest.raises(SpkidError):
            index.search(query)
    with pytest.raises(SpkidError, match="models"):
        ProfileIndex([*members(1), *members(1, model="m2")])
