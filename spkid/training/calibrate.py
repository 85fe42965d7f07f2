"""Fit the shipped calibration on held-out training speakers: trials and simulated homes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spkid.calibration import CLIP_COUNTS, Calibration, fit_affine, thresholds_at_rates
from spkid.scoring import household_llrs, known_log_odds, profile_vector

N_HOMES = 300
HOME_SIZES = (2, 3, 4, 5, 6)
ENROL_CLIPS = 3
PROBES_PER_MEMBER = 2


@dataclass(frozen=True)
class Pool:
    """Vectors of one corpus's held-out speakers: ``clips_of[speaker]`` is ``[clips, dim]``."""

    clips_of: dict[str, np.ndarray]

    def with_clips(self, n_clips: int) -> list[str]:
        return [name for name, clips in self.clips_of.items() if len(clips) >= n_clips]


def profile_trials(
    pool: Pool, n_clips: int, rng: np.random.Generator, *, n_profiles: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of single clips against profiles of ``n_clips``: same speaker, other speakers."""
    speakers = pool.with_clips(n_clips + 1)
    target, impostor = [], []
    for _ in range(n_profiles):
        speaker = speakers[rng.integers(len(speakers))]
        clips = rng.permutation(pool.clips_of[speaker])
        profile = profile_vector(clips[:n_clips])
        target.append(clips[n_clips] @ profile)
        others = [name for name in pool.clips_of if name != speaker]
        for name in rng.choice(others, min(10, len(others)), replace=False):
            impostor.append(rng.permutation(pool.clips_of[name])[0] @ profile)
    return np.array(target), np.array(impostor)


def guest_log_odds(pool: Pool, calibration: Calibration, rng: np.random.Generator) -> np.ndarray:
    """Known-log-odds of guests in simulated homes of one corpus."""
    able = pool.with_clips(ENROL_CLIPS)
    log_odds = []
    for _ in range(N_HOMES):
        size = min(int(rng.choice(HOME_SIZES)), len(able) - 1)
        members = list(rng.choice(able, size, replace=False))
        profiles = [
            profile_vector(rng.permutation(pool.clips_of[name])[:ENROL_CLIPS]) for name in members
        ]
        strangers = [name for name in pool.clips_of if name not in members]
        guests = rng.choice(strangers, min(PROBES_PER_MEMBER * size, len(strangers)), replace=False)
        probes = [rng.permutation(pool.clips_of[name])[0] for name in guests]
        llrs, _ = household_llrs(np.stack(probes), profiles, [ENROL_CLIPS] * size, calibration)
        log_odds.append(known_log_odds(llrs, guest_prior=calibration.guest_prior))
    return np.concatenate(log_odds)


def fit_calibration(
    pools: list[Pool], *, model: str, trained_on: str, seed: int, guest_prior: float = 0.5
) -> Calibration:
    """Maps and thresholds over all ``pools``, each weighing the same."""
    rng = np.random.default_rng(seed)
    trials = [[profile_trials(pool, n, rng) for pool in pools] for n in CLIP_COUNTS]
    joined = [[np.concatenate(side) for side in zip(*each, strict=True)] for each in trials]
    maps = [fit_affine(target, impostor) for target, impostor in joined]
    pair_thresholds = [
        thresholds_at_rates(scale * impostor + offset)
        for (scale, offset), (_, impostor) in zip(maps, joined, strict=True)
    ]
    start = Calibration(
        model=model,
        guest_prior=guest_prior,
        scale=tuple(scale for scale, _ in maps),
        offset=tuple(offset for _, offset in maps),
        pair_thresholds=tuple(pair_thresholds),
        household_thresholds=(),
        trained_on=trained_on,
    )
    guests = np.concatenate([guest_log_odds(pool, start, rng) for pool in pools])
    return replace(start, household_thresholds=thresholds_at_rates(guests))
