"""The worst cohort of an audit: who is in it, who is like them, and who may be used for what.

What to do about a cohort is chosen on the half of the speakers that the audit searched; what it
brings is measured on the other half.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.cohorts.metadata import by_speaker
from spkid.audit.cohorts.tree_conditions import Condition, region, with_categories
from spkid.audit.grouping import group_names, parse_grouping, speakers_of
from spkid.audit.report.record import COHORT_FILE
from spkid.audit.statistics.contrast import contrast
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import halves, speaker_errors
from spkid.data.manifest import read_manifest
from spkid.encoder.vectors import Floats, mean_vectors, nearest
from spkid.errors import BadTable
from spkid.files import parse_json, read_text


@dataclass(frozen=True)
class WorstCohort:
    """The worst cohort that an audit wrote.

    ``kind`` is ``group`` (those of ``grouping`` whose group is one of ``labels``), ``region``
    (where all ``conditions`` hold) or ``discovered``; ``members`` has ``speaker``, ``cohort``,
    ``worst`` and ``searched`` of everybody who was searched for cohorts (no rows where it was not
    discovered); ``record`` is the audit's JSON.
    """

    kind: str
    name: str
    grouping: str
    labels: tuple[str, ...]
    conditions: tuple[Condition, ...]
    words: str
    speakers: frozenset[str]
    members: pd.DataFrame
    record: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> WorstCohort:
        """The cohort in ``folder``, as ``spkid audit`` writes it.

        Raises
        ------
        BadTable
            If it holds no audit of scores, or one in which no cohort is worse off.
        """
        try:
            record = parse_json(read_text(folder / "audit.json"))
            worst, threshold = record["worst_cohort"], record["threshold"]
            if threshold is None or worst is None:
                what = "of decisions" if threshold is None else "in which no cohort is worse off"
                raise BadTable(
                    f"{folder}: an audit {what}",
                    expected="an audit of scores with a worst cohort",
                    do="audit a score file, by other groups or with embeddings=",
                )
            conditions = tuple(
                Condition(**{**each, "values": tuple(each["values"])})
                for each in worst["conditions"]
            )
            kind, name, words = worst["kind"], worst["name"], worst["words"]
            grouping, labels = worst["grouping"] or "", tuple(worst["labels"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadTable(
                f"{folder}: no audit.json that can be read",
                expected="the folder that 'spkid audit' wrote",
                do="run 'spkid audit' first and give the folder it wrote",
            ) from error
        speakers = read_manifest(folder / COHORT_FILE, required=("speaker",))["speaker"]
        members = pd.DataFrame(columns=["speaker", "cohort", "worst", "searched"])
        if kind == "discovered":
            members = read_manifest(folder / "discovered.csv", required=tuple(members.columns))
            members = members.assign(
                worst=members["worst"] == "True", searched=members["searched"] == "True"
            )
        return cls(
            kind=kind,
            name=name,
            grouping=grouping,
            labels=labels,
            conditions=conditions,
            words=words,
            speakers=frozenset(speakers),
            members=members,
            record=record,
        )

    def choosing(self, trials: pd.DataFrame) -> frozenset[str]:
        """The speakers of ``trials`` on whom things may be chosen; all others are read.

        They are those that the audit searched; where it searched nobody, half of them.

        Raises
        ------
        BadTable
            If ``trials`` are not those of the audit.
        """
        speakers = speakers_of(trials)
        if len(trials) != self.record["n_trials"] or not self.speakers <= set(speakers):
            raise BadTable(
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

    def like_them(
        self, metadata: pd.DataFrame, heard: tuple[pd.DataFrame, NDArray[np.float32]]
    ) -> frozenset[str]:
        """Speakers of the same kind as the cohort's, among those that were not audited too.

        A known group is told by its label, a region by its rule, a discovered cohort by voice:
        whose mean vector is nearest to one of its worst cohorts.

        Parameters
        ----------
        metadata : DataFrame
            With a row for each clip or speaker that may be in it.
        heard : DataFrame, float32 ``[clips, dim]``
            ``path`` and ``speaker`` of clips of audited and other speakers, and their unit
            vectors; only used for a discovered cohort.
        """
        if self.kind == "group":
            inside = group_names(metadata, parse_grouping(self.grouping)).isin(self.labels)
            return frozenset(metadata["speaker"][inside]) - {""}
        if self.kind == "region":
            speakers = sorted(set(metadata["speaker"]) - {""})
            tree = self.record["tree"]
            table = with_categories(
                by_speaker(metadata, tree["columns"], speakers), tree["categories"]
            )
            return frozenset(table.index[region(table, self.conditions)])
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


def worst_group(
    trials: pd.DataFrame, threshold: float, groupings: Iterable[str], speakers: Iterable[str]
) -> tuple[str, str]:
    """The known group with the largest error against all others, by ``speakers`` alone.

    Its grouping and its name; both empty where no group is large enough.
    """
    names = np.array(sorted(speakers), dtype=object)
    errors = speaker_errors(trials, threshold, names, n_resamples=1, seed=0)
    found = {("", ""): 0.0}
    for grouping in groupings:
        groups = trials[f"enroll:{grouping}"]
        for group in groups.cat.categories:
            own = [
                trials[f"{side}_speaker"][trials[f"{side}:{grouping}"] == group].unique()
                for side in ("enroll", "test")
            ]
            inside = np.isin(names, np.concatenate([np.asarray(each, object) for each in own]))
            read = contrast(errors, inside, min_speakers=MIN_SPEAKERS)
            found[grouping, group] = float(np.nan_to_num(read.difference))
    return max(found, key=found.__getitem__)
