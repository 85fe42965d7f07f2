"""Who is it worse for at home? Members missed, guests let in and people mixed up, by group.

The answers are those that were given, at whatever threshold; a clip says something about the
person who speaks and about the home that listens, so that both are resampled (two-way clusters:
Cameron, Gelbach and Miller, 2011; the same sums as for the two speakers of a trial).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from spkid.audit.grouping import attach_groups, parse_grouping
from spkid.audit.groups import Estimates, Resampling, audit_groups, corrected, overall_table
from spkid.audit.inputs import need_columns, need_one_description
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
KEY = " in "  # between a speaker and a home
FEWEST_HOMES = 10  # with fewer, homes cannot be resampled


def audit_decisions(
    decisions: pd.DataFrame,
    metadata: pd.DataFrame,
    groupings: Sequence[str],
    *,
    homes: pd.DataFrame | None = None,
    alpha: float = 0.5,
    n_resamples: int = 1000,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Audit:
    """Figures of a household log by the group of who really spoke, or by kind of home.

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
        As for ``audit.audit_scores``, also by columns of ``homes``.
    homes : DataFrame, optional
        A row a ``household``, with the columns that tell kinds of homes apart.
    alpha : float
        Weight of FPIR in GARBE, FDR and inequity rate.

    Raises
    ------
    BadTable
        As ``grouping.attach_groups``, without a clip of a member, or if a home has two
        descriptions.
    """
    asked = tuple(parse_grouping(text) for text in groupings)
    is_member = (decisions["truth"] != "").to_numpy()
    if not is_member.any():
        raise BadTable(
            f"no clip of a member among {len(is_member):,}",
            expected="clips of members, and of guests where there are any",
            do="log clips of both, with an empty 'truth' for a guest",
        )
    said = list(notes)
    if is_member.all():
        said.append("No clip is of a guest: how often guests are let in cannot be said.")
    named = decisions["answer"] != ""
    right = (decisions["answer"] == decisions["truth"]).to_numpy()
    columns = [column for grouping in asked for column in grouping.columns]
    described, keys = _described(decisions, metadata, homes, columns)
    clips = pd.DataFrame(
        {
            "enroll": keys,
            "test": keys,
            "household": decisions["household"].astype("category"),
            "label": True,
            "is_member": is_member,
            "missed": ~right,
            "named": named,
            "truth": decisions["truth"],
            "answer": decisions["answer"],
        }
    )
    clips, n_unmatched, unmatched = attach_groups(clips, described, asked)
    clips["label"] = clips.pop("is_member")
    n_homes = clips["household"].nunique()
    if n_homes < FEWEST_HOMES:
        said.append(
            f"With fewer than {FEWEST_HOMES} homes (here {n_homes}), the intervals hold for other "
            "speakers in these homes, not for other homes."
        )

    def estimate(rows: np.ndarray) -> Estimates:
        return _estimates(clips.iloc[rows], by_home=n_homes >= FEWEST_HOMES)

    resampling = Resampling(n_resamples, seed, alpha, (FPIR, FNIR))
    sections = []
    for grouping in asked:
        group = clips[f"enroll:{grouping.name}"]
        section = audit_groups(
            group,
            grouping,
            "test",
            speakers=[clips["enroll_speaker"].cat.codes.to_numpy()],
            is_target=clips["label"].to_numpy(),
            n_unknown=int(group.isna().sum()),
            estimate=estimate,
            figures=HOME_FIGURES,
            resampling=resampling,
        )
        sections.append(replace(section, mistaken=mistaken_table(clips, group)))
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


def _described(
    decisions: pd.DataFrame,
    metadata: pd.DataFrame,
    homes: pd.DataFrame | None,
    columns: Sequence[str],
) -> tuple[pd.DataFrame, pd.Series]:
    """The metadata that describes the clips, and the names by which it does, a clip a name.

    Where homes are described too, a speaker in a home is what has a description.
    """
    by_speaker = metadata.drop(columns="path", errors="ignore")
    if homes is None:
        return by_speaker, decisions["speaker"]
    need_columns(homes, ("household",), "the table of homes")
    once = homes[homes.columns.intersection(["household", *columns])].drop_duplicates()
    own = {*columns, "speaker"} - set(once.columns)
    by_speaker = by_speaker[by_speaker.columns.intersection(list(own))].drop_duplicates()
    for names in (by_speaker["speaker"], once["household"]):
        need_one_description(names, "the table")
    keys = decisions["speaker"] + KEY + decisions["household"]
    pairs = decisions[["speaker", "household"]].assign(path=keys).drop_duplicates()
    return pairs.merge(by_speaker, "left", on="speaker").merge(once, "left", on="household"), keys


def mistaken_table(clips: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Who is taken for whom: a row a group of who spoke and group of the member who was named.

    ``group``, ``is_member`` (whether the speaker is one, or a guest), ``taken_for`` (empty where
    nothing is known of the member who was named), ``n`` of ``n_clips`` of such speakers, and
    that ``share``. The member's group is that of the clips which this member spoke.
    """
    table = pd.DataFrame(
        {
            "group": group.astype(object).where(group.notna(), ""),
            "is_member": clips["label"].to_numpy(),
            "home": clips["household"].astype(str),
        }
    )
    spoke = clips["truth"].astype(str)
    known = table.assign(member=spoke)[table["is_member"]].drop_duplicates(["home", "member"])
    group_of = known.set_index(["home", "member"])["group"]
    pairs = pd.MultiIndex.from_arrays([table["home"], clips["answer"].astype(str)])
    table["taken_for"] = group_of.reindex(pairs, fill_value="").to_numpy()
    by = ["group", "is_member"]
    table["n_clips"] = table.groupby(by)["home"].transform("size")
    wrong = table[(clips["missed"] & clips["named"]).to_numpy()]
    counts = wrong.groupby([*by, "taken_for", "n_clips"], as_index=False).size()
    counts = counts.rename(columns={"size": "n"})
    counts["share"] = counts["n"] / counts["n_clips"]
    return counts.sort_values("n", ascending=False, kind="stable", ignore_index=True)


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
