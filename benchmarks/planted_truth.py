"""Does the audit find what is there, and only that? Score sets with known truth.

    python -m benchmarks.planted_truth [--repetitions N]

Each scenario plants groups of speakers whose scores are known in distribution: a speaker moves
the scores of own trials and, on both sides, of impostor trials. An audit of each repetition is
held against the truth, which is computed from two million fresh trials: do the 95 % intervals
cover it, are planted differences found, and how often is a difference called certain that does
not exist?
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.harness.kept import kept_figures
from benchmarks.harness.planted_scores import (
    ALIKE,
    N_ACROSS,
    N_IMPOSTOR,
    N_TARGET,
    SCENARIOS,
    WORSE,
    Scenario,
    scores_of,
    truth_at,
)
from benchmarks.pages.audit_tables import planted_truth
from spkid.audit import MEASURES, MIN_SPEAKERS, AuditResult
from spkid.audit.cohorts.findings import without_cohorts
from spkid.audit.result import Audit
from spkid.audit.verification import PAIR, RATES, audit_scores

POOLED_FIGURE = "false_non_match_rate"
PART = 25  # repetitions between two savings


class Tally:
    """Counts of intervals below, on and above the truth, and of certain differences.

    ``pooled`` has the difference in false non-matches of the small groups together, a value an
    audit in which they are judged; ``n_named``: audits whose verdict begins with them as worse.
    """

    def __init__(self) -> None:
        self.covered: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.found: dict[str, list[bool]] = defaultdict(list)
        self.n_repetitions = 0
        self.n_alarms = 0
        self.n_explained_alarms = 0
        self.n_pooled_alarms = 0
        self.n_named = 0
        self.pooled: list[float] = []

    def interval(self, kind: str, figure: str, row: Any, truth: float) -> None:
        """One interval (``low``, ``high``) against ``truth``."""
        if np.isnan([row.low, row.high, truth]).any():
            return
        slack = 1e-9 * max(1, abs(truth))
        place = 0 if row.high < truth - slack else 2 if row.low > truth + slack else 1
        self.covered[kind, figure][place] += 1

    def plain(self) -> Figures:
        """As values that JSON has."""
        covered = [[*key, counts] for key, counts in self.covered.items()]
        return {**vars(self), "covered": covered, "found": dict(self.found)}

    def add(self, part: Figures) -> None:
        """Count what another tally, as :meth:`plain` gives it, has counted."""
        for kind, figure, counts in part["covered"]:
            own = self.covered[kind, figure]
            own[:] = [one + other for one, other in zip(own, counts, strict=True)]
        for asked, certain in part["found"].items():
            self.found[asked] += certain
        self.pooled += part["pooled"]
        for name, value in vars(self).items():
            if name.startswith("n_"):
                setattr(self, name, value + part[name])


def hold_against(audit: Audit, scenario: Scenario, tally: Tally) -> None:
    """Compare one audit with the truth at its threshold."""
    assert audit.threshold is not None  # an audit of scores has one
    threshold, alarm = audit.threshold.value, {True: False, False: False}
    for section in audit.groupings:
        truths = {
            group: truth_at(mixture, threshold)
            for group, mixture in scenario.truths[section.name].items()
        }
        judged = section.groups[section.groups["judged"]]
        for figure in audit.figures:
            columns = {f"{figure.name}_low": "low", f"{figure.name}_high": "high"}
            for row in judged.rename(columns=columns).itertuples():
                tally.interval("groups", figure.name, row, truths[row.group][figure.name])
        names = list(judged["group"])
        by_figure = {
            figure.name: np.array([truths[name][figure.name] for name in names])
            for figure in audit.figures
        }
        measures = {measure.name: measure for measure in MEASURES}
        for row in section.measures.itertuples():
            takes = [row.figure] if row.figure else PAIR
            arrays = [by_figure[name] for name in takes]
            truth = float(measures[row.measure].of(*arrays, alpha=audit.alpha))
            tally.interval(row.measure, row.figure, row, truth)
        alone = section.differences["group"].isin(names)  # small groups together have no one truth
        alarm[True] |= hold_pooled(section.differences[~alone], audit, scenario, tally)
        for row in section.differences[alone].itertuples():
            values = by_figure[row.figure]
            at = names.index(row.group)
            truth = values[at] - np.delete(values, at).mean()
            tally.interval("differences", row.figure, row, truth)
            if abs(truth) > 1e-9:
                tally.found[f"{section.name}: {row.group}, {row.figure}"].append(bool(row.certain))
            elif row.certain:
                alarm[row.figure in audit.rates] = True
    tally.n_alarms += alarm[True]
    tally.n_explained_alarms += alarm[False]


def hold_pooled(rows: pd.DataFrame, audit: Audit, scenario: Scenario, tally: Tally) -> bool:
    """What is said of the small groups together; whether it is a false alarm."""
    rows = rows[rows["figure"].isin(audit.rates)]
    if rows.empty:
        return False
    own = rows[rows["figure"] == POOLED_FIGURE]
    tally.pooled += [float(value) for value in own["difference"]]
    if not scenario.small_are_worse:
        alarm = bool(rows["certain"].any())
        tally.n_pooled_alarms += alarm
        return alarm
    first = AuditResult(without_cohorts(audit, title="")).verdict.splitlines()[0]
    tally.n_named += first.startswith("It is worse for the small groups")
    tally.found[f"group: small ones together, {POOLED_FIGURE}"] += map(bool, own["certain"])
    return False


def run_part(name: str, first: int, *, n_repetitions: int, n_resamples: int, seed: int) -> Figures:
    """The tally of some audits of one of the scenarios, of repetition ``first`` and the next."""
    scenario, tally = SCENARIOS[name], Tally()
    tally.n_repetitions = n_repetitions
    for repetition in range(first, first + n_repetitions):
        rng = np.random.default_rng([seed, repetition])
        people = scenario.draw(rng)
        columns = tuple(name for name in scenario.groupings if "*" not in name)
        scores = scores_of(people, columns, rng)
        metadata = people.drop(columns="voice").assign(speaker=people.index)
        audit = audit_scores(
            scores, metadata, scenario.groupings, n_resamples=n_resamples, seed=repetition
        )
        hold_against(audit, scenario, tally)
    return tally.plain()


def figures_of(tally: Tally) -> Figures:
    """Cover, alarms and power in percent."""
    cover: dict[str, Figures] = defaultdict(dict)
    for (kind, figure), counts in tally.covered.items():
        below, inside, above = (100 * count / sum(counts) for count in counts)
        cover[kind][figure or "both"] = {
            "covered": round(inside, 2),
            "interval_below": round(below, 2),
            "interval_above": round(above, 2),
            "n": sum(counts),
        }

    def percent(count: int) -> float:
        return round(100 * count / tally.n_repetitions, 2)

    return {
        "n_repetitions": tally.n_repetitions,
        "false_alarms_percent": percent(tally.n_alarms),
        "false_alarms_of_explaining_figures_percent": percent(tally.n_explained_alarms),
        "false_alarms_of_small_groups_percent": percent(tally.n_pooled_alarms),
        "named_first_percent": percent(tally.n_named),
        "cover_percent": dict(cover),
        "planted_and_found_percent": {
            asked: round(100 * float(np.mean(certain)), 1) for asked, certain in tally.found.items()
        },
    }


def most_power(worse: Tally, alike: Tally, *, n_questions: int) -> float:
    """How often the best test of the small groups would find them, in percent.

    It knows how the difference varies, where ours has to estimate that, and is certain where the
    difference lies beyond what groups that are alike show, at the level of the corrected test.
    """
    from scipy import stats

    limit = stats.norm.ppf(1 - 0.025 / n_questions) * np.std(alike.pooled)
    beyond = (np.mean(worse.pooled) - limit) / np.std(worse.pooled)
    return round(100 * float(stats.norm.cdf(beyond)), 1)


def measure(repetitions: int = 500, resamples: int = 200, seed: Seed = 0) -> Figures:
    """Every scenario's figures."""
    parts = [
        (name, first, min(PART, repetitions - first))
        for first in range(0, repetitions, PART)
        for name in SCENARIOS
    ]
    tallies = {name: Tally() for name in SCENARIOS}

    def kept(name: str, first: int, n_repetitions: int) -> Figures:
        settings = {"first": first, "n_repetitions": n_repetitions}
        settings |= {"n_resamples": resamples, "seed": seed}
        make = partial(run_part, name, **settings)
        found: Figures = kept_figures(f"planted_truth_{name.replace(' ', '_')}", settings, make)
        return found

    for part in track(parts, "parts"):
        tallies[part[0]].add(kept(*part))
    found = {name: figures_of(tally) for name, tally in tallies.items()}
    n_questions = len(RATES) * 2  # two groups ask once for each rate, the small ones once more
    found[WORSE]["named_by_the_best_test_percent"] = most_power(
        tallies[WORSE], tallies[ALIKE], n_questions=n_questions
    )
    return {
        "min_speakers": MIN_SPEAKERS,
        "trials_a_speaker": {"own": N_TARGET, "same group": N_IMPOSTOR, "anybody": N_ACROSS},
        "n_resamples": resamples,
        **found,
    }


BENCHMARK = Benchmark("planted_truth", measure, (planted_truth,))

if __name__ == "__main__":
    BENCHMARK.main()
