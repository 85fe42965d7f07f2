"""From the estimates of each group to the tables of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spkid.audit_result import GroupAudit
from spkid.bootstrap import Estimate, resampled_errors, t_quantile
from spkid.differences import difference, holm
from spkid.fairness import MEASURES, RATIO, Worlds, measure_interval, true_share
from spkid.figures import Figure

LEVEL = 0.05  # of the corrected tests

Estimates = Mapping[str, Estimate]  # by the name of the figure


@dataclass(frozen=True)
class Resampling:
    """``alpha`` weighs the first of ``pair`` in the measures that join two figures."""

    n_resamples: int
    seed: int
    alpha: float
    pair: tuple[str, str]


def with_intervals(counts: Mapping[str, object], estimates: Estimates) -> dict[str, object]:
    """A row: ``counts``, then each figure with its limits."""
    row = dict(counts)
    for name, estimate in estimates.items():
        row[name] = estimate.value
        row[f"{name}_low"], row[f"{name}_high"] = estimate.interval()
    return row


def measures_table(
    groups: Mapping[str, Estimates], figures: Sequence[Figure], resampling: Resampling
) -> pd.DataFrame:
    """How far ``groups`` are apart, as ``GroupAudit.measures``."""
    known = {}
    for figure in figures:
        estimates = {group: each[figure.name] for group, each in groups.items()}
        known[figure.name] = {
            group: each for group, each in estimates.items() if np.isfinite(each.on_scale()).all()
        }
    known = {name: estimates for name, estimates in known.items() if len(estimates) > 1}
    values = {
        name: pd.Series({group: each.value for group, each in estimates.items()})
        for name, estimates in known.items()
    }
    made = _worlds(known, resampling)
    rows = []
    for measure in MEASURES:
        takes = [(name,) for name in values]
        if measure.n_figures == 2:
            takes = [resampling.pair] if set(resampling.pair) <= set(values) else []
        for names in takes:
            if len({tuple(values[name].index) for name in names}) > 1:
                continue  # not known of the same groups
            worlds = made[names]
            if measure is RATIO and worlds[0].scale == "identity":
                continue
            seen = float(
                measure.of(*(values[name].to_numpy() for name in names), alpha=resampling.alpha)
            )
            low, high = measure_interval(measure, seen, worlds, alpha=resampling.alpha)
            row = {"measure": measure.name, "figure": "", "value": seen, "low": low, "high": high}
            row |= {"worst": "", "best": ""}
            if measure.n_figures == 1:
                alone = values[names[0]]
                row |= {
                    "figure": names[0],
                    "worst": str(alone.idxmax()),
                    "best": str(alone[::-1].idxmin()),  # two groups also where all are equal
                }
            rows.append(row)
    columns = ["measure", "figure", "value", "low", "high", "worst", "best"]
    return pd.DataFrame(rows, columns=columns)


def _worlds(
    known: Mapping[str, Estimates], resampling: Resampling
) -> dict[tuple[str, ...], tuple[Worlds, ...]]:
    """For each figure, and for the pair, from one resampling of the speakers."""
    together = [each for estimates in known.values() for each in estimates.values()]
    if not together:
        return {}
    draws = resampled_errors(
        np.stack([estimate.effects for estimate in together]),
        n_resamples=resampling.n_resamples,
        seed=resampling.seed,
    )
    wider = np.array([t_quantile(each.degrees) for each in together]) / t_quantile(np.inf)
    draws *= wider[:, None]
    parts, scales = {}, {}
    for name, estimates in known.items():
        centres, errors = np.transpose([each.on_scale() for each in estimates.values()])
        parts[name] = centres, errors, draws[: len(centres)]
        draws = draws[len(centres) :]
        scales[name] = next(iter(estimates.values())).scale
    worlds = {(name,): (Worlds.around(*part, scale=scales[name]),) for name, part in parts.items()}
    if set(resampling.pair) <= set(parts):
        shares = {name: true_share(*parts[name][:2]) for name in resampling.pair}
        worlds[resampling.pair] = tuple(
            Worlds.around(*parts[name], scale=scales[name], reach=share / max(shares.values()))
            for name, share in shares.items()
        )
    return worlds


def differences_table(groups: Mapping[str, Estimates], figures: Sequence[Figure]) -> pd.DataFrame:
    """Each group against the mean of the others, not yet corrected for their number."""
    rows = []
    for figure in figures:
        known = {
            group: estimates[figure.name]
            for group, estimates in groups.items()
            if not np.isnan(estimates[figure.name].value)
        }
        asked = list(known)
        if len(known) == 2:  # both ways round would be one question asked twice
            asked = [max(known, key=lambda group: known[group].value)]
        for group in asked if len(known) > 1 else ():
            others = [known[other] for other in known if other != group]
            found = difference(known[group], others)
            rows.append(
                {
                    "group": group,
                    "figure": figure.name,
                    "difference": found.value,
                    "low": found.low,
                    "high": found.high,
                    "p": found.p,
                }
            )
    columns = ["group", "figure", "difference", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def corrected(sections: Sequence[GroupAudit], figures: Sequence[Figure]) -> tuple[GroupAudit, ...]:
    """``sections`` with ``p_corrected`` and ``certain`` over the questions of all of them."""
    tables = [section.differences for section in sections]
    together = pd.concat(tables, keys=range(len(tables)))
    rates = [figure.name for figure in figures if figure.is_rate]
    is_rate = together["figure"].isin(rates).to_numpy()
    p_corrected = np.full(len(together), np.nan)
    for family in (is_rate, ~is_rate):
        p_corrected[family] = holm(together["p"].to_numpy()[family])
    together = together.assign(p_corrected=p_corrected, certain=p_corrected < LEVEL)
    return tuple(
        replace(
            section,
            differences=together[together.index.get_level_values(0) == number].reset_index(
                drop=True
            ),
        )
        for number, section in enumerate(sections)
    )
