"""Does the audit find what is there, and only that? Score sets with known truth.

    python -m benchmarks.planted_truth [--repetitions N]

Each scenario plants groups of speakers whose scores are known in distribution: a speaker moves
the scores of own trials and, on both sides, of impostor trials. An audit of each repetition is
held against the truth, which is computed from two million fresh trials: do the 95 % intervals
cover it, are planted differences found, and how often is a difference called certain that does
not exist?
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Figures, Seed
from benchmarks.pages.audit_tables import planted_truth
from spkid.audit import MEASURES, MIN_SPEAKERS
from spkid.audit.result import Audit
from spkid.audit.verification import PAIR, audit_scores
from spkid.scoring.metrics import (
    equal_error_rate,
    log_likelihood_ratio_cost,
    min_detection_cost,
    min_log_likelihood_ratio_cost,
)

N_FRESH = 2_000_000
N_TARGET, N_IMPOSTOR, N_ACROSS = 10, 20, 10  # trials a speaker


Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """Mean own and strangers' score, and how far a speaker moves each (standard deviation)."""

    own: float = 3.0
    strangers: float = 0.0
    own_effect: float = 0.6
    strangers_effect: float = 0.3


Mixture = tuple[tuple[float, Voice], ...]  # share of a group's speakers, and their voice


@dataclass(frozen=True)
class Scenario:
    """``draw`` gives speakers with their columns and ``voice``; ``truths`` voices by group.

    A group's truth is a mixture of voices.
    """

    groupings: tuple[str, ...]
    draw: Callable[[np.random.Generator], pd.DataFrame]
    truths: dict[str, dict[str, Mixture]]


PLAIN, LOW, RAISED = Voice(), Voice(own=2.4), Voice(own=3.6, strangers=0.6)
CLOSE = Voice(strangers=0.5)


def _groups(sizes: dict[str, int], voices: dict[str, Voice]) -> Scenario:
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        names = np.repeat(list(sizes), list(sizes.values()))
        return pd.DataFrame({"group": names, "voice": [voices[name] for name in names]})

    return Scenario(("group",), draw, {"group": {name: ((1.0, voices[name]),) for name in sizes}})


SHARE_OF_CHILDREN = {"north": 0.8, "south": 0.2}


def _confounded() -> Scenario:
    """Children are recognised worse; most of the north are children: language does nothing."""

    def draw(rng: np.random.Generator) -> pd.DataFrame:
        language = np.repeat(["north", "south"], 60)
        is_child = rng.random(120) < np.array([SHARE_OF_CHILDREN[name] for name in language])
        return pd.DataFrame(
            {
                "language": language,
                "age": np.where(is_child, "child", "adult"),
                "voice": [LOW if child else PLAIN for child in is_child],
            }
        )

    by_age: dict[str, Mixture] = {"adult": ((1.0, PLAIN),), "child": ((1.0, LOW),)}
    by_language: dict[str, Mixture] = {
        name: ((share, LOW), (1 - share, PLAIN)) for name, share in SHARE_OF_CHILDREN.items()
    }
    both: dict[str, Mixture] = {
        f"{name}, {age}": by_age[age] for name in by_language for age in by_age
    }
    return Scenario(
        ("age", "language", "language*age"),
        draw,
        {"age": by_age, "language": by_language, "language*age": both},
    )


SCENARIOS = {
    "gaps": _groups({"a": 40, "b": 40, "c": 30}, {"a": PLAIN, "b": LOW, "c": CLOSE}),
    "no gap": _groups(dict.fromkeys("abcd", 30), dict.fromkeys("abcd", PLAIN)),
    "shift": _groups({"a": 40, "b": 40}, {"a": PLAIN, "b": RAISED}),
    "tiny": _groups({"a": 12, "b": 12, "c": 5, "d": 12}, dict.fromkeys("abcd", PLAIN)),
    "confounded": _confounded(),
}


def scores_of(
    people: pd.DataFrame, columns: tuple[str, ...], rng: np.random.Generator
) -> pd.DataFrame:
    """Trials of ``people`` (index: speaker) with everybody; impostors mostly of the same group."""
    n = len(people)
    voices = people["voice"].tolist()
    own = np.array([voice.own for voice in voices])
    strangers = np.array([voice.strangers for voice in voices])
    own += rng.normal(size=n) * [voice.own_effect for voice in voices]
    effect = rng.normal(size=n) * [voice.strangers_effect for voice in voices]
    first = np.repeat(np.arange(n), N_TARGET)
    parts = [(first, first, own[first] + rng.normal(size=len(first)), True)]
    for column, n_each in [*((c, N_IMPOSTOR) for c in columns), (None, N_ACROSS)]:
        keys = people[column].to_numpy() if column else np.zeros(n)
        for key in pd.unique(keys):
            inside = np.flatnonzero(keys == key)
            if len(inside) < 2:
                continue
            one = np.repeat(np.arange(len(inside)), n_each)
            other = rng.integers(0, len(inside) - 1, len(one))
            other += other >= one
            one, other = inside[one], inside[other]
            middle = (strangers[one] + strangers[other]) / 2 + effect[one] + effect[other]
            parts.append((one, other, middle + rng.normal(size=len(one)), False))
    table = [
        pd.DataFrame({"enroll": one, "test": other, "score": score, "label": label})
        for one, other, score, label in parts
    ]
    return pd.concat(table, ignore_index=True)


@lru_cache
def fresh(mixture: Mixture) -> tuple[Scores, Scores]:
    """Sorted target and impostor scores of fresh speakers for every trial."""
    rng = np.random.default_rng(12345)
    shares = [share for share, _ in mixture]
    voices = [voice for _, voice in mixture]
    one, other = rng.choice(len(voices), (2, N_FRESH), p=shares)
    own, own_effect, strangers, effect = np.transpose(
        [(v.own, v.own_effect, v.strangers, v.strangers_effect) for v in voices]
    )
    target = own[one] + own_effect[one] * rng.normal(size=N_FRESH) + rng.normal(size=N_FRESH)
    impostor = (strangers[one] + strangers[other]) / 2 + rng.normal(size=N_FRESH)
    for side in (one, other):
        impostor += effect[side] * rng.normal(size=N_FRESH)
    return np.sort(target), np.sort(impostor)


@lru_cache
def own_truth(mixture: Mixture, target_prior: float) -> dict[str, float]:
    """The figures that do not depend on the shared threshold."""
    target, impostor = fresh(mixture)
    cllr = log_likelihood_ratio_cost(target, impostor)
    return {
        "equal_error_rate": equal_error_rate(target, impostor),
        "min_dcf": min_detection_cost(target, impostor, target_prior=target_prior),
        "cllr": cllr,
        "calibration_loss": cllr - min_log_likelihood_ratio_cost(target, impostor),
        "target_mean": float(target.mean()),
        "impostor_mean": float(impostor.mean()),
    }


def truth_at(mixture: Mixture, threshold: float) -> dict[str, float]:
    """Every figure of a group at ``threshold``."""
    target, impostor = fresh(mixture)
    return {
        "false_match_rate": 1 - np.searchsorted(impostor, threshold) / len(impostor),
        "false_non_match_rate": np.searchsorted(target, threshold) / len(target),
        **own_truth(mixture, 0.05),
    }


class Tally:
    """Counts of intervals below, on and above the truth, and of certain differences."""

    def __init__(self) -> None:
        self.covered: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.found: dict[str, list[bool]] = defaultdict(list)
        self.n_alarms = 0
        self.n_explained_alarms = 0

    def interval(self, kind: str, figure: str, row: Any, truth: float) -> None:
        """One interval (``low``, ``high``) against ``truth``."""
        if np.isnan([row.low, row.high, truth]).any():
            return
        slack = 1e-9 * max(1, abs(truth))
        place = 0 if row.high < truth - slack else 2 if row.low > truth + slack else 1
        self.covered[kind, figure][place] += 1


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


def run_scenario(name: str, *, n_repetitions: int, n_resamples: int, seed: int) -> Figures:
    """Cover in percent, alarms and power of ``n_repetitions`` audits of one of the scenarios."""
    scenario, tally = SCENARIOS[name], Tally()
    for repetition in range(n_repetitions):
        rng = np.random.default_rng([seed, repetition])
        people = scenario.draw(rng)
        columns = tuple(name for name in scenario.groupings if "*" not in name)
        scores = scores_of(people, columns, rng)
        metadata = people.drop(columns="voice").assign(speaker=people.index)
        audit = audit_scores(
            scores, metadata, scenario.groupings, n_resamples=n_resamples, seed=repetition
        )
        hold_against(audit, scenario, tally)
    cover: dict[str, Figures] = defaultdict(dict)
    for (kind, figure), counts in tally.covered.items():
        below, inside, above = (100 * count / sum(counts) for count in counts)
        cover[kind][figure or "both"] = {
            "covered": round(inside, 2),
            "interval_below": round(below, 2),
            "interval_above": round(above, 2),
            "n": sum(counts),
        }
    return {
        "n_repetitions": n_repetitions,
        "false_alarms_percent": round(100 * tally.n_alarms / n_repetitions, 2),
        "false_alarms_of_explaining_figures_percent": round(
            100 * tally.n_explained_alarms / n_repetitions, 2
        ),
        "cover_percent": dict(cover),
        "planted_and_found_percent": {
            asked: round(100 * float(np.mean(certain)), 1) for asked, certain in tally.found.items()
        },
    }


def measure(repetitions: int = 500, resamples: int = 200, seed: Seed = 0) -> Figures:
    """Every scenario's figures."""
    run = partial(
        run_scenario,
        n_repetitions=repetitions,
        n_resamples=resamples,
        seed=seed,
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = list(track(pool.map(run, SCENARIOS), "scenarios", len(SCENARIOS)))
    return {
        "min_speakers": MIN_SPEAKERS,
        "trials_a_speaker": {"own": N_TARGET, "same group": N_IMPOSTOR, "anybody": N_ACROSS},
        "n_resamples": resamples,
        **dict(zip(SCENARIOS, results, strict=True)),
    }


BENCHMARK = Benchmark("planted_truth", measure, (planted_truth,))

if __name__ == "__main__":
    BENCHMARK.main()
