"""Field fault 23, held: a group's error is told by one definition on the page and the terminal.

It stood there twice with different values: by the trials within the group, and by every trial
with one of its speakers.
"""

from __future__ import annotations

import html
import math
import re

import numpy as np
import pandas as pd
import pytest

import spkid as package


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    rows = []
    for speaker in range(60):
        drop = 1.5 * (speaker % 3 == 0)
        rows += [(f"s{speaker}", f"s{speaker}", rng.normal(3 - drop), True) for _ in range(6)]
        for other in rng.choice(np.delete(np.arange(60), speaker), 12):
            alike = (speaker - other) % 3 == 0  # strangers of one region are nearer
            rows.append((f"s{speaker}", f"s{other}", rng.normal(alike), False))
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    people = pd.DataFrame({"speaker": [f"s{each}" for each in range(60)]})
    people["region"] = np.array(["south", "north", "east"])[np.arange(60) % 3]
    return package.audit(scores, people, by="region", n_resamples=20)


def test_no_group_has_a_second_error(result, tmp_path):
    page = html.unescape(result.save(tmp_path).read_text())
    table = result.groups("region").set_index("group")
    known = [each for each in result.findings.cohorts if each.kind == "group"]
    assert len(known) == 3
    for cohort in known:
        own = table.loc[cohort.group]
        mean = (own["false_match_rate"] + own["false_non_match_rate"]) / 2
        assert cohort.read.error != pytest.approx(mean, abs=1e-3)  # two definitions, two values
        assert f"{100 * cohort.read.error:.1f} %" not in page
        for text in result.tables()[1:]:
            assert all(cohort.name != row[0] for row in text.rows)
        assert not re.search(rf"<td[^>]*>{cohort.name}</td>", page)


def test_the_worst_group_is_told_by_the_rates_of_its_table(result, tmp_path):
    page = html.unescape(result.save(tmp_path).read_text())
    words = result.record()["worst_cohort"]["words"]
    table = result.groups("region").set_index("group")
    for rate in ("false_match_rate", "false_non_match_rate"):
        others = table[rate].drop("south").mean()
        assert f"{100 * table.at['south', rate]:.1f} % of" in words
        assert f"(others {100 * others:.1f} %)" in words
    assert "mean error" not in words
    own, rest = (math.floor(100 * each + 0.5) for each in (table.at["south", rate], others))
    answer = f"{own} are rejected for 'south'; for the others on average, {rest}."
    assert f"Of 100 own clips, {answer}" in re.sub(r"<[^>]*>", "", page)
