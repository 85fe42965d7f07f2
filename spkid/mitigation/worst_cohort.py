"""The worst cohort of an audit: who is in it, who is like them, and who may be used for what.

What is done about a cohort is chosen on the half of the speakers that the audit searched, and
what it brings is read on the other half.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.cohorts.metadata import by_speaker
from spkid.audit.cohorts.tree import grow_tree, with_common_categories
from spkid.audit.cohorts.tree_conditions import region
from spkid.audit.grouping import group_names, parse_grouping
from spkid.audit.report.record import COHORT_FILE
from spkid.audit.statistics.contrast import contrast
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import halves, speaker_errors, speakers_of
from spkid.data.manifest import read_manifest
from spkid.encoder.vectors import mean_vectors, nearest
from spkid.errors import SpkidError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WorstCohort:
    """The worst cohort that an audit wrote.

    ``kind`` is ``group``, ``region`` or ``discovered``; ``members`` has ``speaker``, ``cohort``,
    ``worst`` and ``searched`` of everybody who was searched for cohorts (no rows where it was
    not discovered); ``record`` is the audit's JSON.
    """

    kind: str
    name: str
    words: str
    speakers: frozenset[str]
    members: pd.DataFrame
    record: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> WorstCohort:
        """The cohort in ``folder``, as ``spkid audit`` writes it.

        Raises
        ------
        SpkidError
            If it holds no audit of scores, or one in which no cohort is worse off.
        """
        try:
            record = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
            worst, threshold = record["worst_cohort"], record["threshold"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpkidError(
                f"{folder}: no audit.json that can be read",
                expected="the folder that 'spkid audit' wrote",
                do="run spkid audit first and give its --out",
            ) from error
        if threshold is None or worst is None:
            what = "of decisions" if threshold is None else "in which no cohort is worse off"
            raise SpkidError(
                f"{folder}: an audit {what}",
                expected="an audit of scores with a worst cohort",
                do="audit a score file, by other groups or with --embeddings",
            )
        speakers = read_manifest(folder / COHORT_FILE, required=("speaker",))["speaker"]
        members = pd.DataFrame(columns=["speaker", "cohort", "worst", "searched"])
        if worst["kind"] == "discovered":
            members = read_manifest(folder / "discovered.csv", required=tuple(members.columns))
            members = members.assign(
                worst=members["worst"] == "True", searched=members["searched"] == "True"
            )
        return cls(
            worst["kind"], worst["name"], worst["words"], frozenset(speakers), members, record
        )

    def choosing(self, trials: pd.DataFrame) -> frozenset[str]:
        """The speakers of ``trials`` on whom things may be chosen; all others are read.

        They are those that the audit searched; where it searched nobody, half of them.

        Raises
        ------
        SpkidError
            If ``trials`` are not those of the audit.
        """
        speakers = speakers_of(trials)
        if len(trials) != self.record["n_trials"] or not self.speakers <= set(speakers):
            raise SpkidError(
                f"{len(trials)} trials where the audit had {self.record['n_trials']}, or other "
                "speakers",
                expected="the score file and metadata of the audit",
                do="give those that the audit was made from",
            )
        if self.kind == "discovered":
            unseen = set(self.members["speaker"][~self.members["searched"]])
            return frozenset(speakers) - unseen
        of_tree = self.kind == "region"
        seed = self.record["tree"]["seed"] if of_tree else self.record["seed"]
        return frozenset(speakers[halves(len(speakers), seed=seed)])

    def false_match_rate(self, scores: Floats) -> float:
        """The share of strangers that the audit's threshold accepts.

        ``scores`` are those of the strangers of the choosing half, for a threshold that the
        audit did not set by this rate.
        """
        threshold = self.record["threshold"]
        if threshold["rule"] == "false_match_rate":
            return float(threshold["target"])
        return float((scores >= threshold["value"]).mean())

    def grouping(self) -> tuple[str, str]:
        """The grouping and the group that a known cohort is named by."""
        for section in self.record["groupings"]:
            name = section["name"]
            if self.name.startswith(f"{name}: "):
                return name, self.name.removeprefix(f"{name}: ")
        raise ValueError(f"{self.name!r} is no group of the audit")

    def like_them(
        self,
        metadata: pd.DataFrame,
        trials: pd.DataFrame,
        heard: tuple[pd.DataFrame, NDArray[np.float32]],
    ) -> frozenset[str]:
        """Speakers of the same kind as the cohort's, among those that were not audited too.

        A known group is told by its label, a region by its rule, a discovered cohort by voice:
        whose mean vector is nearest to one of its worst cohorts.

        Parameters
        ----------
        metadata : DataFrame
            With a row for each clip or speaker that may be in it.
        trials : DataFrame
            The audited trials.
        heard : DataFrame, float32 ``[clips, dim]``
            ``path`` and ``speaker`` of clips of audited and other speakers, and their unit
            vectors; only used for a discovered cohort.
        """
        if self.kind == "group":
            name, group = self.grouping()
            inside = group_names(metadata, parse_grouping(name)) == group
            return frozenset(metadata["speaker"][inside]) - {""}
        if self.kind == "region":
            return self._by_rule(metadata, trials)
        names, means = mean_vectors(*heard)
        searched = self.members[self.members["searched"]].set_index("speaker")
        known = np.isin(names, list(searched.index))
        own = searched.loc[np.array(names, dtype=object)[known]]
        numbers, centroids = mean_vectors(
            own.reset_index().assign(speaker=own["cohort"].to_numpy()), means[known]
        )
        worst = set(own["cohort"][own["worst"]])
        is_worst = np.isin(np.array(numbers, dtype=object)[nearest(means, centroids)], list(worst))
        return frozenset(np.array(names, dtype=object)[is_worst])

    def _by_rule(self, metadata: pd.DataFrame, trials: pd.DataFrame) -> frozenset[str]:
        """Grows the audit's tree again, to have its conditions and not their words."""
        grown, threshold = self.record["tree"], self.record["threshold"]["value"]
        tree = grow_tree(trials, threshold, metadata, grown["columns"], seed=grown["seed"])
        leaf = next(leaf for leaf in tree.leaves if leaf.rule == self.name)
        names = sorted(set(metadata["speaker"]) - {""})
        table = by_speaker(metadata, grown["columns"], names)
        table = with_common_categories(table, np.isin(names, list(self.choosing(trials))))
        return frozenset(np.array(names, dtype=object)[region(table, leaf.conditions)])


def worst_group(
    trials: pd.DataFrame, threshold: float, groupings: Iterable[str], speakers: Iterable[str]
) -> str:
    """The known group with the largest error against all others, by ``speakers`` alone.

    Named as the audit names its cohorts; empty where no group is large enough.
    """
    names = np.array(sorted(speakers), dtype=object)
    errors = speaker_errors(trials, threshold, names, n_resamples=1, seed=0)
    found = {"": 0.0}
    for grouping in groupings:
        groups = trials[f"enroll:{grouping}"]
        for group in groups.cat.categories:
            own = [
                trials[f"{side}_speaker"][trials[f"{side}:{grouping}"] == group].unique()
                for side in ("enroll", "test")
            ]
            inside = np.isin(names, np.concatenate([np.asarray(each, object) for each in own]))
            read = contrast(errors, inside, min_speakers=MIN_SPEAKERS)
            found[f"{grouping}: {group}"] = float(np.nan_to_num(read.difference))
    return max(found, key=found.__getitem__)
