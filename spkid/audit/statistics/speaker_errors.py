"""Errors by speaker at one shared threshold, as they are and under resampled speakers.

What discovery searches and reads: any set of speakers is a row of ones and zeros, and its
rates are sums. A trial of two speakers counts for each of the two, so that speakers who are
taken for others far away in the table are seen too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spkid.audit.statistics.intervals import speaker_draws
from spkid.encoder.vectors import Floats


@dataclass(frozen=True)
class SpeakerErrors:
    """Counts ``[1 + resamples, speakers]``; row 0 is the data, each other row one resample.

    ``n_target`` and ``n_rejected`` are same-speaker trials and those under the threshold,
    ``n_impostor`` and ``n_accepted`` trials with another speaker and those at or above it.
    """

    speakers: NDArray[np.object_]
    n_target: Floats
    n_rejected: Floats
    n_impostor: Floats
    n_accepted: Floats

    def rates(self, groups: ArrayLike) -> tuple[Floats, Floats]:
        """False match and false non-match rates of sets of speakers.

        Parameters
        ----------
        groups : bool ``[groups, speakers]``

        Returns
        -------
        false_match_rates, false_non_match_rates : float64 ``[1 + resamples, groups]``
            NaN where a group has no such trial.
        """
        members = np.atleast_2d(np.asarray(groups, dtype=np.float64)).T
        match = share(self.n_accepted @ members, self.n_impostor @ members)
        non_match = share(self.n_rejected @ members, self.n_target @ members)
        return match, non_match

    def errors(self, groups: ArrayLike) -> Floats:
        """The mean of both rates, ``[1 + resamples, groups]``: what groups are ranked by."""
        match, non_match = self.rates(groups)
        return (match + non_match) / 2


def share(hits: Floats, total: Floats) -> Floats:
    """``hits`` of ``total``; NaN where there is nothing."""
    found: Floats = np.divide(hits, total, out=np.full_like(hits, np.nan), where=total > 0)
    return found


def speaker_errors(
    trials: pd.DataFrame,
    threshold: float,
    speakers: ArrayLike,
    *,
    n_resamples: int,
    seed: int,
) -> SpeakerErrors:
    """Count the trials both whose sides are among ``speakers``.

    Parameters
    ----------
    trials : DataFrame
        ``enroll_speaker``, ``test_speaker``, ``score`` and ``label`` (bool).
    """
    from scipy import sparse

    names = np.asarray(speakers, dtype=object)
    index = pd.Index(names)
    sides = [trials[f"{side}_speaker"].astype("category").cat for side in ("enroll", "test")]
    enroll, test = (index.get_indexer(side.categories)[side.codes] for side in sides)
    inside = (enroll >= 0) & (test >= 0)
    enroll, test = enroll[inside], test[inside]
    label = trials["label"].to_numpy()[inside]
    accepted = trials["score"].to_numpy()[inside] >= threshold
    size = len(names)
    draws = np.concatenate(
        [np.ones((1, size)), speaker_draws(size, n_resamples, seed=seed)]
    ).astype(np.float64)

    def with_others(chosen: NDArray[np.bool_]) -> Floats:
        # a trial weighs the product of its speakers' draws, and counts for both of them
        pairs = (enroll[chosen], test[chosen])
        one_way = sparse.coo_matrix((np.ones(chosen.sum()), pairs), shape=(size, size)).tocsr()
        return np.asarray(draws * (draws @ (one_way + one_way.T)), dtype=np.float64)

    return SpeakerErrors(
        speakers=names,
        n_target=draws * np.bincount(enroll[label], minlength=size),
        n_rejected=draws * np.bincount(enroll[label & ~accepted], minlength=size),
        n_impostor=with_others(~label),
        n_accepted=with_others(~label & accepted),
    )


def halves(n_speakers: int, *, seed: int) -> NDArray[np.bool_]:
    """True for the half of the speakers that is searched, False for the half that is read."""
    order = np.random.default_rng(seed).permutation(n_speakers)
    return order < (n_speakers + 1) // 2
