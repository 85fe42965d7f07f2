"""How much better a figure looks on the scores that it was fitted to than it is.

minDCF is the least cost over thresholds, minCllr that over calibrations, so that both are too low
where speakers are few: their threshold and calibration follow what is accidental. By how much
is seen on resamples of the speakers. A resample follows its own accidents; that the population it
is drawn from has none is what the smoothing is for, without which half of the bias would be seen
only (a minimum over a rough curve: Kim and Pollard, Annals of Statistics 1990).

Each resample draws every speaker ``m_i`` times, moves each score by the kernel, and weighs a
same-speaker trial by ``w_i = 1 + s (m_i - 1)``, a trial of two speakers by ``w_i w_j``. With
``s = 1`` the noise of a pair would stand there three times, and that of single trials, which the
kernel makes too, twice. So ``s``, one for either kind, makes the variance of the detection cost
that of :mod:`spkid.audit.statistics.intervals`. With ``W``, ``D`` and ``V`` for the sum of squared
effects, what it counts twice and the variance, and ``J`` for what the kernel makes alone,
``s^2 W + J (1 + s^2)`` or ``s^2 W + s^4 D + J (1 + s^2)^2`` is ``V``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.audit.statistics.intervals import Clusters, Spread, speaker_draws
from spkid.audit.statistics.smooth import N_BINS, Fit, Kernel, Smoothed
from spkid.encoder.vectors import Floats

N_RESAMPLES = 20
MOST_TRIALS = 50_000  # of either kind; accidents of single trials are nothing beyond
SEED = 0


def optimism_of_fits(
    target: Floats,
    impostor: Floats,
    speakers: tuple[Clusters, Clusters],
    smoothed: Smoothed,
    noise: tuple[Spread, Spread],
) -> dict[str, float]:
    """How much too high minDCF and the calibration loss are on average; the first below zero.

    Parameters
    ----------
    target, impostor : float64 ``[trials]``
        The scores.
    speakers : Clusters, Clusters
        Who each of those trials touches.
    smoothed : Smoothed
        Of the same scores.
    noise : Spread, Spread
        Of both kinds' costs at the threshold of ``smoothed``.
    """
    rng = np.random.default_rng(SEED)
    drawn = [
        _some(scores, own, kernel, rng)
        for scores, own, kernel in zip((target, impostor), speakers, smoothed.kernels, strict=True)
    ]
    scales = [
        _scale(spread, _kernel_noise(scores, kernel, smoothed, weight), two=own.pair is not None)
        for scores, own, kernel, weight, spread in zip(
            (target, impostor), speakers, smoothed.kernels, smoothed.weights, noise, strict=True
        )
    ]
    touched = np.zeros(speakers[0].n_all, dtype=bool)
    for own in speakers:
        touched[own.first] = touched[own.second] = True
    place = np.cumsum(touched) - 1
    found = []
    for draw in speaker_draws(int(touched.sum()), N_RESAMPLES, seed=SEED):
        shares = []
        for (scores, bandwidth, first, second), scale in zip(drawn, scales, strict=True):
            weight_of = 1 + scale * (draw - 1.0)
            weights = weight_of[place[first]]
            if second is not None:
                weights = weights * weight_of[place[second]]
            again = smoothed.bins.of(scores + bandwidth * rng.standard_normal(len(scores)))
            mass = np.bincount(again, weights, N_BINS)
            if mass.sum() > 0:  # else nobody with such trials was drawn
                shares.append(mass / mass.sum())
        if len(shares) == len(drawn):
            found.append(_gains(shares[0], shares[1], smoothed))
    cost, bits = np.mean(found, axis=0) if found else (0.0, 0.0)
    # Cllr itself is fitted to nothing: its loss is too high by what minCllr is too low
    return {"min_dcf": -float(cost), "calibration_loss": float(bits)}


def _some(
    scores: Floats, speakers: Clusters, kernel: Kernel, rng: np.random.Generator
) -> tuple[Floats, float, NDArray[np.integer], NDArray[np.integer] | None]:
    """Scores ready for their noise, its bandwidth, and the one or two speakers of each.

    Of all trials, or of so many at random.
    """
    chosen: slice | NDArray[np.intp] = slice(None)
    if len(scores) > MOST_TRIALS:
        chosen = rng.integers(0, len(scores), MOST_TRIALS)
    second = None if speakers.pair is None else speakers.second[chosen]
    return kernel.drawn_in(scores[chosen]), kernel.bandwidth, speakers.first[chosen], second


def _kernel_noise(scores: Floats, kernel: Kernel, smoothed: Smoothed, weight: float) -> float:
    """``J``: the variance of the detection cost that the kernel makes alone."""
    from scipy.special import ndtr

    if not kernel.bandwidth > 0:
        return 0.0
    above = ndtr((kernel.drawn_in(scores) - smoothed.threshold) / kernel.bandwidth)
    return float(weight**2 * (above * (1 - above)).sum() / len(scores) ** 2)


def _scale(noise: Spread, kernel: float, *, two: bool) -> float:
    """``s``, in 0..1: see the module; ``two``: of trials of two speakers."""
    whole = float(np.square(noise.effects).sum())
    left = max(whole - noise.doubled, noise.least) - kernel
    if not whole > 0:  # nobody's errors differ, or too few speakers to know
        return 1.0
    if not left > 0:
        return 0.0
    if not two:
        return float(np.sqrt(min(1.0, left / (whole + kernel))))
    square, straight = noise.doubled + kernel, whole + 2 * kernel
    squared = 2 * left / (straight + np.sqrt(straight**2 + 4 * square * left))
    return float(np.sqrt(min(1.0, squared)))


def _gains(target: Floats, impostor: Floats, smoothed: Smoothed) -> tuple[float, float]:
    """By how much a resample's own fits do better on it than those of the population."""
    own, at = Fit(target, impostor, smoothed.weights), smoothed.fit.at
    cost = smoothed.weights @ [target[:at].sum(), impostor[at:].sum()]
    bits = Fit.cllr(target, impostor, smoothed.fit.posteriors)
    return float(cost) - own.least_cost, bits - own.min_cllr
