"""Field fault 22, held: trials that say nothing are left out and counted, and studies are checked.

Trials of a clip with itself, repeated lines and contradictory labels passed without a word and
moved the equal error rate.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import spkid as package
from spkid.errors import BadTable
from spkid.scoring.metrics import equal_error_rate

N_SPEAKERS, N_CLIPS = 40, 5


def study(*, seed=0, telling=False):
    """Trials between clips and a description of each; ``telling``: durations tell the speaker."""
    rng = np.random.default_rng(seed)
    rows, clips = [], []
    for speaker in range(N_SPEAKERS):
        usual = rng.uniform(2, 9)
        for clip in range(N_CLIPS):
            duration = usual + 0.1 * rng.normal() if telling else rng.uniform(2, 9)
            clips.append(
                {
                    "path": f"s{speaker}/{clip}",
                    "speaker": f"s{speaker}",
                    "gender": "fm"[speaker % 2],
                    "duration_s": f"{duration:.3f}",
                    "session": str(rng.integers(0, 3)),
                }
            )
            for other in range(clip + 1, N_CLIPS):
                score = rng.normal(2)
                rows.append((f"s{speaker}/{clip}", f"s{speaker}/{other}", score, True))
                stranger = (speaker + rng.integers(1, N_SPEAKERS)) % N_SPEAKERS
                rows.append((f"s{speaker}/{clip}", f"s{stranger}/{other}", rng.normal(), False))
    scores = pd.DataFrame(rows, columns=["enroll", "test", "score", "label"])
    return scores.drop_duplicates(["enroll", "test"], ignore_index=True), pd.DataFrame(clips)


def spoiled(scores):
    """``scores`` with clips against themselves, 20 lines again twice and 5 labelled both ways."""
    alone = scores[scores["label"]][:30].assign(score=9.0)
    alone["test"] = alone["enroll"]
    alone = alone.drop_duplicates("enroll")
    again = scores[100:120]
    other_way = scores[200:205].assign(label=~scores["label"][200:205])
    whole = pd.concat([scores, alone, again, again, other_way], ignore_index=True)
    return whole, {"self_trials": len(alone), "repeated_trials": 40, "contradictory_labels": 10}


def written(scores, path):
    lines = scores.assign(label=np.where(scores["label"], "target", "nontarget"))
    lines.to_csv(path, sep=" ", header=False, index=False, float_format="%.6f")


def test_what_says_nothing_is_left_out_counted_and_moves_no_figure(spkid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores, clips = study()
    bad, expected = spoiled(scores)
    written(bad, tmp_path / "bad.txt")
    clips.to_csv(tmp_path / "clips.csv", index=False)
    sound = scores.drop(index=range(200, 205))
    target, impostor = (sound["score"].round(6)[sound["label"] == kind] for kind in (True, False))
    words = ("--metadata", "clips.csv", "--by", "gender", "--out", "out")
    code, out, err = spkid("audit", "bad.txt", *words)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    counts = {each["reason"]: each["n_trials"] for each in record["left_out"]}
    assert {reason: counts[reason] for reason in expected} == expected
    assert record["n_trials"] == len(sound)
    overall = {row["figure"]: row["value"] for row in record["overall"]}
    assert overall["equal_error_rate"] == pytest.approx(equal_error_rate(target, impostor))
    page = (tmp_path / "out" / "audit.html").read_text()
    for line in (
        f"{expected['self_trials']} trials are left out: they hold a clip against itself.",
        "40 trials are left out: they repeat another one, which counts once.",
        "10 trials are left out: they are labelled as one speaker and as two.",
    ):
        assert out.index(line) < out.index("FNMR")
        assert line in page
    code, out, err = spkid("evaluate", "bad.txt", "--json")
    assert code == 0
    figures = json.loads(out)
    assert figures["equal_error_rate"] == pytest.approx(equal_error_rate(target, impostor))
    assert {each["reason"]: each["n_trials"] for each in figures["left_out"]} == expected
    assert "hold a clip against itself" in err


def test_speakers_may_stand_against_themselves_many_times(spkid, tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"s{n % 9} s{n % 9} {rng.normal(2):.1f} 1" for n in range(90)]
    lines += [f"s{n % 9} s{(n + 1) % 9} {rng.normal():.1f} 0" for n in range(90)]
    (tmp_path / "scores").write_text("\n".join(lines))
    code, out, _ = spkid("evaluate", tmp_path / "scores", "--json")
    assert code == 0
    assert (json.loads(out)["n_target"], json.loads(out)["left_out"]) == (90, [])


def test_nothing_but_clips_against_themselves_is_refused():
    scores, clips = study()
    alone = scores.assign(test=scores["enroll"].where(scores["label"], scores["test"]))
    with pytest.raises(BadTable, match="same-speaker trials, all of a clip with itself"):
        package.audit(alone, clips, by="gender")


def checks_of(scores, clips):
    result = package.audit(scores, clips, by="gender", n_resamples=5)
    assert [each["words"] for each in result.record()["checks"]] == [
        check.words for check in result.checks
    ]
    return {check.name: check for check in result.checks}


def test_recordings_that_give_the_answer_away_are_said():
    told = checks_of(*study(telling=True))["recordings_alone"]
    assert told.value < 0.25
    assert told.low < told.value < told.high < 0.5
    assert "gives the answer away: from duration_s, session alone" in told.words
    fair = checks_of(*study())["recordings_alone"]
    assert 0.4 < fair.value < 0.6
    assert "50 % would be chance" in fair.words
    assert "gives the answer away" not in fair.words


def test_sessions_in_words_give_it_away_too():
    scores, clips = study()
    clips["session"] = "day " + clips["speaker"]
    told = checks_of(scores, clips.drop(columns="duration_s"))["recordings_alone"]
    assert told.value < 0.05


def test_speakers_who_dominate_are_named():
    scores, clips = study()
    of_one = scores["label"] & scores["enroll"].str.startswith("s7/")
    extra = [
        (f"s7/x{one}", f"s7/x{other}", 1.0 + one / 50, True)
        for one in range(16)
        for other in range(one)
    ]
    more = pd.concat([scores, pd.DataFrame(extra, columns=scores.columns)])
    names = sorted({name for row in extra for name in row[:2]})
    new = pd.DataFrame({"path": names, "speaker": "s7", "gender": "m"})
    checks = checks_of(more, pd.concat([clips, new]))
    share = (of_one.sum() + len(extra)) / more["label"].sum()
    assert checks["dominant_speakers_same_speaker"].value == pytest.approx(share)
    assert "1 of 40 speakers" in checks["dominant_speakers_same_speaker"].words
    assert "'s7'" in checks["dominant_speakers_same_speaker"].words
    assert not any(name.startswith("dominant") for name in checks_of(scores, clips))


def test_enrollment_that_returns_as_test_is_said():
    scores, clips = study()
    check = checks_of(scores, clips)["enrollment_as_test"]
    assert check.value == pytest.approx(3 / 4)  # clips 1 to 4 are tested, 0 to 3 are enrolled
    apart = scores[scores["enroll"].str.endswith("/0")]
    assert "enrollment_as_test" not in checks_of(apart, clips)


def test_the_checks_stand_on_the_page_and_on_the_terminal(spkid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores, clips = study(telling=True)
    written(scores, tmp_path / "scores.txt")
    clips.to_csv(tmp_path / "clips.csv", index=False)
    words = ("--metadata", "clips.csv", "--by", "gender", "--out", "out")
    code, out, err = spkid("audit", "scores.txt", *words)
    assert code == 0, err
    page = (tmp_path / "out" / "audit.html").read_text()
    for text in (out, page):
        assert "gives the answer away" in text
        assert "may be tested" in text
