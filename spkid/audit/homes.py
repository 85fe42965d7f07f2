"""Who is it worse for at home? Members missed, guests let in and people mixed up, by group.

The answers are those that were given, at whatever threshold; a clip says something about the
person who speaks and about the home that listens, so that both are resampled (two-way clusters:
Cameron, Gelbach and Miller, 2011; the same sums as for the two speakers of a trial).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spkid.audit.grouping import attach_groups, parse_grouping
from spkid.audit.groups import Estimates, Resampling, audit_groups, corrected, overall_table
from spkid.audit.leaving_out import not_counted, not_described
from spkid.audit.result import Audit
from spkid.audit.statistics.figures import Figure
from spkid.audit.statistics.intervals import Clusters, combined, no_estimate
from spkid.errors import BadTable

HOME_FIGURES = (
    Figure("false_negative_identification_rate", "FNIR", "logit", is_rate=True),
    Figure("false_positive_identification_rate", "FPIR", "logit", is_rate=True),
    Figure("misidentification_rate", "taken for another", "logit", is_rate=True),
)
FNIR, FPIR, MIXED_UP = (figure.name for figure in HOME_FIGURES)
FEWEST_HOMES = 10  # with fewer, homes cannot be resampled


def audit_decisions(
    decisions: pd.DataFrame,
    metadata: pd.DataFrame,
    groupings: Sequence[str],
    *,
    alpha: float = 0.5,
    n_resamples: int = 1000,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Audit:
    """Figures of a household log by the group of who really spoke.

    FNIR: clips of members that were not named as that member; the misidentification rate is
    the part of them named as another. FPIR: clips of guests that were named as anybody.

    Parameters
    ----------
    decisions : DataFrame
        ``household``, ``speaker``, ``truth``, ``answer``, as ``decision_log.read_decisions``
        gives.
    metadata : DataFrame
        With ``speaker`` and the columns of the groupings.
    groupings : sequence of str
        As for ``audit.audit_scores``.
    alpha : float
        Weight of FPIR in GARBE, FDR and inequity rate.

    Raises
    ------
    BadTable
        As ``grouping.attach_groups``, or without clips of members and of guests.
    """
    asked = tuple(parse_grouping(text) for text in groupings)
    is_member = (decisions["truth"] != "").to_numpy()
    if is_member.all() or not is_member.any():
        raise BadTable(
            f"{int(is_member.sum())} clips of members and {int((~is_member).sum())} of guests",
            expected="clips of both",
            do="log clips of both, with an empty 'truth' for a guest",
        )
    named = decisions["answer"] != ""
    right = (decisions["answer"] == decisions["truth"]).to_numpy()
    by_speaker = metadata.drop(columns="path", errors="ignore")
    clips = pd.DataFrame(
        {
            "enroll": decisions["speaker"],
            "test": decisions["speaker"],
            "household": decisions["household"].astype("category"),
            "label": True,
            "is_member": is_member,
            "missed": ~right,
            "named": named,
        }
    )
    clips, n_unmatched, unmatched = attach_groups(clips, by_speaker, asked)
    clips["label"] = clips.pop("is_member")
    said = list(notes)
    n_homes = clips["household"].nunique()
    if n_homes < FEWEST_HOMES:
        said.append(
            f"With fewer than {FEWEST_HOMES} homes (here {n_homes}), the intervals hold for other "
            "speakers in these homes, not for other homes."
        )

    def estimate(rows: np.ndarray) -> Estimates:
        return _estimates(clips.iloc[rows], by_home=n_homes >= FEWEST_HOMES)

    resampling = Resampling(n_resamples, seed, alpha, (FPIR, FNIR))
    sections = [
        audit_groups(
            clips[f"enroll:{grouping.name}"],
            grouping,
            "test",
            speakers=[clips["enroll_speaker"].cat.codes.to_numpy()],
            is_target=clips["label"].to_numpy(),
            n_unknown=int(clips[f"enroll:{grouping.name}"].isna().sum()),
            estimate=estimate,
            figures=HOME_FIGURES,
            resampling=resampling,
        )
        for grouping in asked
    ]
    return Audit(
        kind="household",
        threshold=None,
        figures=HOME_FIGURES,
        overall=overall_table(estimate(np.arange(len(clips)))),
        groupings=corrected(sections, HOME_FIGURES),
        trials=clips,
        notes=tuple(said),
        left_out=(
            *not_described(unmatched, n_unmatched, "clips"),
            *not_counted(clips, metadata, sections, "clips"),
        ),
        n_unmatched=n_unmatched,
        n_resamples=n_resamples,
        seed=seed,
        alpha=alpha,
    )


def _estimates(clips: pd.DataFrame, *, by_home: bool) -> Estimates:
    n_speakers = len(clips["enroll_speaker"].cat.categories)
    n_all = n_speakers + len(clips["household"].cat.categories)
    is_member = clips["label"].to_numpy()
    speaker = clips["enroll_speaker"].cat.codes.to_numpy(np.intp)
    home = clips["household"].cat.codes.to_numpy(np.intp) + n_speakers if by_home else speaker
    missed, named = clips["missed"].to_numpy(), clips["named"].to_numpy()
    estimates = {}
    for figure, chosen, wrong in (
        (HOME_FIGURES[0], is_member, missed),
        (HOME_FIGURES[1], ~is_member, named),
        (HOME_FIGURES[2], is_member, missed & named),
    ):
        estimates[figure.name] = no_estimate(n_all, figure.scale)
        if chosen.any():
            cost = wrong[chosen].astype(np.float64)
            clusters = Clusters.of(speaker[chosen], home[chosen], n_all)
            spread = clusters.spread((cost - cost.mean()) / len(cost))
            estimates[figure.name] = combined(float(cost.mean()), figure.scale, (spread,))
    return estimates
