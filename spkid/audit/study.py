"""Is the study sound? Speakers who dominate it, clips on both sides, recordings that give it away.

A trial list may be easy, or hard, for reasons that have nothing to do with voices: where the two
clips of a speaker are of one session and those of two speakers are not, a system may hear the
room. A model of such columns alone says how much of the answer they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.audit.grouping import SIDES, by_clip, speakers_of
from spkid.audit.verification import estimates_of
from spkid.encoder.vectors import Floats
from spkid.pages import percent

# what a clip's recording may be described by; columns are found by these words in their names
TELLTALE = {
    "duration": ("duration", "length", "seconds"),
    "level": ("level", "loudness", "rms", "dbfs", "snr"),
    "session": ("session", "recording", "video", "date", "day"),
    "channel": ("channel", "device", "microphone", "mic", "codec", "room"),
}
DOMINANT_SHARE = 0.1  # of the trials of one kind, and more than
DOMINANT_TIMES = 5  # times the share that everybody would have
CLEAR_RATE = 0.45  # an EER below it, and surely below one half, is worth a sentence
MOST_TRIALS = 100_000  # from which the model of the recordings is fitted
N_FOLDS = 5


@dataclass(frozen=True)
class Check:
    """Something about the study that bears on every figure; ``name`` is for programs.

    ``value`` with ``low`` and ``high`` is a share or a rate, NaN where there is none.
    """

    name: str
    words: str
    value: float
    low: float = float("nan")
    high: float = float("nan")


def is_grave(check: Check) -> bool:
    """Whether ``check`` puts the figures themselves in doubt."""
    if check.name == "recordings_alone":
        return check.value < CLEAR_RATE and check.high < 0.5
    return check.name.startswith("dominant_speakers")


def check_study(
    trials: pd.DataFrame, metadata: pd.DataFrame, *, seed: int = 0
) -> tuple[Check, ...]:
    """What a reader must know of the trials of an audit.

    Parameters
    ----------
    trials : DataFrame
        As ``Audit.trials``: ``enroll``, ``test``, ``score``, ``label``, ``enroll_speaker``,
        ``test_speaker``.
    metadata : DataFrame
        As the audit took it; recordings are described only where it has a row a clip (``path``).
    seed : int
        Of the choice of trials and folds.
    """
    checks = list(_dominant(trials))
    if by_clip(trials, metadata):
        checks += [*_on_both_sides(trials), *_given_away(trials, metadata, seed)]
    return tuple(checks)


def _dominant(trials: pd.DataFrame) -> Iterator[Check]:
    names = speakers_of(trials)
    label = trials["label"].to_numpy(bool)
    for kind, words in ((True, "same-speaker"), (False, "different-speaker")):
        own = trials[label == kind]
        touched = own["enroll_speaker"].value_counts().reindex(names, fill_value=0)
        if not kind:  # of two speakers, it counts for both
            touched = touched + own["test_speaker"].value_counts().reindex(names, fill_value=0)
        share = touched / max(1, len(own))
        limit = max(DOMINANT_SHARE, DOMINANT_TIMES * share.mean())
        large = share[share > limit].sort_values(ascending=False)
        if len(large):
            who = ", ".join(f"{name!r} {percent(each)}" for name, each in large.head(3).items())
            yield Check(
                f"dominant_speakers_{words.replace('-', '_')}",
                f"{len(large)} of {len(names)} speakers stand in very many of the {words} trials "
                f"({who}): the figures are mostly theirs.",
                float(large.iloc[0]),
            )


def _on_both_sides(trials: pd.DataFrame) -> Iterator[Check]:
    target = trials[trials["label"].to_numpy(bool)]
    tested = set(target["test"].unique())
    both = tested & set(target["enroll"].unique())
    if both:
        yield Check(
            "enrollment_as_test",
            f"{len(both):,} of {len(tested):,} clips that are tested in same-speaker trials are "
            "enrolled in others. Their errors count on both sides; where several clips make a "
            "profile, none of them may be tested.",
            len(both) / len(tested),
        )


def telltale_columns(metadata: pd.DataFrame) -> list[str]:
    """The columns that describe how a clip was recorded."""
    words = {word for words in TELLTALE.values() for word in words}
    return [
        column
        for column in metadata.columns
        if words & set(re.split(r"[^a-z]+", str(column).casefold()))
    ]


def _given_away(trials: pd.DataFrame, metadata: pd.DataFrame, seed: int) -> Iterator[Check]:
    columns = telltale_columns(metadata)
    clips = metadata.drop_duplicates("path").set_index("path")[columns]
    columns = [column for column in columns if clips[column].nunique() > 1]
    if not columns or len(speakers_of(trials)) < 2 * N_FOLDS:
        return
    rng = np.random.default_rng(seed)
    if len(trials) > MOST_TRIALS:
        trials = trials.iloc[np.sort(rng.choice(len(trials), MOST_TRIALS, replace=False))]
    features = np.column_stack([_apart(trials, clips[column]) for column in columns])
    scores = _scores_of_recordings(features, trials, rng)
    if scores is None:
        return
    told = trials.assign(score=scores)
    rate = estimates_of(told, slice(None), 0.0, 0.5)["equal_error_rate"]
    low, high = rate.interval()
    named = ", ".join(columns)
    shown = f"{percent(rate.value)} (95 % interval {percent(low)} to {percent(high)})"
    found = Check("recordings_alone", "", float(rate.value), low, high)
    if is_grave(found):
        words = (
            f"How the clips were recorded gives the answer away: from {named} alone, without any "
            f"voice, the equal error rate is {shown}, and 50 % would be chance. A system may hear "
            "that in place of the voice."
        )
    else:
        words = f"From {named} alone the equal error rate is {shown}; 50 % would be chance."
    yield replace(found, words=words)


def _apart(trials: pd.DataFrame, values: pd.Series) -> Floats:
    """Of one column: is it known of both clips, does it differ, and by how much ``[trials, 3]``."""
    words = values.astype(object).where(values.notna(), "").astype(str)
    numbers = pd.to_numeric(words.replace("", np.nan), errors="coerce")
    sides = [pd.Index(values.index).get_indexer(trials[side].astype(str)) for side in SIDES[1:]]
    one, other = (words.to_numpy()[side] for side in sides)
    known = (sides[0] >= 0) & (sides[1] >= 0) & (one != "") & (other != "")
    distance = np.abs(np.subtract(*(numbers.to_numpy(float)[side] for side in sides)))
    known_distance = known & np.isfinite(distance)
    middle = float(np.median(distance[known_distance])) if known_distance.any() else 0.0
    return np.column_stack(
        [known, known & (one != other), np.where(known_distance, distance, middle)]
    ).astype(np.float64)


def _scores_of_recordings(
    features: Floats, trials: pd.DataFrame, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """Log odds of one speaker, each trial scored by a model that never saw its enrolled speaker."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = trials["label"].to_numpy(bool)
    names = speakers_of(trials)
    fold_of = pd.Series(rng.permutation(len(names)) % N_FOLDS, index=names)
    folds = [
        fold_of.reindex(trials[f"{side}_speaker"].astype(str)).to_numpy()
        for side in ("enroll", "test")
    ]
    scores = np.zeros(len(trials))
    for fold in range(N_FOLDS):
        unseen = folds[0] == fold
        seen = (folds[0] != fold) & (folds[1] != fold)
        if len(np.unique(label[seen])) < 2:
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        model.fit(features[seen], label[seen])
        if unseen.any():
            scores[unseen] = model.decision_function(features[unseen])
    return scores
