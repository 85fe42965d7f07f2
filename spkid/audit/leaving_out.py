"""Who and what an audit does not count, by reason, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from spkid.audit.grouping import speakers_of
from spkid.audit.result import GroupAudit
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.data.left_out import LeftOut


def not_described(unmatched: Sequence[str], n_unmatched: int, kind: str) -> Iterator[LeftOut]:
    """The ``kind`` (trials or clips) of names that the metadata lacks."""
    if unmatched:
        yield LeftOut(
            "not_in_metadata",
            n_unmatched,
            len(unmatched),
            f"{n_unmatched:,} {kind} are left out: the metadata lacks {len(unmatched):,} of their "
            f"names, for example {unmatched[0]!r}.",
        )


def not_counted(
    trials: pd.DataFrame, metadata: pd.DataFrame, sections: Sequence[GroupAudit], kind: str
) -> Iterator[LeftOut]:
    """Speakers without a trial, and by grouping those who count for no group or a small one."""
    heard = set(speakers_of(trials))
    silent = set(metadata["speaker"].dropna()) - heard - {""}
    if silent:
        yield LeftOut(
            "no_trials",
            0,
            len(silent),
            f"{len(silent):,} speakers of the metadata are in none of the {kind}.",
        )
    for section in sections:
        unknown: set[str] = set()
        for side in ("enroll", "test"):
            of_nobody = trials[f"{side}:{section.name}"].isna()
            unknown |= set(trials[f"{side}_speaker"][of_nobody].unique())
        if unknown:
            yield LeftOut(
                "unknown_group",
                section.n_unknown,
                len(unknown),
                f"By {section.name}: {section.n_unknown:,} {kind} count for no group, because "
                f"nothing is known of {len(unknown):,} speakers.",
                section.name,
            )
        if section.n_across:
            yield LeftOut(
                "across_groups",
                section.n_across,
                0,
                f"By {section.name}: {section.n_across:,} {kind} of two groups count for the "
                "figures over all, and for no group.",
                section.name,
            )
        small = section.groups[~section.groups["judged"].astype(bool)]
        if len(small):
            n_speakers = int(small["n_speakers"].sum())
            yield LeftOut(
                "small_group",
                int(small[["n_target", "n_impostor"]].to_numpy().sum()),
                n_speakers,
                f"By {section.name}: {n_speakers:,} speakers are in groups of fewer than "
                f"{MIN_SPEAKERS}, which get no verdict of their own"
                + ("." if section.pooled.empty else " and are judged together."),
                section.name,
            )
