"""Cohorts inside the stable ones are found where they are worse, and only there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import THRESHOLD, planted_trials

from spkid.audit.cohorts.discovery import discover


def voices_within(sex, part, *, seed, dim=24):
    """Voices that fall into two sexes, far apart, and each of these into parts, less far."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    vectors, clips = [], []
    for number, (one, other) in enumerate(zip(sex, part, strict=True)):
        voice = axes[one] + 0.35 * axes[2 + 5 * one + other] + 0.03 * rng.normal(size=dim)
        for clip in range(2):
            vector = voice + 0.01 * rng.normal(size=dim)
            vectors.append(vector / np.linalg.norm(vector))
            clips.append((f"s{number:03d}/{clip}.wav", f"s{number:03d}"))
    return pd.DataFrame(clips, columns=["path", "speaker"]), np.array(vectors, dtype=np.float32)


def world(*, drop, seed, n_speakers=300):
    """A tenth of the speakers, a fifth of one sex, is worse off."""
    number = np.arange(n_speakers)
    sex, part = number % 2, number // 2 % 5
    is_bad = (sex == 0) & (part == 3)
    trials = planted_trials(is_bad, drop=drop, seed=seed)
    return is_bad, (trials, THRESHOLD, *voices_within(sex, part, seed=seed))


def test_a_tenth_inside_a_stable_half_is_found():
    is_bad, made = world(drop=1.5, seed=0)
    found = discover(*made, n_resamples=100)
    bad = {f"s{number:03d}" for number in np.flatnonzero(is_bad)}
    assert set(found.worst_speakers) == bad
    assert found.share == pytest.approx(0.1)
    assert found.read.certain
    assert found.read.n_speakers < 30  # of whom about half were searched


def test_where_no_part_is_worse_nothing_certain_is_read():
    found = [discover(*world(drop=0, seed=seed)[1], n_resamples=60) for seed in range(8)]
    assert sum(each.read.certain for each in found) <= 2  # of 8 at 5 %: three or more 0.6 %
    assert abs(np.mean([each.read.difference for each in found])) < 0.02
