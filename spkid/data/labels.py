"""The words by which programs say whether both sides of a trial are one speaker."""

from __future__ import annotations

import pandas as pd

SAME = ("1", "target", "tgt", "true", "same", "genuine", "positive", "match")
DIFFERENT = (
    *("0", "nontarget", "nontgt", "false", "different", "impostor", "imposter", "imp"),
    *("negative", "nonmatch"),
)
LABELS = dict.fromkeys(SAME, True) | dict.fromkeys(DIFFERENT, False)
USUAL = "1 and 0, target and nontarget, tgt and imp, true and false, same and different"


def label_of(word: object) -> bool | None:
    """True for one speaker, False for two, None for a word that says neither.

    Case does not count, nor do ``-``, ``_`` and blanks: ``Non-Target`` is a label.
    """
    plain = str(word).casefold()
    for mark in "-_ ":
        plain = plain.replace(mark, "")
    return LABELS.get(plain)


def label_columns(sample: pd.DataFrame) -> list[int]:
    """Places of the columns that hold labels alone; where some are in words, no ones and zeros."""
    words = {place: sample[place].unique() for place in range(sample.shape[1])}
    found = [
        place for place, own in words.items() if all(label_of(word) is not None for word in own)
    ]
    in_words = [place for place in found if any(word not in ("1", "0") for word in words[place])]
    return in_words or found
