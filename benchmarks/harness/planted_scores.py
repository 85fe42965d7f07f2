"""Scores of planted speakers, with known truth: what a group is, and what its figures are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

    A group's truth is a mixture of voices. ``small_are_worse``: the groups too small to be judged
    alone are worse together; else they are like the others.
    """

    groupings: tuple[str, ...]
    draw: Callable[[np.random.Generator], pd.DataFrame]
    truths: dict[str, dict[str, Mixture]]
    small_are_worse: bool = False


PLAIN, LOW, RAISED = Voice(), Voice(own=2.4), Voice(own=3.6, strangers=0.6)
FAR_LOWER = Voice(own=1.8)
WORSE, ALIKE = "small groups worse", "small groups alike"
SMALL = {"a": 24, "b": 24, "c": 3, "d": 4, "e": 3}
CLOSE = Voice(strangers=0.5)


def _groups(
    sizes: dict[str, int], voices: dict[str, Voice], *, small_are_worse: bool = False
) -> Scenario:
    def draw(rng: np.random.Generator) -> pd.DataFrame:
        names = np.repeat(list(sizes), list(sizes.values()))
        return pd.DataFrame({"group": names, "voice": [voices[name] for name in names]})

    truths: dict[str, Mixture] = {name: ((1.0, voices[name]),) for name in sizes}
    return Scenario(("group",), draw, {"group": truths}, small_are_worse)


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
    WORSE: _groups(
        SMALL, {"a": PLAIN, "b": PLAIN, **dict.fromkeys("cde", FAR_LOWER)}, small_are_worse=True
    ),
    ALIKE: _groups(SMALL, dict.fromkeys("abcde", PLAIN)),
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
