"""Clips from several places, and corpora that training leaves out."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile
from rich.progress import Progress

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.training.config import DataConfig
from spkid.training.data.corpora import load_corpora

SILENT = Progress(disable=True)


@pytest.fixture(scope="module")
def more_root(tmp_path_factory):
    """Two further corpora, of speakers whom the name rule would not hold out."""
    root = tmp_path_factory.mktemp("more")
    rows = []
    for number, corpus in enumerate(("beta", "gamma")):
        for clip in range(4):
            path = f"{corpus}-{clip}.wav"
            soundfile.write(root / path, np.full(4_000, 0.1 * (1 + number)), 16_000)
            rows.append((path, f"{corpus}-{'ac'[clip // 2]}", "train", corpus))
        soundfile.write(root / f"{corpus}-nobody.wav", np.full(4_000, 0.5), 16_000)
        rows.append((f"{corpus}-nobody.wav", "", "unlabelled", corpus))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "split", "corpus"])
        writer.writerows(rows)
    return root


def test_clips_come_from_every_place(speech_root, more_root):
    alone = load_corpora(DataConfig(speech=str(speech_root)), SILENT)
    both = load_corpora(DataConfig(speech=str(speech_root), more=(str(more_root),)), SILENT)
    assert both.training.paths[: len(alone.training)] == alone.training.paths
    added = range(len(alone.training), len(both.training))
    assert {both.training.corpora[index] for index in added} == {"beta", "gamma"}
    assert len(added) == 10
    for index in added:
        level = 0.5 if not both.training.speakers[index] else 0.1
        level = 0.2 if both.training.speakers[index].startswith("gamma") else level
        np.testing.assert_allclose(both.training.clip(index) / 32_767, level, atol=1e-4)
    for index in range(len(alone.training)):
        assert np.array_equal(both.training.clip(index), alone.training.clip(index))


def test_corpus_left_out_is_held_out_with_all_its_speakers(speech_root, more_root):
    config = DataConfig(speech=str(speech_root), more=(str(more_root),), leave_out=("gamma",))
    corpora = load_corpora(config, SILENT)
    assert "gamma" not in corpora.training.corpora
    held_out = zip(corpora.held_out.corpora, corpora.held_out.speakers, strict=True)
    assert {speaker for corpus, speaker in held_out if corpus == "gamma"} == {"gamma-a", "gamma-c"}
    assert "alpha" in corpora.held_out.corpora


@pytest.mark.parametrize("value", ["gamma", [3], [["gamma"]]])
def test_places_and_corpora_are_lists_of_text(value):
    with pytest.raises(SpkidError, match=r"DataConfig\.leave_out"):
        from_mapping(DataConfig, {"leave_out": value})


def test_a_list_may_be_empty():
    assert from_mapping(DataConfig, {"more": [], "leave_out": ["a", "b"]}) == DataConfig(
        leave_out=("a", "b")
    )


def test_groups_are_the_columns_of_balance_together(speech_root, more_root):
    places = {"speech": str(speech_root), "more": (str(more_root),)}
    plain = load_corpora(DataConfig(**places), SILENT).training
    assert set(plain.groups) == {""}
    grouped = load_corpora(DataConfig(**places, balance=("corpus", "split")), SILENT).training
    both = zip(grouped.corpora, grouped.groups, strict=True)
    assert {(corpus, group) for corpus, group in both if corpus == "beta"} == {
        ("beta", "beta train"),
        ("beta", "beta unlabelled"),
    }


def test_balance_over_a_column_that_is_not_there_is_refused(speech_root):
    with pytest.raises(SpkidError, match="no column 'moods'"):
        load_corpora(DataConfig(speech=str(speech_root), balance=("moods",)), SILENT)
