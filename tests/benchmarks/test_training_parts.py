"""What parts of training are worth: recipes that differ by one part, and what is read."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.pages.training_tables import training_parts
from benchmarks.training_parts import PARTS, PLAIN, SOUNDS, Reading, recipe_of_part
from spkid.training.data.corpora import Corpora
from spkid.training.data.corpus import Corpus

SECOND = 16_000


@pytest.fixture(scope="module")
def reading() -> Reading:
    """Two speakers of a corpus that was left out, two of another, two clips each."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 3000, 8 * SECOND).astype(np.int16)
    speakers = [name for name in "abcd" for _ in range(2)]
    corpora = [name for name in ("emodb", "commonvoice") for _ in range(4)]
    paths = [f"{row}.wav" for row in range(8)]
    held_out = Corpus(samples, np.arange(9) * SECOND, paths, speakers, corpora)
    noise = Corpus(samples[:SECOND], np.array([0, SECOND]), ["noise.wav"], [""])
    return Reading(Corpora(held_out, held_out, noise))


@pytest.mark.parametrize("name", [name for name in PARTS if name != PLAIN])
def test_a_part_changes_the_plain_recipe(name):
    plain, changed = recipe_of_part(PLAIN), recipe_of_part(name)
    assert changed != plain
    assert changed.encoder == plain.encoder


def test_pairs_are_of_one_corpus(reading):
    names = np.array(reading.corpus.corpora)
    for name, corpus in (("held out", "commonvoice"), ("left out", "emodb")):
        one, other, weights = reading.pairs[name]
        assert set(names[one]) == set(names[other]) == {corpus}
        assert (weights[0] == 1).all()
        assert len(one) == 6


def test_a_sound_is_the_same_each_time_and_another_one_differs(reading):
    heard = {sound: reading.heard(3, sound).numpy() for sound in SOUNDS}
    for sound, samples in heard.items():
        np.testing.assert_array_equal(reading.heard(3, sound).numpy(), samples)
    plain = reading.corpus.clip(3) / 32768
    np.testing.assert_allclose(heard["as recorded"], plain, atol=1e-6)
    for sound in ("telephone or codec", "noisy room"):
        assert np.corrcoef(heard[sound], plain)[0, 1] < 0.99


def test_a_certain_change_is_bold():
    change = {"change": -0.01, "low": -0.015, "high": -0.005, "certain": True}
    figures = {
        "plain": {"held out": 0.06},
        "changes": {
            "this": {"held out": change},
            "that": {"held out": change | {"certain": False}},
        },
    }
    table = training_parts(figures)
    assert "| plain: EER, % | 6.00 |" in table
    assert "| this | **-1.0 (-1.5 to -0.5)** |" in table
    assert "| that | -1.0 (-1.5 to -0.5) |" in table
