"""From the estimates of each group to the tables of an audit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spkid.audit.grouping import Grouping
from spkid.audit.result import GroupAudit
from spkid.audit.small_groups import small_table
from spkid.audit.statistics.differences import Difference, difference, holm
from spkid.audit.statistics.figures import Figure
from spkid.audit.statistics.intervals import Estimate, resampled_errors, t_quantile
from spkid.audit.statistics.measures import MEASURES, RATIO, Worlds, measure_interval, true_share
from spkid.audit.statistics.rules import LEVEL, MIN_POOLED_SPEAKERS, MIN_SPEAKERS
from spkid.errors import BadTable

Estimates = Mapping[str, Estimate]  # by the name of the figure
DIFFERENCE_COLUMNS = ["group", "figure", "difference", "low", "high", "p"]


@dataclass(frozen=True)
class Resampling:
    """``alpha`` weighs the first of ``pair`` in the measures that join two figures."""

    n_resamples: int
    seed: int
    alpha: float
    pair: tuple[str, str]


def overall_table(estimates: Estimates) -> pd.DataFrame:
    """``figure``, ``value``, ``low``, ``high``."""
    rows = [(name, estimate.value, *estimate.interval()) for name, estimate in estimates.items()]
    return pd.DataFrame(rows, columns=["figure", "value", "low", "high"])


def audit_groups(
    group: pd.Series,
    grouping: Grouping,
    side: str,
    *,
    speakers: Sequence[np.ndarray],
    is_target: np.ndarray,
    n_unknown: int,
    estimate: Callable[[np.ndarray], Estimates],
    figures: Sequence[Figure],
    resampling: Resampling,
) -> GroupAudit:
    """The tables of one grouping, its differences not yet corrected.

    Parameters
    ----------
    group : Series of categories ``[trials]``
        The group that each trial counts for; missing for none.
    speakers : sequence of arrays of codes ``[trials]``
        Who stands on the sides that decide.
    is_target : bool ``[trials]``
    n_unknown : int
        Trials of no known group.
    estimate : callable
        From the numbers of trials to the figures of those.

    Raises
    ------
    BadTable
        For fewer than two groups.
    """
    codes = group.cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(group.cat.categories) + 1))
    rows, judged = [], {}
    small: dict[str, np.ndarray] = {}
    too_few: list[dict[str, object]] = []

    def counts(name: str, own: np.ndarray) -> dict[str, object]:
        n_speakers = len(np.unique(np.concatenate([np.unique(side[own]) for side in speakers])))
        n_target = int(is_target[own].sum())
        return {
            "group": name,
            "n_speakers": n_speakers,
            "n_target": n_target,
            "n_impostor": len(own) - n_target,
            "judged": n_speakers >= MIN_SPEAKERS,
            **{
                f"{figure.name}{end}": np.nan for figure in figures for end in ("", "_low", "_high")
            },
        }

    for number, name in enumerate(group.cat.categories):
        own = order[starts[number] : starts[number + 1]]
        if not len(own):
            continue
        row = counts(str(name), own)
        if row["judged"]:
            judged[str(name)] = estimate(own)
            row |= _values(judged[str(name)])
        else:
            small[str(name)] = own
            too_few.append(row)
        rows.append(row)
    if len(rows) < 2:
        raise BadTable(
            f"{grouping.name!r} with {'one group' if rows else 'no group'} among the trials",
            expected="two groups or more",
            do="audit by another column",
        )
    differences, pooled = differences_table(judged, figures), []
    if len(small) > 1 and judged:
        own = np.concatenate(list(small.values()))
        row = counts(pool_name(small), own)
        if int(str(row["n_speakers"])) >= MIN_POOLED_SPEAKERS:
            together = estimate(own)
            pooled.append(row | {"judged": True} | _values(together))
            asked = _against(str(row["group"]), together, judged, figures)
            differences = pd.concat([differences, asked], ignore_index=True)
    return GroupAudit(
        name=grouping.name,
        columns=grouping.columns,
        side=side,
        groups=pd.DataFrame(rows),
        measures=measures_table(judged, figures, resampling),
        differences=differences,
        small=small_table(
            too_few, {name: estimate(own) for name, own in small.items()}, judged, resampling.pair
        ),
        pooled=pd.DataFrame(pooled, columns=list(rows[0])),
        n_unknown=n_unknown,
        n_across=len(codes) - n_unknown - int((codes >= 0).sum()),
    )


def pool_name(small: Collection[str]) -> str:
    """What groups too small to be judged alone are called together."""
    return f"together: {', '.join(small)}"


def _values(estimates: Estimates) -> dict[str, object]:
    """Every figure with both ends of its interval."""
    values: dict[str, object] = {}
    for figure, each in estimates.items():
        low, high = each.interval()
        values |= {figure: each.value, f"{figure}_low": low, f"{figure}_high": high}
    return values


def _against(
    name: str, pool: Estimates, judged: Mapping[str, Estimates], figures: Sequence[Figure]
) -> pd.DataFrame:
    """The small groups together against the mean of the groups that are judged alone."""
    rows = []
    for figure in (each.name for each in figures):
        others = [each[figure] for each in judged.values() if not np.isnan(each[figure].value)]
        if others and not np.isnan(pool[figure].value):
            rows.append(_asked(name, figure, difference(pool[figure], others)))
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _asked(group: str, figure: str, found: Difference) -> dict[str, object]:
    return {
        "group": group,
        "figure": figure,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }


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
    values, without_optimism = (
        {
            name: pd.Series({group: getattr(each, kind) for group, each in estimates.items()})
            for name, estimates in known.items()
        }
        for kind in ("value", "corrected")
    )
    made = _worlds(known, resampling)
    rows = []
    for measure in MEASURES:
        takes: list[tuple[str, ...]] = [(name,) for name in values]
        if measure.n_figures == 2:
            takes = [resampling.pair] if set(resampling.pair) <= set(values) else []
        for names in takes:
            if len({tuple(values[name].index) for name in names}) > 1:
                continue  # not known of the same groups
            worlds = made[names]
            if measure is RATIO and worlds[0].scale == "identity":
                continue
            seen, corrected = (
                float(measure.of(*(own[name].to_numpy() for name in names), alpha=resampling.alpha))
                for own in (values, without_optimism)
            )
            low, high = measure_interval(measure, corrected, worlds, alpha=resampling.alpha)
            low, high = np.minimum(low, seen), np.maximum(high, seen)
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
    worlds: dict[tuple[str, ...], tuple[Worlds, ...]] = {
        (name,): (Worlds.around(*part, scale=scales[name]),) for name, part in parts.items()
    }
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
            rows.append(_asked(group, figure.name, found))
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


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
