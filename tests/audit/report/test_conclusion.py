"""The four answers: they follow the verdict, say how many clips, how sure, and what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import spkid
from spkid.audit.cohorts.findings import known_cohorts
from spkid.audit.report.conclusion import conclusion
from spkid.audit.report.frequencies import one_against_others, out_of


def planted(seed, *, drops, sizes, n_target=10):
    """Groups a, b, ...; the own scores of each lie as much lower as ``drops`` says."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for group, drop, size in zip("abcdefgh", drops, sizes, strict=False):
        names = [f"{group}{number:02d}" for number in range(size)]
        people += [(name, group) for name in names]
        for name in names:
            own = 3 - drop + 0.3 * rng.normal()
            rows += [(name, name, own + rng.normal(), True) for _ in range(n_target)]
            for other in rng.choice([other for other in names if other != name], 8):
                rows.append((name, other, rng.normal(), False))
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    return scores, pd.DataFrame(people, columns=["speaker", "accent"])


def answers(result):
    return [each.answer for each in conclusion(result.findings)]


def test_a_group_that_is_certainly_worse_is_named_with_counts_and_what_to_do():
    result = spkid.audit(*planted(0, drops=(0, 2), sizes=(24, 24)), by="accent", n_resamples=5)
    who, much, sure, then = answers(result)
    assert who == "'b' (by accent)."
    rates = result.groups("accent").set_index("group")["false_non_match_rate"]
    of, b, a = map(
        int, re.match(r"Of (\d+) own clips, (\d+) are .*? 'b'; for 'a', (\d+)\.", much).groups()
    )
    assert [a, b] == [pytest.approx(of * rates[name], abs=0.5) for name in "ab"]
    assert "So they are turned away more often." in much
    assert re.match(r"Sure\. .* between \+\d+\.\d and \+\d+\.\d points \(95 % interval\)", sure)
    assert "Work on 'b' first" in then
    worst = result.findings.worst
    assert (worst.kind, worst.group, worst.certain) == ("group", "b", True)


def test_small_groups_that_are_worse_together_are_the_ones_to_work_on():
    drops, sizes = (0, 0, 1.5, 1.5, 1.5), (24, 24, 3, 4, 3)
    result = spkid.audit(*planted(0, drops=drops, sizes=sizes), by="accent", n_resamples=5)
    assert answers(result)[0].startswith("The small groups 'together: c, d, e' (by accent).")
    worst = result.findings.worst
    assert worst.labels == ("c", "d", "e")
    assert {name[0] for name in worst.speakers} == set("cde")
    assert result.record()["worst_cohort"]["labels"] == ["c", "d", "e"]


def test_where_nothing_is_certain_it_says_how_many_speakers_it_would_take():
    result = spkid.audit(*planted(3, drops=(0, 0.1), sizes=(24, 24)), by="accent", n_resamples=5)
    who, much, sure, then = answers(result)
    assert who.startswith("Nobody for certain. The largest difference seen is against '")
    assert "If that is no chance: " in much
    least = float(re.search(r"a difference of ([\d.]+) points or more", sure)[1])
    seen = float(re.search(r"as the one seen \(([\d.]+) points\)", then)[1])
    needed = int(re.search(r"about ([\d,]+) speakers", then)[1].replace(",", ""))
    # an interval shrinks with the root of the number of speakers
    assert needed == pytest.approx(24 * (least / seen) ** 2, rel=0.15)
    assert not result.findings.worst.certain


def test_the_cohort_to_work_on_is_never_called_certain_where_the_verdict_is_not():
    """The interval of its mean error may leave zero out: the corrected tests decide."""
    found = spkid.audit(*planted(0, drops=(0, 2), sizes=(24, 24)), by="accent", n_resamples=5)
    audit = found.findings.audit
    (section,) = audit.groupings
    unsure = replace(section, differences=section.differences.assign(certain=False))
    for each, certain in ((audit, ["b"]), (replace(audit, groupings=(unsure,)), [])):
        known = known_cohorts(each)
        assert [cohort.group for cohort in known if cohort.read.low > 0] == ["b"]
        assert [cohort.group for cohort in known if cohort.certain] == certain
        findings = replace(found.findings, audit=each, cohorts=tuple(known))
        assert findings.worst.group == "b"
        assert findings.worst.certain == bool(certain)
        said = conclusion(findings)[0].answer
        assert said.startswith("'b' (by" if certain else "Nobody for certain.")


def test_too_few_speakers_and_scores_the_wrong_way_round():
    scores, people = planted(0, drops=(0, 0), sizes=(12, 4))
    who, _, _, then = answers(spkid.audit(scores, people, by="accent", n_resamples=5))
    assert who.startswith("This cannot be told")
    assert "the second largest has 4" in then
    scores, people = planted(0, drops=(0, 0), sizes=(12, 12))
    turned = scores.assign(score=-scores["score"])
    assert answers(spkid.audit(turned, people, by="accent", n_resamples=5))[3].startswith(
        "First check the labels"
    )


def test_a_study_that_one_speaker_dominates_is_not_called_sure_without_a_word():
    scores, people = planted(0, drops=(0, 2), sizes=(24, 24))
    many = pd.concat([scores, *[scores[scores["enroll"] == "a00"]] * 30])
    sure = answers(spkid.audit(many, people, by="accent", n_resamples=5))[2]
    assert "the study itself has a weakness" in sure


def test_rates_are_counted_among_as_few_clips_as_show_them():
    assert [out_of(rates) for rates in ((0.09, 0.07), (0.09, 0.02), (0.002,), (0, 0))] == [
        *(100, 1_000, 10_000, 100)
    ]
    said = one_against_others("false_match_rate", 0.0905, 0.07, name="'child'", rest="'adult'")
    assert said == "Of 100 strangers' clips, 9 are accepted for 'child'; for 'adult', 7."


def test_the_page_and_the_record_hold_frequencies(tmp_path):
    result = spkid.audit(*planted(0, drops=(0, 2), sizes=(24, 24)), by="accent", n_resamples=5)
    (section,) = result.record()["groupings"]
    page = result.save(tmp_path).read_text(encoding="utf-8")
    for each in section["frequencies"]:
        rates = result.groups("accent").set_index("group")[each["figure"]]
        assert {g: round(each["of"] * rates[g]) for g in rates.index} == each["counts"]
    assert "so many are <" in page or "so many are accepted" in page
