"""Rates of small groups that lean on what all groups have in common.

The hierarchical binomial model of Gelman et al., Bayesian Data Analysis (3rd ed., 2013), 5.3, on
log-odds: each group's log-odds lie around a common mean with a deviation, and its errors are
those of so many independent trials. The mean has a flat prior, the deviation a half-normal one of
scale 1 (rates that differ by e-fold odds). Both, and each group's log-odds, are summed over grids,
so that it is left open how alike few groups are, and a group without any error is no exception.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from spkid.encoder.vectors import Floats

LOG_ODDS = np.linspace(-9.0, 9.0, 271)  # of a group
MEANS = np.linspace(-8.0, 8.0, 81)
DEVIATIONS = np.linspace(0.05, 3.05, 31)  # beyond lies 1 in 400 of the prior
TAILS = (0.025, 0.975)


def partially_pooled(rates: Floats, n_like: Floats) -> tuple[Floats, Floats, Floats]:
    """Each group's rate given all that was seen, and its 95 % interval.

    Parameters
    ----------
    rates : float64 ``[groups]``
        The share of errors that was seen, in 0..1.
    n_like : float64 ``[groups]``
        In how many independent trials, above zero; no whole numbers.

    Returns
    -------
    estimate, low, high : float64 ``[groups]``
    """
    errors, others = rates * n_like, (1 - rates) * n_like
    likelihood = -errors * np.logaddexp(0, -LOG_ODDS)[:, None]
    likelihood -= others * np.logaddexp(0, LOG_ODDS)[:, None]
    likelihood = np.exp(likelihood - likelihood.max(axis=0))  # [log-odds, groups]
    spread, log_prior = _spreads()
    seen = np.maximum(spread @ likelihood, np.finfo(float).tiny)
    log_weight = np.log(seen).sum(axis=1) + log_prior
    weight = np.exp(log_weight - log_weight.max())
    density = (spread.T @ (weight[:, None] / seen)) * likelihood
    density /= density.sum(axis=0)  # [log-odds, groups]
    rate = 1 / (1 + np.exp(-LOG_ODDS))
    below = np.cumsum(density, axis=0) - density / 2
    low, high = np.transpose([np.interp(TAILS, own, rate) for own in below.T])
    return rate @ density, low, high


@cache
def _spreads() -> tuple[Floats, Floats]:
    """How groups would lie around each mean with each deviation ``[both, log-odds]``; log prior."""
    mean, deviation = (each.ravel()[:, None] for each in np.meshgrid(MEANS, DEVIATIONS))
    spread = np.exp(-np.square((LOG_ODDS - mean) / deviation) / 2)
    return spread / spread.sum(axis=1, keepdims=True), -np.square(deviation[:, 0]) / 2
