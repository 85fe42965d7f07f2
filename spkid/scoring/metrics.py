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

LEAST_AND_MOST = 1e-300, 1 - 1e-16  # of a probability whose logarithm is taken


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


class ErrorCurve:
    """Both error rates at every distinct score of ``target`` and ``impostor``.

    Attributes
    ----------
    thresholds, false_match, false_non_match : float64 ``[n]``
        Thresholds rise; the last is infinity, where nothing is accepted.
    position : int ``[trials]``
        Where each trial's score stands among the thresholds, target trials first.
    """

    def __init__(self, target: Scores, impostor: Scores) -> None:
        scores = np.concatenate([target, impostor])
        order = np.argsort(scores, kind="stable")
        ordered = scores[order]
        is_new = np.append(True, ordered[1:] > ordered[:-1])
        first = np.flatnonzero(is_new)
        starts = np.append(first, len(ordered))
        targets_below = np.append(0, np.cumsum(order < len(target)))[starts]
        impostors_below = starts - targets_below
        self.position = np.empty(len(order), dtype=np.intp)
        self.position[order] = np.cumsum(is_new) - 1
        self.thresholds = np.append(ordered[first], np.inf)
        self.false_non_match = targets_below / len(target)
        self.false_match = 1 - impostors_below / len(impostor)
        # the share of either side that has each distinct score
        self._target_mass = np.diff(targets_below) / len(target)
        self._impostor_mass = np.diff(impostors_below) / len(impostor)

    def closest(self) -> int:
        """The place where both rates are closest to each other."""
        return int(np.argmin(np.abs(self.false_match - self.false_non_match)))

    def equal_error_rate(self) -> float:
        """The mean of both rates where they are closest."""
        at = self.closest()
        return float((self.false_match[at] + self.false_non_match[at]) / 2)

    def detection_costs(self, target_prior: float) -> Scores:
        """The normalised detection cost of each threshold, ``[n]``."""
        cost = target_prior * self.false_non_match + (1 - target_prior) * self.false_match
        costs: Scores = cost / min(target_prior, 1 - target_prior)
        return costs

    def calibrated(self) -> Scores:
        """Probability of "same speaker" at each distinct score, ``[n - 1]``, classes even.

        After the best monotone calibration, found by pooling adjacent violators.
        """
        from sklearn.isotonic import isotonic_regression

        mass = self._target_mass + self._impostor_mass
        fitted: Scores = isotonic_regression(self._target_mass / mass, sample_weight=mass)
        return fitted

    def min_log_likelihood_ratio_cost(self) -> float:
        """Cllr after that calibration, in bits."""
        posterior = np.clip(self.calibrated(), *LEAST_AND_MOST)
        bits = self._target_mass @ np.log2(posterior)
        bits += self._impostor_mass @ np.log2(1 - posterior)
        return float(-bits / 2)


def equal_error_rate(target: ArrayLike, impostor: ArrayLike) -> float:
    """The rate at which false matches and false non-matches are equal, in 0..1.

    Exact over the distinct scores: the mean of both rates where they are closest.
    """
    prepared = _prepared(target, impostor)
    return float("nan") if prepared is None else ErrorCurve(*prepared).equal_error_rate()


def min_detection_cost(target: ArrayLike, impostor: ArrayLike, *, target_prior: float) -> float:
    """Minimum normalised detection cost (NIST SRE) with unit costs; 1 is a useless system."""
    prepared = _prepared(target, impostor)
    if prepared is None:
        return float("nan")
    return float(ErrorCurve(*prepared).detection_costs(target_prior).min())


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
    return ErrorCurve(*prepared).min_log_likelihood_ratio_cost()


def rates_at(target: ArrayLike, impostor: ArrayLike, threshold: float) -> tuple[float, float]:
    """False match rate and false non-match rate at ``threshold``; NaN for an empty side.

    A score that is NaN is not accepted.
    """
    accepted = np.asarray(target) >= threshold, np.asarray(impostor) >= threshold
    missed, matched = 1 - accepted[0].astype(float), accepted[1].astype(float)
    false_match = matched.mean() if matched.size else np.nan
    false_non_match = missed.mean() if missed.size else np.nan
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
    curve = ErrorCurve(*prepared)
    return float(curve.thresholds[curve.detection_costs(target_prior).argmin()])
