"""All that is known of who it is worse for: the audit, and cohorts with and without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spkid.audit.cohorts.discovery import Discovery, discover
from spkid.audit.cohorts.metadata import by_speaker, over_representation
from spkid.audit.cohorts.tree import CohortTree, grow_tree
from spkid.audit.cohorts.tree_conditions import Condition
from spkid.audit.grouping import speakers_of
from spkid.audit.origin import Origin
from spkid.audit.result import Audit
from spkid.audit.statistics.contrast import Contrast, contrast
from spkid.audit.statistics.rules import MIN_SPEAKERS
from spkid.audit.statistics.speaker_errors import speaker_errors
from spkid.audit.study import Check
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable

MAX_WORDS = 40  # a column with more distinct values, and no scale of numbers, describes nobody
N_RESAMPLES = 300


@dataclass(frozen=True)
class Cohort:
    """A set of speakers that may be worse off.

    ``kind`` is ``group`` (known by a label), ``region`` (a leaf of the tree) or ``discovered``;
    ``read`` compares it with all other speakers, for the latter two on the half of the speakers
    that was not searched. What defines it is data too: ``grouping``, ``group`` and ``labels``
    (those that it joins, several where small groups are judged together) of a group, ``conditions``
    of a region; a discovered cohort has neither.

    ``certain`` says whether it is certainly worse off: of a group by the corrected tests of its
    rates, on which the verdict rests too, of others by the interval of ``read``.
    """

    kind: str
    name: str
    speakers: tuple[str, ...]
    share: float
    read: Contrast
    certain: bool
    grouping: str = ""
    group: str = ""
    labels: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Findings:
    """An audit with its cohorts.

    ``cohorts`` holds known groups, regions and the discovered cohort, the worst first: those
    that are certainly worse before all others. ``described`` says of which speakers each
    discovered cohort has more than its share, in words; ``over_represented`` is the table of
    the worst one, as :func:`speaker_metadata.over_representation` gives it. ``checks`` says what
    of the study bears on every figure.
    """

    audit: Audit
    title: str
    cohorts: tuple[Cohort, ...]
    discovery: Discovery | None
    described: dict[int, str]
    over_represented: pd.DataFrame
    tree: CohortTree | None
    notes: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    origin: Origin | None = None

    @property
    def measured(self) -> tuple[Cohort, ...]:
        """The cohorts that are large enough to say something of, the worst first."""
        return tuple(each for each in self.cohorts if not np.isnan(each.read.difference))

    @property
    def searched(self) -> tuple[Cohort, ...]:
        """The measured cohorts that were searched for; known groups are told by their own rates."""
        return tuple(each for each in self.measured if each.kind != "group")

    @property
    def worst(self) -> Cohort | None:
        """The cohort to work on first; None where none is worse off.

        The known group that the verdict names, unless a cohort that was searched for is certainly
        worse off by more, or the group is not certainly so.
        """
        known = self._known()
        found = next((each for each in self.searched if each.certain), None)
        if found is None:
            behind = (each for each in self.searched if each.read.difference > 0)
            return known or next(behind, None)
        if known is not None and known.certain and not found.read.low > known.read.difference:
            return known
        return found

    def _known(self) -> Cohort | None:
        """The known group that stands first among those that are worse off, certainly or not."""
        headline, notable = self.audit.headline(), self.audit.notable()
        rows = [] if headline is None else [headline]
        rows += [row for _, row in notable[notable["difference"] > 0].iterrows()]
        named = next(
            ((row["grouping"], row["group"]) for row in rows if row["difference"] > 0), None
        )
        groups = (each for each in self.cohorts if each.kind == "group")
        return next((each for each in groups if (each.grouping, each.group) == named), None)


def find_cohorts(
    audit: Audit,
    metadata: pd.DataFrame,
    *,
    title: str,
    tree_columns: Sequence[str] = (),
    embeddings: EmbeddingTable | None = None,
    share: float = 0.1,
    seed: int = 0,
) -> Findings:
    """Stand every cohort against the other speakers.

    Parameters
    ----------
    audit : Audit
        Of verification scores.
    metadata : DataFrame
        As the audit took it.
    tree_columns : sequence of str
        Columns for the cohort tree; without any, the audited ones.
    embeddings : EmbeddingTable, optional
        Vectors of the clips (by ``path`` of the metadata) or of the speakers (by name); without
        them nothing is searched for.
    share, seed
        As :func:`cohorts.discover` takes them.

    Raises
    ------
    BadTable
        If the vectors are of other clips, or as :func:`cohorts.discover`. A tree that cannot be
        grown because speakers are few is a note, unless it was asked for.
    """
    trials, threshold = audit.trials, audit.shared_threshold
    speakers = speakers_of(trials)
    notes = []
    columns = list(tree_columns) or list(
        dict.fromkeys(column for section in audit.groupings for column in section.columns)
    )
    tree = None
    if tree_columns or len(speakers) >= 4 * MIN_SPEAKERS:
        tree = grow_tree(trials, threshold, metadata, columns, seed=seed)
    else:
        notes.append(
            f"No cohort tree: there are {len(speakers)} speakers, and {4 * MIN_SPEAKERS} are "
            "needed, half to grow it and half to measure it."
        )
    discovery, described, over = None, {}, over_representation(pd.DataFrame(), np.array([]))
    if embeddings is not None:
        clips, vectors = clips_with_vectors(metadata, embeddings)
        discovery = discover(trials, threshold, clips, vectors, share=share, seed=seed)
        table = describing(metadata, list(discovery.members["speaker"]))
        numbers = discovery.members["cohort"].to_numpy()
        described = {
            int(number): in_short(over_representation(table, numbers == number))
            for number in np.unique(numbers)
        }
        over = over_representation(table, discovery.members["worst"].to_numpy())
    else:
        notes.append("No cohorts of voices were searched for: that needs the clips' vectors.")
    found = known_cohorts(audit)
    n_all = len(speakers)
    if tree is not None and len(tree.leaves) > 1:
        found += [
            Cohort(
                kind="region",
                name=leaf.rule,
                speakers=leaf.speakers,
                share=len(leaf.speakers) / n_all,
                read=leaf.read,
                certain=leaf.read.low > 0,
                conditions=leaf.conditions,
            )
            for leaf in tree.leaves
        ]
    if discovery is not None:
        names = tuple(discovery.worst_speakers)
        name = "speakers who sound alike"
        certain = discovery.read.low > 0
        found.append(Cohort("discovered", name, names, discovery.share, discovery.read, certain))
    found.sort(key=lambda each: (each.certain, np.nan_to_num(each.read.difference, nan=-1)))
    return Findings(
        audit=audit,
        title=title,
        cohorts=tuple(reversed(found)),
        discovery=discovery,
        described=described,
        over_represented=over,
        tree=tree,
        notes=tuple(notes),
    )


def without_cohorts(audit: Audit, *, title: str) -> Findings:
    """An audit alone, as of a household's log, which has no scores to search."""
    return Findings(
        audit=audit,
        title=title,
        cohorts=(),
        discovery=None,
        described={},
        over_represented=over_representation(pd.DataFrame(), np.array([])),
        tree=None,
        notes=(),
    )


def known_cohorts(audit: Audit, *, n_resamples: int = N_RESAMPLES) -> list[Cohort]:
    """Every group of the audit as a cohort, and small groups together, read on all speakers.

    A speaker belongs to the groups of his clips. Intervals hold together in 95 % within a
    grouping (Bonferroni).
    """
    trials = audit.trials
    names = speakers_of(trials)
    errors = speaker_errors(
        trials, audit.shared_threshold, names, n_resamples=n_resamples, seed=audit.seed
    )
    notable = audit.notable()
    worse = notable[notable["certain"].astype(bool) & (notable["difference"] > 0)]
    worse_off = set(zip(worse["grouping"], worse["group"], strict=True))
    found = []
    for section in audit.groupings:
        pairs = pd.concat(
            [
                trials[[f"{side}_speaker", f"{side}:{section.name}"]]
                .drop_duplicates()
                .set_axis(["speaker", "group"], axis=1)
                for side in ("enroll", "test")
            ]
        ).dropna()
        groups = {group: (group,) for group in section.groups["group"]}
        small = section.groups["group"][~section.groups["judged"].astype(bool)]
        groups |= dict.fromkeys(section.pooled["group"], tuple(small))
        for group, labels in groups.items():
            inside = np.isin(names, pairs["speaker"][pairs["group"].isin(labels)].to_numpy(object))
            read = contrast(
                errors, inside, min_speakers=MIN_SPEAKERS, n_comparisons=max(1, len(groups) - 1)
            )
            found.append(
                Cohort(
                    kind="group",
                    name=f"{section.name}: {group}",
                    speakers=tuple(names[inside]),
                    share=float(inside.mean()),
                    read=read,
                    certain=(section.name, group) in worse_off,
                    grouping=section.name,
                    group=group,
                    labels=labels,
                )
            )
    return found


def clips_with_vectors(
    metadata: pd.DataFrame, embeddings: EmbeddingTable
) -> tuple[pd.DataFrame, np.ndarray]:
    """``path`` and ``speaker`` of all clips of ``metadata`` that have a vector, and the vectors.

    Raises
    ------
    BadTable
        If there is none.
    """
    for key in ("path", "speaker"):
        if key in metadata.columns:
            clips = metadata.assign(path=metadata[key])[["path", "speaker"]].drop_duplicates()
            clips = clips[clips["path"].isin(list(embeddings.row_of)) & (clips["speaker"] != "")]
            if len(clips):
                rows = embeddings.rows(clips["path"])
                return clips.reset_index(drop=True), embeddings.vectors[rows]
    raise BadTable(
        "vectors of clips that the metadata does not name",
        expected="vectors named by the 'path' or 'speaker' of the metadata",
        do="make them with 'spkid embed' from the manifest given as metadata=",
    )


def describing(metadata: pd.DataFrame, speakers: list[str]) -> pd.DataFrame:
    """Everything in ``metadata`` that can describe a set of speakers, a row a speaker."""
    columns = [name for name in metadata.columns if name not in ("path", "speaker")]
    table = by_speaker(metadata, columns, speakers)
    n_values = {name: table[name][table[name] != ""].nunique() for name in columns}
    numbers = {name for name in columns if n_values[name] > MAX_WORDS and _is_scale(table[name])}
    return table[[name for name in columns if 2 <= n_values[name] <= MAX_WORDS or name in numbers]]


def _is_scale(values: pd.Series) -> bool:
    return not pd.to_numeric(values[values != ""], errors="coerce").isna().any()


def in_short(over: pd.DataFrame) -> str:
    """The clearest over-represented values in words; empty where none is certain."""
    clear = over[over["low"] > 1].head(3)
    return ", ".join(
        f"{row.column} {row.value} ({row.ratio:.1f} times its share)" for row in clear.itertuples()
    )
