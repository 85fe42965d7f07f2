"""Who is it worse for? Figures by group from any system's scores.

The shared threshold is what every user of one device gets; a group's own equal error rate
stands beside it, because it hides a shift of the group's scores. Intervals speak of the rates
at the very threshold used. That it was set on the same scores changes nothing to first order:
with ``F_n`` the observed and ``F`` the true rate, ``F_n(t_n) - F(t_n) = F_n(t) - F(t)`` up to
smaller terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from spkid.audit.grouping import SIDES, Grouping, attach_groups, members_of, parse_grouping
from spkid.audit.groups import Estimates, Resampling, audit_groups, corrected, overall_table
from spkid.audit.leaving_out import not_counted, not_described
from spkid.audit.result import Audit, GroupAudit, Threshold
from spkid.audit.statistics.figures import FIGURES, costed_figures
from spkid.audit.statistics.intervals import Clusters, combined, no_estimate
from spkid.audit.statistics.optimism import optimism_of_fits
from spkid.audit.statistics.smooth import Smoothed
from spkid.data.left_out import LeftOut
from spkid.errors import BadTable, SpkidError
from spkid.scoring.metrics import threshold_at_false_match_rate, threshold_at_least_cost

RATES = tuple(figure.name for figure in FIGURES if figure.is_rate)
PAIR = ("false_match_rate", "false_non_match_rate")
LARGEST_SCORE = 1e100  # the square of a larger one may be none


def audit_scores(
    scores: pd.DataFrame,
    metadata: pd.DataFrame,
    groupings: Sequence[str],
    *,
    false_accept_rate: float = 0.05,
    cost_prior: float | None = None,
    threshold: float | None = None,
    side: str = "both",
    target_prior: float = 0.05,
    alpha: float = 0.5,
    n_resamples: int = 1000,
    seed: int = 0,
    notes: Sequence[str] = (),
    left_out: Sequence[LeftOut] = (),
) -> Audit:
    """Figures by group at one shared threshold, with 95 % intervals over resampled speakers.

    Parameters
    ----------
    scores : DataFrame
        ``enroll``, ``test``, ``score``, ``label`` (bool), as ``trials.read_scores`` gives.
    metadata : DataFrame
        A row a clip (``path``) or a speaker, with ``speaker``; an empty value is unknown.
    groupings : sequence of str
        As ``grouping.parse_grouping`` reads them: ``gender``, ``gender*age_group``.
    false_accept_rate, cost_prior, threshold : float
        The shared threshold: the one that accepts this share of all impostor trials; or, where
        ``cost_prior`` is given, the one of least detection cost at that prior of a target (unit
        costs); or ``threshold`` itself.
    side : str
        Which side of a trial decides its group: ``both`` (trials across groups count for the
        shared threshold and the overall figures only), ``enroll`` or ``test``.
    target_prior : float
        Of minDCF.
    alpha : float
        Weight of false matches in GARBE, FDR and inequity rate, in 0..1.
    n_resamples, seed : int
        Resamplings of speakers for the intervals of the measures between groups.
    notes : sequence of str
        Sentences to keep with the result, as how the file was read.
    left_out : sequence of LeftOut
        What was taken out of the scores before.

    Raises
    ------
    SpkidError
        As :func:`grouping.attach_groups`; also without target or impostor trials, with scores
        that are not finite or all equal, or with a grouping of one group only.
    """
    asked = tuple(parse_grouping(text) for text in groupings)
    _check_options(false_accept_rate, cost_prior, threshold, side, alpha, asked)
    trials, n_unmatched, unmatched = attach_groups(scores, metadata, asked)
    _check_scores(trials)
    said = list(notes)
    score, label = trials["score"].to_numpy(np.float64), trials["label"].to_numpy(bool)
    shared = _shared_threshold(
        score[label], score[~label], false_accept_rate, cost_prior, threshold
    )

    def estimate(rows: np.ndarray | slice) -> Estimates:
        return estimates_of(trials, rows, shared.value, target_prior)

    everyone = estimate(slice(None))  # no copies, as an array of all rows would make
    if everyone["equal_error_rate"].value > 0.5:
        said.append(
            f"The equal error rate is {100 * everyone['equal_error_rate'].value:.0f} %, above "
            "50 %: the labels or the sign of the scores are the wrong way round."
        )
    resampling = Resampling(n_resamples, seed, alpha, PAIR)
    sections = [_audit_grouping(trials, grouping, side, estimate, resampling) for grouping in asked]
    return Audit(
        kind="verification",
        threshold=shared,
        figures=FIGURES,
        overall=overall_table(everyone),
        groupings=corrected(sections, FIGURES),
        trials=trials,
        notes=tuple(said),
        left_out=(
            *left_out,
            *not_described(unmatched, n_unmatched, "trials"),
            *not_counted(trials, metadata, sections, "trials"),
        ),
        n_unmatched=n_unmatched,
        n_resamples=n_resamples,
        seed=seed,
        alpha=alpha,
    )


def _check_options(
    false_accept_rate: float,
    cost_prior: float | None,
    threshold: float | None,
    side: str,
    alpha: float,
    groupings: tuple[Grouping, ...],
) -> None:
    for name, share in (("false_accept_rate", false_accept_rate), ("cost_prior", cost_prior)):
        if share is not None and not 0 < share < 1:
            raise SpkidError(
                f"{name}={share:g}", expected="a share between 0 and 1", do="give for example 0.05"
            )
    if threshold is not None and not np.isfinite(threshold):
        raise SpkidError(
            f"threshold={threshold:g}",
            expected="a finite number: nothing compares with NaN",
            do="give another threshold, or leave it out",
        )
    if side not in SIDES:
        raise SpkidError(
            f"side={side!r}", expected=f"one of {', '.join(SIDES)}", do="correct side="
        )
    if not 0 <= alpha <= 1:
        raise SpkidError(f"alpha={alpha:g}", expected="a share in 0..1", do="give for example 0.5")
    if not groupings:
        raise SpkidError(
            "no groups", expected="a column or more", do="give for example by='gender'"
        )


def _check_scores(trials: pd.DataFrame) -> None:
    n_target = int(trials["label"].sum())
    if n_target in (0, len(trials)):
        raise BadTable(
            f"{n_target} same-speaker and {len(trials) - n_target} different-speaker trials",
            expected="both kinds",
            do="give scores of both",
        )
    score = trials["score"].to_numpy()
    if not np.isfinite(score).all():
        raise BadTable(
            f"{int((~np.isfinite(score)).sum())} scores that are NaN or infinite",
            expected="finite scores",
            do="check the system that made them",
        )
    largest = float(np.abs(score).max())
    if largest > LARGEST_SCORE:
        raise BadTable(
            f"scores as large as {largest:.3g}",
            expected=f"similarities or log odds, none beyond {LARGEST_SCORE:g}",
            do="check the system that made them",
        )
    if score.min() == score.max():
        raise BadTable(
            "scores that are all equal", expected="scores that differ", do="check the system"
        )


def _shared_threshold(
    target: np.ndarray,
    impostor: np.ndarray,
    false_accept_rate: float,
    cost_prior: float | None,
    threshold: float | None,
) -> Threshold:
    if threshold is not None:
        return Threshold(float(threshold), "given", None)
    if cost_prior is not None:
        value = threshold_at_least_cost(target, impostor, target_prior=cost_prior)
        return Threshold(value, "cost", cost_prior)
    value = threshold_at_false_match_rate(impostor, false_accept_rate)
    return Threshold(value, "false_match_rate", false_accept_rate)


def estimates_of(
    trials: pd.DataFrame, rows: np.ndarray | slice, threshold: float, target_prior: float
) -> Estimates:
    """Each figure of the trials in ``rows``."""
    label = trials["label"].to_numpy(bool)[rows]
    score = trials["score"].to_numpy(np.float64)[rows]
    enroll, test = (
        trials[f"{side}_speaker"].cat.codes.to_numpy()[rows] for side in ("enroll", "test")
    )
    n_all = len(trials["enroll_speaker"].cat.categories)
    kinds = {
        kind: Clusters.of(enroll[chosen], test[chosen], n_all)
        for kind, chosen in (("target", label), ("impostor", ~label))
    }
    estimates = {figure.name: no_estimate(n_all, figure.scale) for figure in FIGURES}
    target, impostor = score[label], score[~label]
    smoothed, too_high = None, dict[str, float]()
    if len(target) and len(impostor):
        smoothed = Smoothed(target, impostor, target_prior)
    for costed in costed_figures(target, impostor, threshold, smoothed):
        spreads = []
        for kind, cost in (("target", costed.target), ("impostor", costed.impostor)):
            if cost is not None:
                residuals = (cost - cost.mean()) / len(cost)
                spreads.append(kinds[kind].spread(residuals))
        if smoothed is not None and costed.name == "min_dcf":
            speakers, noise = (kinds["target"], kinds["impostor"]), (spreads[0], spreads[1])
            too_high = optimism_of_fits(target, impostor, speakers, smoothed, noise)
        scale = estimates[costed.name].scale
        estimates[costed.name] = combined(
            costed.value, scale, tuple(spreads), optimism=too_high.get(costed.name, 0.0)
        )
    return estimates


def _audit_grouping(
    trials: pd.DataFrame,
    grouping: Grouping,
    side: str,
    estimate: Callable[[np.ndarray], Estimates],
    resampling: Resampling,
) -> GroupAudit:
    deciding = ("enroll", "test") if side == "both" else (side,)
    known = [trials[f"{name}:{grouping.name}"].notna().to_numpy() for name in deciding]
    return audit_groups(
        members_of(trials, grouping, side),
        grouping,
        side,
        speakers=[trials[f"{name}_speaker"].cat.codes.to_numpy() for name in deciding],
        is_target=trials["label"].to_numpy(bool),
        n_unknown=int((~np.all(known, axis=0)).sum()),
        estimate=estimate,
        figures=FIGURES,
        resampling=resampling,
    )
