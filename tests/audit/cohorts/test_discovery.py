"""Cohorts of planted voices: the bad region is found; where none is, only the naive gap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planted import THRESHOLD, planted_trials, planted_voices

from spkid.audit.cohorts.discovery import discover, merge_worst, shrunk_errors
from spkid.audit.cohorts.voices import stability_of
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.encoder.vectors import mean_vectors, nearest, spherical_k_means
from spkid.errors import SpkidError


def world(*, n_speakers=160, bad=None, drop=1.5, seed=0, n_regions=4):
    region = np.arange(n_speakers) % n_regions
    trials = planted_trials(region == bad, drop=drop, seed=seed)
    return trials, THRESHOLD, *planted_voices(region, seed=seed)


@pytest.fixture(scope="module")
def found():
    return discover(*world(bad=2), n_resamples=100)


def test_the_bad_region_is_found_without_a_label(found):
    bad = {f"s{number:03d}" for number in range(2, 160, 4)}
    assert set(found.worst_speakers) == bad
    assert found.share == 0.25
    assert len(found.table) == 4
    # the normal distribution says how many of the bad region's own clips are rejected
    sd = math.sqrt(2 * (1 + 0.3**2))
    truth = (math.erf((THRESHOLD - 1.5) / sd) - math.erf((THRESHOLD - 3) / sd)) / 4
    assert found.read.low < truth < found.read.high
    assert found.read.certain
    assert list(found.table["worst"]) == [True, False, False, False]


def test_speakers_that_were_read_were_not_searched(found):
    members = found.members
    assert found.read.n_speakers == (members["worst"] & ~members["searched"]).sum()
    assert found.naive.n_speakers == (members["worst"] & members["searched"]).sum()
    counts = members.groupby(["cohort", "searched"]).size()
    for row in found.table.to_dict("records"):
        assert counts[row["cohort"], True] == row["n_searched"]
        assert counts[row["cohort"], False] == row["n_read"]
    assert members["searched"].sum() == 80


def test_where_nothing_is_the_naive_gap_is_larger_and_the_read_one_is_not_certain():
    """Regions cut by voice, errors the same: what the worst seems to be is selection."""
    discoveries = [
        discover(*world(n_speakers=120, seed=seed, n_regions=3), n_resamples=100, seed=seed)
        for seed in range(8)
    ]
    naive = [each.naive.difference for each in discoveries]
    read = [each.read.difference for each in discoveries]
    assert np.mean(naive) > 0.01 > abs(np.mean(read))
    assert sum(each.read.certain for each in discoveries) <= 2


def test_the_number_of_cohorts_is_the_stable_one(found):
    stability = found.stability.set_index("n_cohorts")["mean"]
    assert stability.idxmax() == 4
    assert stability[4] == pytest.approx(1)
    assert stability[3] < 0.9 > stability[6]


def test_stability_of_noise_is_low():
    noise = np.random.default_rng(0).normal(size=(80, 16))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    assert stability_of(noise, 4, seed=0).mean() < 0.3


def test_typical_clips_are_the_nearest_of_three_speakers(found):
    clips, vectors = world(bad=2)[2:]
    names, means = mean_vectors(clips, vectors)
    cohort_of = dict(zip(found.members["speaker"], found.members["cohort"], strict=True))
    for cohort, part in found.typical.groupby("cohort"):
        assert part["speaker"].nunique() == len(part) == 3
        assert {cohort_of[speaker] for speaker in part["speaker"]} == {cohort}
        assert part["cosine"].is_monotonic_decreasing
        assert all(
            path.startswith(name) for path, name in zip(part["path"], part["speaker"], strict=True)
        )
    assert names == sorted(names)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1)
    one = vectors[:2].astype(np.float64).sum(axis=0)
    np.testing.assert_allclose(means[0], one / np.linalg.norm(one))


def test_spherical_k_means_reaches_the_centres_of_a_plain_loop():
    _, vectors = planted_voices(np.arange(60) % 3, seed=1)
    centroids = spherical_k_means(vectors, 3, seed=0)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, rtol=1e-5)
    groups = nearest(vectors, centroids)
    for group, centroid in enumerate(centroids):
        mean = vectors[groups == group].astype(np.float64).sum(axis=0)
        np.testing.assert_allclose(centroid, mean / np.linalg.norm(mean), atol=1e-5)


def test_shrinkage_is_the_random_effects_weight():
    measured, deviation = np.array([0.02, 0.05, 0.20]), 0.02
    noise = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]]) * deviation
    shrunk = shrunk_errors(np.vstack([measured, measured + noise]))
    between = measured.var(ddof=1) - deviation**2
    weight = between / (between + deviation**2)
    np.testing.assert_allclose(shrunk, 0.09 + weight * (measured - 0.09))
    # nothing left between the cohorts: all are the mean
    wide = shrunk_errors(np.vstack([measured, measured + 10 * noise]))
    np.testing.assert_allclose(wide, 0.09)
    unknown = shrunk_errors(np.array([[0.02, np.nan, 0.2], [0.02, np.nan, 0.2]]))
    np.testing.assert_allclose(unknown, [0.02, 0.11, 0.2])


def test_the_worst_are_merged_to_the_share_and_never_all():
    shrunk, sizes = np.array([0.1, 0.4, 0.2, 0.3]), np.array([100, 12, 15, 13])
    assert merge_worst(shrunk, shrunk, sizes, 0.05) == [1]
    assert merge_worst(shrunk, shrunk, sizes, 0.1) == [1, 3]
    assert merge_worst(shrunk, shrunk, sizes, 0.5) == [1, 3, 2]
    # too few speakers to be read, whatever the share
    assert merge_worst(shrunk, shrunk, sizes // 2, 0.01) == [1, 3]
    level = np.full(4, 0.2)
    assert merge_worst(level, np.array([0.1, np.nan, 0.3, 0.2]), sizes, 0.1) == [2]


def test_the_same_seed_gives_the_same_cohorts(found):
    again = discover(*world(bad=2), n_resamples=100)
    assert again.members.equals(found.members)
    assert again.read == found.read


def test_what_cannot_be_searched_is_refused():
    trials, threshold, clips, vectors = world(n_speakers=4 * MIN_SPEAKERS)
    with pytest.raises(SpkidError, match="39 speakers with both trials and vectors"):
        discover(trials, threshold, clips[2:], vectors[2:])
    with pytest.raises(SpkidError, match=r"share=0\.6"):
        discover(trials, threshold, clips, vectors, share=0.6)
