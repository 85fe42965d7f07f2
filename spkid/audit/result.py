"""What an audit found, as frozen types around pandas tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from spkid.audit.statistics.figures import Figure
from spkid.data.left_out import LeftOut
from spkid.errors import SpkidError

OWN_THRESHOLD = "equal_error_rate"  # the one rate that is not at the shared threshold


@dataclass(frozen=True)
class Threshold:
    """``rule`` is how it was chosen: ``false_match_rate`` or ``cost`` at ``target``, or ``given``.

    For ``cost`` the target is the prior of a same-speaker trial; ``given`` has none.
    """

    value: float
    rule: str
    target: float | None


@dataclass(frozen=True)
class GroupAudit:
    """One grouping.

    Attributes
    ----------
    name : str
        As it was asked for: ``gender*age_group``.
    columns : tuple of str
        The metadata columns that it is made of.
    side : str
        Which side of a trial decides: ``both``, ``enroll`` or ``test``.
    groups : DataFrame
        A row a group: ``group``, ``n_speakers``, ``n_target``, ``n_impostor``, ``judged`` (has
        ``MIN_SPEAKERS``), then each figure with ``<figure>_low`` and ``<figure>_high``.
    measures : DataFrame
        How far the groups are apart: ``measure``, ``figure`` (empty where it takes two),
        ``value``, ``low``, ``high``, ``worst``, ``best`` (groups; the highest and lowest value).
    differences : DataFrame
        Each judged group against the mean of the others (of two groups, the higher against the
        lower): ``group``, ``figure``, ``difference``, ``low``, ``high``, ``p``, ``p_corrected``,
        ``certain``. The small groups together stand against the judged ones. Holm's correction
        runs over all groupings of the audit, for the rates by themselves (the verdict rests on
        them) and for the figures that explain them.
    small : DataFrame
        The groups with too few speakers to be judged alone, a row a group and rate: ``group``,
        ``n_speakers``, ``figure``, ``n_trials``, ``raw`` and, by partial pooling over all groups,
        ``estimate``, ``low``, ``high``; as :func:`small_groups.small_table` gives it.
    pooled : DataFrame
        The groups with too few speakers to be judged alone, together as one row as in
        ``groups``; empty where there are fewer than two, or too few speakers in all.
    n_unknown, n_across : int
        Trials that count for no group: no value on a side, or two groups.
    mistaken : DataFrame
        Of a household's log, who is taken for whom, as :func:`homes.mistaken_table` gives it.
    """

    name: str
    columns: tuple[str, ...]
    side: str
    groups: pd.DataFrame
    measures: pd.DataFrame
    differences: pd.DataFrame
    small: pd.DataFrame
    pooled: pd.DataFrame
    n_unknown: int
    n_across: int
    mistaken: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def judged(self) -> pd.DataFrame:
        """The groups that have figures: those judged alone, then the small ones together."""
        alone = self.groups[self.groups["judged"].astype(bool)]
        return alone if self.pooled.empty else pd.concat([alone, self.pooled], ignore_index=True)


@dataclass(frozen=True)
class Audit:
    """The whole result; ``kind`` is ``verification`` or ``household``.

    A household's audit has no target and impostor trials but clips of members and of guests:
    ``n_target`` and ``n_impostor`` count those, and ``trials`` has a row a clip.

    Attributes
    ----------
    threshold : Threshold or None
        None for a household's log, whose answers are given.
    figures : tuple of Figure
        The figures in the order of the tables.
    overall : DataFrame
        ``figure``, ``value``, ``low``, ``high`` over all trials.
    groupings : tuple of GroupAudit
    trials : DataFrame
        What was audited: ``score``, ``label``, ``enroll_speaker``, ``test_speaker`` and, for
        each grouping ``g``, ``enroll:g`` and ``test:g``, as categories.
    notes : tuple of str
        Sentences that a reader must see: how the input was read, what looks the wrong way round.
    left_out : tuple of LeftOut
        Trials and speakers that are not counted, by reason.
    """

    kind: str
    threshold: Threshold | None
    figures: tuple[Figure, ...]
    overall: pd.DataFrame
    groupings: tuple[GroupAudit, ...]
    trials: pd.DataFrame
    notes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    n_unmatched: int
    n_resamples: int
    seed: int
    alpha: float

    @property
    def shared_threshold(self) -> float:
        """The threshold's value.

        Raises
        ------
        SpkidError
            For a household's log, whose answers are given.
        """
        if self.threshold is None:
            raise SpkidError(
                "an audit of a household's answers",
                expected="an audit of scores",
                do="audit the scores behind the answers",
            )
        return self.threshold.value

    @property
    def rates(self) -> tuple[str, ...]:
        """Names of the figures on which the verdict rests."""
        return tuple(figure.name for figure in self.figures if figure.is_rate)

    def notable(self) -> pd.DataFrame:
        """The differences of the rates over all groupings, certain ones first, largest first.

        The columns of ``GroupAudit.differences``, ``grouping``, and the group's ``value`` and
        ``n_speakers``.
        """
        return self._notable.copy()

    @cached_property
    def _notable(self) -> pd.DataFrame:
        tables = []
        for section in self.groupings:
            values = pd.concat([section.groups, section.pooled]).set_index("group")
            rows = section.differences[section.differences["figure"].isin(self.rates)]
            own = [values.at[row.group, row.figure] for row in rows.itertuples()]
            sizes = values["n_speakers"].reindex(rows["group"]).to_numpy()
            tables.append(rows.assign(value=own, n_speakers=sizes, grouping=section.name))
        table = pd.concat(tables, ignore_index=True)
        order = table.assign(size=table["difference"].abs())
        order = order.sort_values(["certain", "size"], ascending=False, kind="stable")
        return table.loc[order.index].reset_index(drop=True)

    def headline(self) -> pd.Series | None:
        """The row of :meth:`notable` that the verdict speaks of; None where none is defined.

        Who is certainly worse off comes before who is certainly better off, and that before the
        largest of the differences that are not certain; in each, a rate at the shared threshold
        comes before that at a group's own.
        """
        table = self.notable()
        table = table[table["difference"].notna()]
        if table.empty:
            return None
        certain = table["certain"].to_numpy(bool)
        worse = (table["difference"] > 0).to_numpy()
        rank = np.select([certain & worse, certain], [0, 1], 2)
        at_own = (table["figure"] == OWN_THRESHOLD).to_numpy()
        return table.iloc[np.lexsort((at_own, rank))[0]]
