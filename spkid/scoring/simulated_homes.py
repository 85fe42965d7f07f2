"""Households from a protocol file: how often members are missed and guests let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.metrics import equal_error_rate, threshold_at_false_match_rate
from spkid.scoring.posterior import AMBIGUOUS_ODDS, household_llrs, known_log_odds, profile_vector
from spkid.scoring.s_norm import Cohort, Moments, normalized
from spkid.scoring.scale import UNKNOWN_SPEECH_S, Scale

PROTOCOL_COLUMNS = ("household", "size", "kind", "role", "speaker", "path")


def score_homes(
    protocol: pd.DataFrame,
    embeddings: EmbeddingTable,
    scale: Scale,
    *,
    cohort: Cohort | None = None,
) -> pd.DataFrame:
    """One row for each probe of a member or a guest.

    A probe whose length ``embeddings`` do not tell counts as a whole sentence. ``scale`` is a
    calibration, or :func:`spkid.scoring.scale.raw_cosines`; with a ``cohort``, cosines are
    normalised by it, for which no calibration holds.

    The columns of ``protocol``, ``speech_s``, ``best`` (the first member), ``narrowband_share`` (of
    that member's clips, where the probe came by telephone too; else 0), ``known_log_odds``,
    ``llr_margin`` (first over second) and ``right`` (a member who came first; False for a guest).

    Raises
    ------
    ModelMismatch
        If another model made the vectors than ``scale`` is for.
    """
    embeddings.check_model(scale.model)
    rows = embeddings.rows(protocol["path"])
    protocol = protocol.assign(speech_s=embeddings.seconds(rows, unknown=UNKNOWN_SPEECH_S))
    vectors, is_narrowband = embeddings.vectors[rows], embeddings.by_telephone(rows)
    heard = cohort.moments(vectors) if cohort else None
    tables = []
    for positions in protocol.groupby("household", sort=False).indices.values():
        home = protocol.iloc[positions]
        enrolled = (home["role"] == "enroll").to_numpy()
        members = home["speaker"][enrolled].unique()
        clips_of = [
            positions[enrolled & (home["speaker"] == member).to_numpy()] for member in members
        ]
        probes = home[~enrolled]
        profiles = np.stack([profile_vector(vectors[own]) for own in clips_of])
        shares = np.array([is_narrowband[own].mean() for own in clips_of])
        n_clips, asked = [len(own) for own in clips_of], positions[~enrolled]
        llrs, cosines = household_llrs(vectors[asked], profiles, n_clips, scale, probes["speech_s"])
        if cohort and heard:
            test = Moments(heard.mean[asked, None], heard.deviation[asked, None])
            scores = normalized(cosines, cohort.moments(profiles), test)
            llrs = scale.log_likelihood_ratio(scores, n_clips)
        first = llrs.argmax(axis=1)
        best = members[first]
        top = np.sort(llrs, axis=1)
        tables.append(
            probes.assign(
                best=best,
                narrowband_share=shares[first] * is_narrowband[asked],
                known_log_odds=known_log_odds(llrs, guest_prior=scale.guest_prior),
                llr_margin=top[:, -1] - top[:, -2] if top.shape[1] > 1 else np.inf,
                right=(probes["role"] == "member").to_numpy()
                & (best == probes["speaker"].to_numpy()),
            )
        )
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class HomeFigures:
    """Rates in 0..1 over a set of homes.

    ``closed_set_error``: members taken for another member, nobody rejected.
    ``fnir``: members missed (rejected or taken for another) at the threshold that accepts
    ``fpir`` of the guests' utterances. ``open_set_eer``: where both are equal.
    ``shipped_fnir`` and ``shipped_fpir``: members not named rightly and guests named by the
    whole decision as shipped: at the threshold that the calibration gives for the same rate
    of false accepts, nobody named where it is ambiguous; NaN without a calibration.
    """

    n_homes: int
    n_member_probes: int
    n_guest_probes: int
    closed_set_error: float
    fpir: float
    fnir: float
    open_set_eer: float
    shipped_fpir: float
    shipped_fnir: float


def home_figures(probes: pd.DataFrame, scale: Scale, *, fpir: float = 0.05) -> HomeFigures:
    """Figures over the rows of :func:`score_homes`.

    Raises
    ------
    SpkidError
        Without clips of members or without clips of guests.
    """
    is_guest = (probes["role"] == "guest").to_numpy()
    if is_guest.all() or not is_guest.any():
        raise SpkidError(
            f"{(~is_guest).sum()} clips of members and {is_guest.sum()} of guests",
            expected="both",
            do="give homes in which members and guests speak",
        )
    scores, right = probes["known_log_odds"].to_numpy(), probes["right"].to_numpy()[~is_guest]
    guests = scores[is_guest]
    threshold = threshold_at_false_match_rate(guests, fpir)
    # a member taken for another is missed at every threshold
    reached = np.where(right, scores[~is_guest], -np.inf)
    shipped_fpir = shipped_fnir = float("nan")
    if isinstance(scale, Calibration):
        named = scores >= scale.household_threshold(
            fpir, speech_s=probes["speech_s"], narrowband_share=probes["narrowband_share"]
        )
        named &= probes["llr_margin"].to_numpy() >= np.log(AMBIGUOUS_ODDS)
        shipped_fpir = float(named[is_guest].mean())
        shipped_fnir = float(1 - (named[~is_guest] & right).mean())
    return HomeFigures(
        n_homes=probes["household"].nunique(),
        n_member_probes=len(reached),
        n_guest_probes=len(guests),
        closed_set_error=float(1 - right.mean()),
        fpir=float((guests >= threshold).mean()),
        fnir=float(1 - (reached >= threshold).mean()),
        open_set_eer=equal_error_rate(reached, guests),
        shipped_fpir=shipped_fpir,
        shipped_fnir=shipped_fnir,
    )


def figures_by_row(
    probes: pd.DataFrame, scale: Scale, *, fpir: float = 0.05
) -> Iterator[tuple[str, HomeFigures]]:
    """Figures over all homes, then by size and by kind."""
    yield "all", home_figures(probes, scale, fpir=fpir)
    for column, suffix in (("size", " members"), ("kind", "")):
        for value, part in probes.groupby(column):
            yield f"{value}{suffix}", home_figures(part, scale, fpir=fpir)
