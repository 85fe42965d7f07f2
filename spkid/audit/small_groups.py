"""Groups of too few speakers to be judged: what was seen of them, and a guess that leans on all.

A handful of speakers says little of how much speakers differ, so that the error of a small
group's rate is taken from the others: each of its speakers tells as much as a speaker of the
groups that are judged does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from spkid.audit.statistics.intervals import Estimate
from spkid.audit.statistics.partial_pooling import partially_pooled

COLUMNS = ["group", "n_speakers", "figure", "n_trials", "raw", "estimate", "low", "high"]


def small_table(
    counts: Sequence[Mapping[str, object]],
    small: Mapping[str, Mapping[str, Estimate]],
    judged: Mapping[str, Mapping[str, Estimate]],
    pair: tuple[str, str],
) -> pd.DataFrame:
    """A row for each small group and each of ``pair``: as seen, and by partial pooling.

    Parameters
    ----------
    counts : sequence of mappings
        A row for each of ``small``: ``group``, ``n_speakers``, ``n_target``, ``n_impostor``.
    small, judged : mappings
        From a group to its estimates by figure.
    pair : tuple of str
        The rate of the impostor trials, then that of the target trials.

    Returns
    -------
    DataFrame
        ``raw`` is NaN where a group has no such trial; ``estimate``, ``low`` and ``high`` (95 %)
        also where there are not two groups with one.
    """
    tables = [pd.DataFrame(columns=COLUMNS)]
    for figure, kind in zip(pair, ("n_impostor", "n_target"), strict=True) if counts else ():
        known = [each[figure] for each in judged.values() if not np.isnan(each[figure].value)]
        own = pd.DataFrame(
            {
                "group": [str(row["group"]) for row in counts],
                "n_speakers": [row["n_speakers"] for row in counts],
                "figure": figure,
                "n_trials": [row[kind] for row in counts],
                "raw": [small[str(row["group"])][figure].value for row in counts],
            }
        )
        has_rate = own["raw"].notna().to_numpy()
        seen = [(each.value, trials_like(each)) for each in known]
        worth = a_speaker_is_worth(known) * own["n_speakers"]
        seen += zip(own["raw"][has_rate], worth.clip(upper=own["n_trials"])[has_rate], strict=True)
        found = np.full((3, len(own)), np.nan)
        if len(seen) > 1 and has_rate.any():
            found[:, has_rate] = np.array(partially_pooled(*np.array(seen).T))[:, len(known) :]
        tables.append(own.assign(estimate=found[0], low=found[1], high=found[2]))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def trials_like(estimate: Estimate) -> float:
    """In how many independent trials a rate would be as uncertain; the speakers where unknown."""
    value, error = estimate.value, estimate.standard_error
    if 0 < value < 1 and error > 0:
        return float(value * (1 - value) / error**2)
    return float(estimate.n_speakers)


def a_speaker_is_worth(known: Sequence[Estimate]) -> float:
    """How many independent trials a speaker is worth in groups that are judged; 1 where unknown."""
    return float(np.median([trials_like(each) / each.n_speakers for each in known] or [1.0]))
