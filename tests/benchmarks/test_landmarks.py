"""Crowding counted in one half of the speakers, judged in the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.landmarks import errors_less_crowding, halves
from spkid.encoder.vectors import EmbeddingTable


@pytest.fixture
def clips() -> pd.DataFrame:
    speakers = [f"s{number}" for number in range(9) for _ in range(4)]
    corpora = ["a" if speaker < "s5" else "b" for speaker in speakers]
    paths = [f"{row}.wav" for row in range(len(speakers))]
    return pd.DataFrame({"path": paths, "speaker": speakers, "corpus": corpora})


@pytest.fixture
def embeddings(clips) -> EmbeddingTable:
    rng = np.random.default_rng(3)
    voices = rng.normal(size=(9, 16)).repeat(4, axis=0) + rng.normal(size=(36, 16))
    vectors = (voices / np.linalg.norm(voices, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddingTable({path: row for row, path in enumerate(clips["path"])}, vectors, "m")


def test_halves_share_no_speaker_and_no_clip(clips, embeddings):
    both = halves(clips, embeddings, seed=1)
    assert [len(half.means) for half in both] == [5, 4]
    speaker = clips.set_index("path")["speaker"]
    heard = []
    for half in both:
        pairs = pd.concat(half.trials.values())
        sides = pairs["enroll"].map(speaker), pairs["test"].map(speaker)
        assert (pairs["label"] == (sides[0] == sides[1])).all()
        heard.append(set(sides[0]) | set(sides[1]))
    assert not heard[0] & heard[1]
    assert len(heard[0] | heard[1]) == 9


def test_crowding_is_taken_off_by_its_share(clips, embeddings):
    one, other = halves(clips, embeddings, seed=1)
    errors = errors_less_crowding(one.trials, embeddings, other.means)
    # nothing is near to nowhere: all clips are crowded alike, and no share changes anything
    level = errors_less_crowding(one.trials, embeddings, np.zeros((3, 16)))
    assert errors["0"] == level["0"] == level["1"]
    assert errors["1"] != errors["0"]
