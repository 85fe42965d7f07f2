"""Cohorts found from speaker embeddings alone, with no labels (after Dheram et al., 2022).

Half of the speakers is searched and the other half is read: a cohort that was picked because
its errors were high looks bad on the speakers it was picked on, even where nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.cohorts.hierarchy import taken_apart
from spkid.audit.cohorts.voices import choose_n_cohorts, main_directions, typical_clips
from spkid.audit.grouping import speakers_of
from spkid.audit.statistics.contrast import Contrast, contrast, deviations
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import SpeakerErrors, halves, speaker_errors
from spkid.encoder.vectors import Floats, mean_vectors, nearest, spherical_k_means
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Discovery:
    """Cohorts of speakers who sound alike, the worst of them merged.

    ``table`` has a row a cohort, the worst first: ``cohort``, ``n_searched``, ``n_read``,
    ``error_searched``, ``error_shrunk`` (what the ranking used), ``error_read``, ``worst``.
    ``members`` has a row a speaker: ``speaker``, ``cohort``, ``worst``, ``searched``, ``x``,
    ``y`` (the two main directions of the embeddings). ``typical`` has the clips nearest to
    each centroid: ``cohort``, ``speaker``, ``path``, ``cosine``. ``stability`` has the
    adjusted Rand index by number of cohorts: ``n_cohorts``, ``mean``, ``deviation``.
    ``read`` is the worst cohorts against the others on the speakers that were not searched,
    ``naive`` the same on those that were: the difference between the two is the artefact.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    typical: pd.DataFrame
    stability: pd.DataFrame
    read: Contrast
    naive: Contrast
    share: float
    seed: int

    @property
    def worst_speakers(self) -> list[str]:
        """The members of the cohorts that were merged as worst."""
        return list(self.members["speaker"][self.members["worst"]])


def shrunk_errors(values: Floats) -> Floats:
    """Errors drawn towards their mean by how uncertain they are.

    Parameters
    ----------
    values : ``[1 + resamples, cohorts]``, row 0 as measured
        NaN is unknown and becomes the mean.

    Notes
    -----
    Random-effects weights: the variance between cohorts is what is left of the variance of
    the measured errors once their own sampling variance is taken off.
    """
    measured, sampling = values[0], deviations(values[1:]) ** 2
    known = ~np.isnan(measured)
    mean = measured[known].mean()
    between = 0.0
    if known.sum() > 1:
        between = max(0.0, measured[known].var(ddof=1) - sampling[known].mean())
    if between == 0:
        return np.full_like(measured, mean)
    weight = np.where(known, between / (between + sampling), 0.0)
    return np.asarray(mean + weight * (np.where(known, measured, mean) - mean))


def merge_worst(
    shrunk: Floats, measured: Floats, sizes: NDArray[np.intp], share: float
) -> list[int]:
    """Cohorts from the worst on until they hold ``share`` of the speakers and are judgeable.

    Where shrinkage leaves all the same, the measured errors give the order.
    """
    order = np.lexsort((-np.nan_to_num(measured), -shrunk))
    needed = max(share * sizes.sum(), MIN_SPEAKERS)
    merged: list[int] = []
    for cohort in order[:-1]:  # all cohorts together would have nothing to be compared with
        merged.append(int(cohort))
        if sizes[merged].sum() >= needed:
            break
    return merged


def discover(
    trials: pd.DataFrame,
    threshold: float,
    clips: pd.DataFrame,
    vectors: NDArray[np.float32],
    *,
    share: float = 0.1,
    n_resamples: int = 300,
    seed: int = 0,
) -> Discovery:
    """Search half of the speakers for cohorts, read the worst on the other half.

    The stable cohorts of :func:`spkid.audit.cohorts.voices.choose_n_cohorts` are taken apart as
    far as their errors differ (:mod:`spkid.audit.cohorts.hierarchy`).

    Parameters
    ----------
    trials : DataFrame
        ``enroll_speaker``, ``test_speaker``, ``score``, ``label``.
    threshold : float
        The shared threshold.
    clips : DataFrame
        ``path`` and ``speaker`` of each row of ``vectors``.
    vectors : float32 ``[clips, dim]``
        Unit vectors of any system; not necessarily the one that made the scores.
    share : float
        The worst cohorts are merged until they hold this share of the searched speakers.

    Raises
    ------
    SpkidError
        If fewer than four times ``MIN_SPEAKERS`` speakers have both vectors and trials, or
        ``share`` is not between 0 and 0.5.
    """
    if not 0 < share <= 0.5:
        raise SpkidError(
            f"share={share:g}",
            expected="a share of the speakers above 0 and at most 0.5",
            do="give for example 0.1",
        )
    of_tried = clips["speaker"].isin(speakers_of(trials)).to_numpy()
    clips, vectors = clips[of_tried].reset_index(drop=True), vectors[of_tried]
    if clips["speaker"].nunique() < 4 * MIN_SPEAKERS:
        raise SpkidError(
            f"{clips['speaker'].nunique()} speakers with both trials and vectors",
            expected=f"{4 * MIN_SPEAKERS} or more, half to search and half to measure",
            do="give vectors of the clips in the score file, or leave out embeddings=",
        )
    names, means = mean_vectors(clips, vectors)
    searched = halves(len(names), seed=seed)
    n_stable, stability = choose_n_cohorts(means[searched], seed=seed)
    stable = spherical_k_means(means[searched], n_stable, seed=seed)
    half: dict[bool, SpeakerErrors] = {
        which: speaker_errors(
            trials,
            threshold,
            np.array(names, dtype=object)[searched == which],
            n_resamples=n_resamples,
            seed=seed,
        )
        for which in (True, False)
    }
    centroids = taken_apart(
        means[searched],
        nearest(means[searched], stable),
        half[True],
        least=max(MIN_SPEAKERS, int(share * searched.sum())),
        seed=seed,
    )
    n_cohorts, cohort = len(centroids), nearest(means, centroids)
    is_cohort = cohort == np.arange(n_cohorts)[:, None]  # [cohorts, speakers]
    found = half[True].errors(is_cohort[:, searched])
    shrunk = shrunk_errors(found)
    sizes = is_cohort[:, searched].sum(axis=1)
    worst = merge_worst(shrunk, found[0], sizes, share)
    is_worst = np.isin(cohort, worst)
    table = pd.DataFrame(
        {
            "cohort": np.arange(n_cohorts),
            "n_searched": sizes,
            "n_read": is_cohort[:, ~searched].sum(axis=1),
            "error_searched": found[0],
            "error_shrunk": shrunk,
            "error_read": half[False].errors(is_cohort[:, ~searched])[0],
            "worst": np.isin(np.arange(n_cohorts), worst),
        }
    )
    position = main_directions(means)
    members = pd.DataFrame({"speaker": names, "cohort": cohort, "worst": is_worst})
    members = members.assign(searched=searched, x=position[:, 0], y=position[:, 1])
    return Discovery(
        table=table.sort_values(["worst", "error_shrunk"], ascending=False, ignore_index=True),
        members=members,
        typical=typical_clips(clips, vectors, centroids),
        stability=stability,
        read=contrast(half[False], is_worst[~searched], min_speakers=MIN_SPEAKERS),
        naive=contrast(half[True], is_worst[searched], min_speakers=MIN_SPEAKERS),
        share=float(is_worst.mean()),
        seed=seed,
    )
