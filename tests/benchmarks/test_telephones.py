"""Which clips of a home come by telephone."""

from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("torch")

from benchmarks.telephones import CALL, called


@pytest.mark.parametrize(("n_enrolled", "asked"), [(0, True), (2, True), (3, False)])
def test_so_many_of_each_members_clips_and_what_is_asked_come_by_telephone(n_enrolled, asked):
    rows = [
        (home, role, speaker, f"{home}{speaker}{role}{number}")
        for home in (0, 1)
        for number in range(3)  # the members' clips lie between each other
        for role, speaker in (("enroll", "a"), ("enroll", "b"), ("member", "a"), ("guest", "c"))
    ]
    homes = pd.DataFrame(rows, columns=["household", "role", "speaker", "path"])
    found = called(homes, n_enrolled, asked=asked)
    assert found["path"].str.removesuffix(CALL).equals(homes["path"])
    is_call = found["path"].str.endswith(CALL)
    enrolled = is_call[found["role"] == "enroll"]
    n_calls = enrolled.groupby([found["household"], found["speaker"]]).sum()
    assert n_calls.tolist() == [n_enrolled] * 4
    assert set(is_call[found["role"] != "enroll"]) == {asked}
