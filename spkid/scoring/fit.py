"""Fit the shipped calibration on held-out training speakers: trials and simulated homes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.encoder.vectors import spherical_k_means
from spkid.errors import SpkidError
from spkid.scoring.calibration import (
    CLIP_COUNTS,
    RATES,
    SPEECH_S,
    Calibration,
    Floats,
    _log_duration,
    raw_cosines,
)
from spkid.scoring.metrics import threshold_at_false_match_rate
from spkid.scoring.posterior import household_llrs, known_log_odds, profile_vector

N_HOMES = 1000
HOME_SIZES = (2, 3, 4, 5, 6)
ENROL_CLIPS = 3
PROBES_PER_MEMBER = 2
N_LANDMARKS = 64  # chosen on held-out training speakers, of 16 to 256
LANDMARK_DIGITS = 4


@dataclass(frozen=True)
class Pool:
    """Vectors of one corpus's held-out speakers.

    ``clips_of[speaker]`` is ``[clips, 1 + len(SPEECH_S), dim]``: of the whole clip, then of
    the clip cut to each of ``SPEECH_S``, NaN where it holds less speech.
    """

    clips_of: dict[str, np.ndarray]

    def with_clips(self, n_clips: int) -> list[str]:
        return [name for name, clips in self.clips_of.items() if len(clips) >= n_clips]

    def probes(self, length: int) -> dict[str, list[int]]:
        """The clips of each speaker that can be cut to ``SPEECH_S[length]``."""
        long_enough = {
            name: np.flatnonzero(np.isfinite(clips[:, 1 + length, 0])).tolist()
            for name, clips in self.clips_of.items()
        }
        return {name: clips for name, clips in long_enough.items() if clips}


def profile_trials(
    pool: Pool, n_clips: int, rng: np.random.Generator, *, length: int, n_profiles: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Clips cut to ``SPEECH_S[length]`` against profiles of ``n_clips`` whole ones.

    Returns
    -------
    target, impostor : float64 ``[trials, 2, dim]``
        Clip and profile, of one speaker and of two; empty where no clip is long enough.
    """
    probes = pool.probes(length)
    speakers = [name for name in pool.with_clips(n_clips + 1) if name in probes]
    target, impostor = [], []
    for _ in range(n_profiles if speakers else 0):
        speaker = speakers[rng.integers(len(speakers))]
        clips = pool.clips_of[speaker]
        own = rng.choice(probes[speaker])
        enrolled = rng.permutation(np.delete(np.arange(len(clips)), own))[:n_clips]
        profile = profile_vector(clips[enrolled, 0])
        target.append([clips[own, 1 + length], profile])
        others = [name for name in probes if name != speaker]
        for name in rng.choice(others, min(10, len(others)), replace=False):
            other = pool.clips_of[name][rng.choice(probes[name]), 1 + length]
            impostor.append([other, profile])
    return np.array(target), np.array(impostor)


def guest_log_odds(
    pool: Pool, calibration: Calibration, rng: np.random.Generator, *, length: int
) -> np.ndarray:
    """Known-log-odds of guests with clips of ``SPEECH_S[length]`` in simulated homes."""
    able, probes = pool.with_clips(ENROL_CLIPS), pool.probes(length)
    log_odds = [np.empty(0)]
    for _ in range(N_HOMES):
        size = min(int(rng.choice(HOME_SIZES)), len(able) - 1)
        members = list(rng.choice(able, size, replace=False))
        profiles = [
            profile_vector(rng.permutation(pool.clips_of[name])[:ENROL_CLIPS, 0])
            for name in members
        ]
        strangers = [name for name in probes if name not in members]
        guests = rng.choice(strangers, min(PROBES_PER_MEMBER * size, len(strangers)), replace=False)
        if not len(guests):
            continue
        heard = [pool.clips_of[name][rng.choice(probes[name]), 1 + length] for name in guests]
        llrs, _ = household_llrs(
            np.stack(heard), profiles, [ENROL_CLIPS] * size, calibration, SPEECH_S[length]
        )
        log_odds.append(known_log_odds(llrs, guest_prior=calibration.guest_prior))
    return np.concatenate(log_odds)


def all_trials(
    pools: list[Pool],
    rng: np.random.Generator,
    *,
    crowding: Callable[[np.ndarray], np.ndarray],
) -> Trials:
    """Every clip count at every length of clip, over all ``pools``; ``crowding`` of vectors."""
    cosines, crowdings, kinds = [], [], []
    for n_clips in CLIP_COUNTS:
        for length, speech_s in enumerate(SPEECH_S):
            for number, pool in enumerate(pools):
                sides = profile_trials(pool, n_clips, rng, length=length)
                for is_target, pairs in zip((True, False), sides, strict=True):
                    if not len(pairs):
                        continue
                    cosines.append(np.einsum("ij,ij->i", pairs[:, 0], pairs[:, 1]))
                    crowdings.append(crowding(pairs[:, 0]))
                    kinds += [(n_clips, speech_s, is_target, number)] * len(pairs)
    columns = map(np.array, zip(*kinds, strict=True))
    return Trials(np.concatenate(cosines), np.concatenate(crowdings), *columns)


def landmarks_of(speaker_means: np.ndarray, *, seed: int) -> tuple[tuple[float, ...], ...]:
    """``N_LANDMARKS`` directions where speakers lie, from their means ``[speakers, dim]``."""
    centroids = spherical_k_means(speaker_means, N_LANDMARKS, seed=seed)
    return tuple(map(tuple, centroids.round(LANDMARK_DIGITS).tolist()))


def fit_calibration(
    pools: list[Pool],
    *,
    landmarks: tuple[tuple[float, ...], ...],
    model: str,
    trained_on: str,
    seed: int,
    guest_prior: float = 0.5,
) -> Calibration:
    """Maps and thresholds over all ``pools``, each weighing the same.

    The stated share of guests holds in the pool where most of them come in: a home is of one
    kind, and a mean over kinds would promise some homes what they do not get.
    """
    rng = np.random.default_rng(seed)
    start = replace(
        raw_cosines(model), guest_prior=guest_prior, landmarks=landmarks, trained_on=trained_on
    )
    whole = [np.concatenate(list(pool.clips_of.values()))[:, 0] for pool in pools]
    usual = float(np.mean([start.crowding(vectors).mean() for vectors in whole]))
    start = replace(start, usual_crowding=usual)
    trials = all_trials(pools, rng, crowding=start.crowding)
    start = replace(start, **fit_maps(trials))
    llrs = start.log_likelihood_ratio(
        trials.cosines, trials.n_clips, trials.speech_s, crowding=trials.crowding
    )
    pair_thresholds, household_thresholds = [], []
    for n_clips in CLIP_COUNTS:
        own = ~trials.is_target & (trials.n_clips == n_clips)
        pair_thresholds.append(
            tuple(thresholds_at_rates(llrs[own & (trials.speech_s == s)]) for s in SPEECH_S)
        )
    for length in range(len(SPEECH_S)):
        guests = [guest_log_odds(pool, start, rng, length=length) for pool in pools]
        by_pool = [thresholds_at_rates(own) for own in guests if len(own)]
        household_thresholds.append(tuple(np.max(by_pool, axis=0).tolist()))
    return replace(
        start,
        pair_thresholds=tuple(pair_thresholds),
        household_thresholds=tuple(household_thresholds),
    )


@dataclass(frozen=True)
class Trials:
    """Cosines of clips of ``speech_s`` against profiles of ``n_clips``; all ``[trials]``.

    ``crowding`` is that of the clip; trials of one ``pool`` are of one kind of speakers.
    """

    cosines: Floats
    crowding: Floats
    n_clips: NDArray[np.int64]
    speech_s: Floats
    is_target: NDArray[np.bool_]
    pool: NDArray[np.int64]


def fit_maps(trials: Trials) -> dict[str, Any]:
    """The fields ``scale`` and ``offset``, those of durations, and ``crowding_scale``.

    One logistic regression, in which every kind of trial (pool, clip count, length, same speaker
    or not) weighs the same; then ``offset`` is lowered until it fits the pool that asks for the
    lowest: a home is of one kind, and a mean over kinds would be too sure in some homes.

    Raises
    ------
    SpkidError
        If impostors score as high as targets.
    """
    from sklearn.linear_model import LogisticRegression

    is_count = trials.n_clips[:, None] == np.asarray(CLIP_COUNTS)
    per_fold = _log_duration(trials.speech_s)[:, None] * np.ones(2)
    value = trials.cosines[:, None]
    by_fold = per_fold * np.hstack([value, value**0])
    terms = np.hstack([is_count * value, is_count, by_fold, trials.crowding[:, None]])
    kinds = np.stack([trials.pool, trials.n_clips, trials.speech_s, trials.is_target], axis=1)
    _, kind, sizes = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    weights = len(kind) / len(sizes) / sizes[kind]
    used = terms.any(axis=0)  # a count or a length that does not occur has no term
    model = LogisticRegression(C=1e6, max_iter=2000, fit_intercept=False)
    model.fit(terms[:, used], trials.is_target, sample_weight=weights)
    found = np.zeros(terms.shape[1])
    found[used] = model.coef_[0]
    n_counts = len(CLIP_COUNTS)
    scale, offset = found[:n_counts], found[n_counts : 2 * n_counts]
    duration_scale, duration_offset, crowding_scale = found[2 * n_counts :]
    if (scale[used[:n_counts]] <= 0).any():
        raise SpkidError(
            "impostors that score as high as targets",
            expected="target scores above impostor scores",
            do="check the labels",
        )
    ratios = terms @ found
    lowest = min(
        shift_of(ratios[own], trials.is_target[own], weights[own])
        for own in (trials.pool == pool for pool in np.unique(trials.pool))
    )
    return {
        "scale": tuple(map(float, scale)),
        "offset": tuple(map(float, offset + lowest)),
        "duration_scale": float(duration_scale),
        "duration_offset": float(duration_offset),
        "crowding_scale": float(crowding_scale),
    }


def shift_of(ratios: Floats, is_target: NDArray[np.bool_], weights: Floats) -> float:
    """What to add to log-likelihood ratios so that they fit these trials; all ``[trials]``."""
    from scipy.optimize import brentq
    from scipy.special import expit

    def surplus(shift: float) -> float:  # of what is expected over what is there
        return float(weights @ (expit(ratios + shift) - is_target))

    return brentq(surplus, -50.0, 50.0)


def thresholds_at_rates(impostor: ArrayLike) -> tuple[float, ...]:
    """The threshold for each of ``RATES``."""
    return tuple(threshold_at_false_match_rate(impostor, rate) for rate in RATES)
