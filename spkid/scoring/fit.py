"""Fit a scale and its thresholds to the clips of known speakers: what ``Calibration.fit`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.encoder.vectors import nearest, spherical_k_means
from spkid.errors import ModelMismatch, SpkidError
from spkid.scoring.metrics import equal_error_rate, threshold_at_false_match_rate
from spkid.scoring.pools import (
    WHOLE,
    Pool,
    SimulatedHome,
    guest_log_odds,
    homes_of,
    pools_of,
    profile_trials,
)
from spkid.scoring.scale import (
    CLIP_COUNTS,
    RATES,
    SPEECH_S,
    USUAL_MEMBERS,
    Floats,
    Landmarks,
    Scale,
    log_duration,
    raw_cosines,
)

if TYPE_CHECKING:
    import pandas as pd

N_LANDMARKS = 64  # at most; chosen on held-out training speakers, of 16 to 256
SPEAKERS_PER_LANDMARK = 10
LEAST_BEHIND = 3  # speakers behind a landmark; the mean of fewer would be somebody's voice
LANDMARK_DIGITS = 4
GUEST_RATE = 0.05  # the share of guests that is held whatever the size of the home
HOMES_TO_FIT = 200  # of each pool and length
LEAST_COMPANY = -0.05  # of the weight of the company, which never helps a guest
# what counts as each of ``SPEECH_S``: the cut to it; also a longer clip, as the last
HEARD_AS = ((0,), (1,), (2, WHOLE))
MOST_ERROR = 0.4  # equal error rate above which strangers score as high as the speakers


@dataclass(frozen=True)
class Fitted:
    """The parts of a calibration; ``words`` say how many speakers of which pools it is from."""

    scale: Scale
    pair_thresholds: tuple[tuple[tuple[float, ...], ...], ...]
    household_thresholds: tuple[tuple[float, ...], ...]
    narrowband_margin: float
    words: str


def fit_calibration(
    vectors: ArrayLike,
    speakers: Sequence[str],
    pools: Sequence[str],
    *,
    model: str,
    landmarks: Landmarks,
    narrowband: ArrayLike | None,
    guest_prior: float,
    seed: int,
) -> Fitted:
    """Maps and thresholds over all large enough ``pools``, each weighing the same.

    The stated share of guests holds in the pool where most of them come in: a home is of one
    kind, and a mean over kinds would promise some homes what they do not get. Parameters and
    errors as in :meth:`spkid.scoring.calibration.Calibration.fit`.
    """
    if not model:
        raise ModelMismatch(
            "vectors of an unknown model",
            expected="the fingerprint of the model that made them",
            do="embed the clips with spkid embed, which writes it beside the vectors",
        )
    named = pools_of(vectors, speakers, pools)
    kinds = list(named.values())
    whole = [np.concatenate(list(pool.clips_of.values()))[:, 0] for pool in kinds]
    rng = np.random.default_rng(seed)
    scale = replace(raw_cosines(model), guest_prior=guest_prior, landmarks=landmarks)
    usual = float(np.mean([scale.crowding(own).mean() for own in whole]))
    scale = replace(scale, usual_crowding=usual)
    trials = all_trials(kinds, scale, rng)
    scale = replace(scale, **fit_maps(trials))
    scale = replace(scale, **fit_home(kinds, scale, rng))
    llrs = scale.log_likelihood_ratio(
        trials.cosines, trials.n_clips, trials.speech_s, crowding=trials.crowding
    )
    pair_thresholds = []
    for n_clips in CLIP_COUNTS:
        own = ~trials.is_target & (trials.n_clips == n_clips)
        pair_thresholds.append(
            tuple(thresholds_at_rates(llrs[own & (trials.speech_s == s)]) for s in SPEECH_S)
        )
    thresholds, margin = strictest_thresholds(kinds, scale, rng), 0.0
    if narrowband is not None:
        by_telephone = list(pools_of(narrowband, speakers, pools).values())
        others = strictest_thresholds(by_telephone, scale, np.random.default_rng(seed))
        margin = max(0.0, float((others - thresholds)[:, RATES.index(GUEST_RATE)].max()))
    words = ", ".join(f"{len(pool.clips_of)} of {name}" for name, pool in named.items())
    household_thresholds = tuple(map(tuple, thresholds.tolist()))
    return Fitted(scale, tuple(pair_thresholds), household_thresholds, margin, words)


def strictest_thresholds(pools: list[Pool], scale: Scale, rng: np.random.Generator) -> Floats:
    """``[lengths, rates]``: the known-log-odds that guests reach in the pool where most come in."""
    rows = []
    for cuts in HEARD_AS:
        guests = [guest_log_odds(own, scale, rng, length=cut) for own in pools for cut in cuts]
        rows.append(np.max([thresholds_at_rates(own) for own in guests if len(own)], axis=0))
    return np.array(rows)


def landmarks_of(speaker_means: Floats, *, seed: int) -> Landmarks:
    """Directions where many speakers lie, from their unit means ``[speakers, dim]``.

    They must be other speakers than those that a calibration is fitted on. Speakers lie nearer
    to a mean that they are part of, so fresh strangers would seem to stand apart and be accepted
    more often than stated (on planted clusters, 6 to 8 % for a stated 5 %).

    One for each ten speakers, at most 64; none of fewer than ten speakers. A direction with
    fewer than three speakers behind it is left out, lest it be somebody's voice.
    """
    n_landmarks = min(N_LANDMARKS, len(speaker_means) // SPEAKERS_PER_LANDMARK)
    if not n_landmarks:
        return ()
    centroids = spherical_k_means(speaker_means, n_landmarks, seed=seed)
    behind = np.bincount(nearest(speaker_means, centroids), minlength=n_landmarks)
    kept = centroids[behind >= LEAST_BEHIND]
    return tuple(map(tuple, kept.round(LANDMARK_DIGITS).tolist()))


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


def all_trials(pools: list[Pool], scale: Scale, rng: np.random.Generator) -> Trials:
    """Every clip count at every length of clip, over all ``pools``, crowded as by ``scale``."""
    cosines, crowdings, kinds = [], [], []
    for n_clips in CLIP_COUNTS:
        for length, speech_s in enumerate(SPEECH_S):
            for number, pool in enumerate(pools):
                sides = profile_trials(pool, n_clips, rng, length=length)
                for is_target, pairs in zip((True, False), sides, strict=True):
                    if not len(pairs):
                        continue
                    cosines.append(np.einsum("ij,ij->i", pairs[:, 0], pairs[:, 1]))
                    crowdings.append(scale.crowding(pairs[:, 0]))
                    kinds += [(n_clips, speech_s, is_target, number)] * len(pairs)
    columns = map(np.array, zip(*kinds, strict=True))
    return Trials(np.concatenate(cosines), np.concatenate(crowdings), *columns)


def fit_maps(trials: Trials) -> dict[str, Any]:
    """The fields ``scale`` and ``offset``, those of durations, and ``crowding_scale``.

    One logistic regression, in which every kind of trial (pool, clip count, length, same speaker
    or not) weighs the same; then ``offset`` is lowered until it fits the pool that asks for the
    lowest: a home is of one kind, and a mean over kinds would be too sure in some homes.

    Raises
    ------
    SpkidError
        If impostors score as high as targets, or none as high as any target: nothing then says
        how steep the ratio is.
    """
    from sklearn.linear_model import LogisticRegression

    is_count = trials.n_clips[:, None] == np.asarray(CLIP_COUNTS)
    per_fold = log_duration(trials.speech_s)[:, None] * np.ones(2)
    value = trials.cosines[:, None]
    by_fold = per_fold * np.hstack([value, value**0])
    terms = np.hstack([is_count * value, is_count, by_fold, trials.crowding[:, None]])
    kinds = np.stack([trials.pool, trials.n_clips, trials.speech_s, trials.is_target], axis=1)
    _, kind, sizes = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    weights = len(kind) / len(sizes) / sizes[kind]
    used = np.asarray(terms.any(axis=0))  # a count or a length that does not occur has no term
    model = LogisticRegression(C=1e6, max_iter=2000, fit_intercept=False)
    model.fit(terms[:, used], trials.is_target, sample_weight=weights)
    found = np.zeros(terms.shape[1])
    found[used] = model.coef_[0]
    n_counts = len(CLIP_COUNTS)
    scale, offset = found[:n_counts], found[n_counts : 2 * n_counts]
    duration_scale, duration_offset, crowding_scale = found[2 * n_counts :]
    ratios = terms @ found
    target, impostor = ratios[trials.is_target], ratios[~trials.is_target]
    error = equal_error_rate(target, impostor)
    if (scale[used[:n_counts]] <= 0).any() or error > MOST_ERROR:
        raise SpkidError(
            "strangers who score as high as the speakers themselves",
            expected="the clips of one speaker to be more alike than those of two",
            do="check who speaks in which clip",
            code="not_separable",
        )
    if target.min() > impostor.max():
        raise SpkidError(
            "speakers none of whom ever comes close to another",
            expected="some who do, since only these show where a threshold belongs",
            do="give more speakers, or shorter clips",
            code="no_overlap",
        )
    lowest = min(
        shift_of(ratios[own], trials.is_target[own], weights[own])
        for own in (np.flatnonzero(trials.pool == pool) for pool in np.unique(trials.pool))
    )
    return {
        "scale": tuple(map(float, scale)),
        "offset": tuple(map(float, offset + lowest)),
        "duration_scale": float(duration_scale),
        "duration_offset": float(duration_offset),
        "crowding_scale": float(crowding_scale),
    }


def fit_home(pools: list[Pool], scale: Scale, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of :meth:`spkid.scoring.scale.Scale.home_term`, from simulated homes.

    Logistic regression tells the members who come first from guests, by their log-likelihood
    ratio, the company and the centrality; every pool and length of clip weighs the same. Then
    the number of members counts as much as makes the share of guests who come in,
    ``GUEST_RATE``, the same in homes of every size. A home whose other members are near is never
    made easier to enter.
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    probes = pd.concat(
        probe_table(home, scale, SPEECH_S[length]).assign(pool=number)
        for number, pool in enumerate(pools)
        for length in range(len(SPEECH_S))
        for home in islice(homes_of(pool, rng, length=length), HOMES_TO_FIT)
    )
    is_guest = probes["is_guest"].to_numpy()
    usual = float(probes["others"][is_guest].mean())
    n_others = probes["size"] - 1
    company = (probes["others"] - usual) * n_others / (n_others + USUAL_MEMBERS)
    terms = np.column_stack([probes["top"], company, probes["centrality"]])
    of_kind = probes.groupby(["pool", "speech_s", "is_guest"])["top"].transform("size")
    model = LogisticRegression(C=1e6, max_iter=2000)
    model.fit(terms, ~is_guest, sample_weight=of_kind.mean() / of_kind)
    _, company_scale, centrality_scale = model.coef_[0] / model.coef_[0, 0]
    company_scale = min(LEAST_COMPANY, company_scale)
    folds = np.log(probes["size"].to_numpy())
    log_odds = terms @ [1.0, company_scale, centrality_scale] - folds
    reached = pd.Series(log_odds[is_guest]).groupby(folds[is_guest]).quantile(1 - GUEST_RATE)
    size_scale = 0.0
    if len(reached) > 1:
        size_scale = -float(np.polyfit(reached.index, reached, 1)[0])
    return {
        "usual_company": usual,
        "company_scale": float(company_scale),
        "centrality_scale": float(centrality_scale),
        "size_scale": size_scale,
        "home_offset": float(
            model.intercept_[0] / model.coef_[0, 0] - (size_scale - 1) * folds.mean()
        ),
    }


def probe_table(home: SimulatedHome, scale: Scale, speech_s: float) -> pd.DataFrame:
    """A row for each guest, and for each member who comes first: what :func:`fit_home` counts."""
    import pandas as pd

    cosines = home.probes @ home.profiles.T
    llrs = scale.log_likelihood_ratio(cosines, home.n_clips, speech_s)
    top, n_others = llrs.max(axis=1), len(home.profiles) - 1
    is_guest = home.speaker < 0
    table = pd.DataFrame(
        {
            "top": top,
            "others": (llrs.sum(axis=1) - top) / n_others,
            "centrality": scale.centrality(home.probes),
            "is_guest": is_guest,
            "size": len(home.profiles),
            "speech_s": speech_s,
        }
    )
    return table[is_guest | (llrs.argmax(axis=1) == home.speaker)]


def shift_of(ratios: Floats, is_target: NDArray[np.bool_], weights: Floats) -> float:
    """What to add to log-likelihood ratios so that they fit these trials; all ``[trials]``."""
    from scipy.optimize import brentq
    from scipy.special import expit

    def surplus(shift: float) -> float:  # of what is expected over what is there
        return float(weights @ (expit(ratios + shift) - is_target))

    return float(brentq(surplus, -50.0, 50.0))


def thresholds_at_rates(impostor: ArrayLike) -> tuple[float, ...]:
    """The threshold for each of ``RATES``."""
    return tuple(threshold_at_false_match_rate(impostor, rate) for rate in RATES)
