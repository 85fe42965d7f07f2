"""Figures of merit from scores. A score is a similarity: higher means the same speaker.

Everywhere ``target`` are the scores of same-speaker trials and ``impostor`` those of
different-speaker trials, both one-dimensional. A trial is accepted when its score is at or
above the threshold. A figure that the input leaves undefined is NaN, with a warning.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]


def _prepared(target: ArrayLike, impostor: ArrayLike) -> tuple[Scores, Scores] | None:
    """Both as float64, or None (with a warning) where one is empty."""
    target_scores = np.asarray(target, dtype=np.float64).ravel()
    impostor_scores = np.asarray(impostor, dtype=np.float64).ravel()
    if np.isnan(target_scores).any() or np.isnan(impostor_scores).any():
        raise ValueError("scores must not be NaN")
    if not len(target_scores) or not len(impostor_scores):
        warnings.warn("no target or no impostor scores: the figure is undefined", stacklevel=3)
        return None
    return target_scores, impostor_scores


def error_curve(target: ArrayLike, impostor: ArrayLike) -> tuple[Scores, Scores, Scores]:
    """Every distinct threshold with its error rates.

    Returns
    -------
    thresholds, false_match_rates, false_non_match_rates : float64 ``[n]``
        Thresholds rise; the last is infinity, where nothing is accepted.
    """
    target_sorted = np.sort(np.asarray(target, dtype=np.float64))
    impostor_sorted = np.sort(np.asarray(impostor, dtype=np.float64))
    thresholds = np.append(np.unique(np.concatenate([target_sorted, impostor_sorted])), np.inf)
    false_non_match = np.searchsorted(target_sorted, thresholds) / len(target_sorted)
    false_match = 1.0 - np.searchsorted(impostor_sorted, thresholds) / len(impostor_sorted)
    return thresholds, false_match, false_non_match


def equal_error_rate(target: ArrayLike, impostor: ArrayLike) -> float:
    """The rate at which false matches and false non-matches are equal, in 0..1.

    Exact over the distinct scores: the mean of both rates where they are closest.
    """
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    _, false_match, false_non_match = error_curve(*prepared)
    closest = np.argmin(np.abs(false_match - false_non_match))
    return float((false_match[closest] + false_non_match[closest]) / 2)


def min_detection_cost(target: ArrayLike, impostor: ArrayLike, *, target_prior: float) -> float:
    """Minimum normalised detection cost (NIST SRE) with unit costs; 1 is a useless system."""
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    _, false_match, false_non_match = error_curve(*prepared)
    cost = target_prior * false_non_match + (1 - target_prior) * false_match
    return float(cost.min() / min(target_prior, 1 - target_prior))


def log_likelihood_ratio_cost(target: ArrayLike, impostor: ArrayLike) -> float:
    """Cllr of natural-log likelihood ratios, in bits (Brummer and du Preez, 2006)."""
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    target_llr, impostor_llr = prepared
    bits = np.logaddexp(0, -target_llr).mean() + np.logaddexp(0, impostor_llr).mean()
    return float(bits / 2 / np.log(2))


def min_log_likelihood_ratio_cost(target: ArrayLike, impostor: ArrayLike) -> float:
    """Cllr after the best monotone recalibration (pool adjacent violators), in bits."""
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    from sklearn.isotonic import isotonic_regression

    target_scores, impostor_scores = prepared
    _, position = np.unique(np.concatenate(prepared), return_inverse=True)
    is_target = np.arange(len(position)) < len(target_scores)
    # each class weighs one half, so that the posterior odds are the likelihood ratio
    weight = np.where(is_target, 0.5 / len(target_scores), 0.5 / len(impostor_scores))
    mass = np.bincount(position, weights=weight)
    target_mass = np.bincount(position, weights=weight * is_target)
    posterior = isotonic_regression(target_mass / mass, sample_weight=mass)[position]
    posterior = np.clip(posterior, 1e-300, 1 - 1e-16)
    own = np.where(is_target, posterior, 1 - posterior)
    return float(-(weight * np.log2(own)).sum())


def rates_at(target: ArrayLike, impostor: ArrayLike, threshold: float) -> tuple[float, float]:
    """False match rate and false non-match rate at ``threshold``; NaN for an empty side."""
    target_scores, impostor_scores = np.asarray(target), np.asarray(impostor)
    false_match = (impostor_scores >= threshold).mean() if impostor_scores.size else np.nan
    false_non_match = (target_scores < threshold).mean() if target_scores.size else np.nan
    return float(false_match), float(false_non_match)


def threshold_at_false_match_rate(impostor: ArrayLike, rate: float) -> float:
    """The lowest threshold that accepts at most ``rate`` of the ``impostor`` scores."""
    prepared = _prepared(impostor, impostor)
    if prepared is None:
        return float("nan")
    ordered = np.sort(prepared[1])
    n_accepted = int(np.floor(rate * len(ordered) + 1e-9))
    if n_accepted >= len(ordered):
        return float(ordered[0])
    return float(np.nextafter(ordered[len(ordered) - n_accepted - 1], np.inf))


def threshold_at_least_cost(
    target: ArrayLike, impostor: ArrayLike, *, target_prior: float
) -> float:
    """The threshold at which :func:`min_detection_cost` is reached; the lowest of several."""
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    thresholds, false_match, false_non_match = error_curve(*prepared)
    cost = target_prior * false_non_match + (1 - target_prior) * false_match
    return float(thresholds[cost.argmin()])
