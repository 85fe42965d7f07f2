"""Trial lists, score files and tables of embeddings, as written by others."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest

from spkid.data.score_files import read_scores, write_scores
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable, ModelMismatch, SpkidError
from spkid.scoring.posterior import profile_llrs
from spkid.scoring.scale import UNKNOWN_SPEECH_S
from spkid.scoring.trials import all_pairs, calibrated_trials, score_trials


@pytest.fixture
def written(tmp_path):
    """``written(text)`` -> path of a file with that text."""

    def write(text):
        path = tmp_path / "list.txt"
        path.write_text(text)
        return path

    return write


def rows(table):
    return list(table.itertuples(index=False, name=None))


TRIALS = [("id1/a.wav", "id1/b.wav", True), ("id1/a.wav", "id2/c.wav", False)]
SCORES = [("id1/a.wav", "id1/b.wav", 1.5, True), ("id1/a.wav", "id2/c.wav", -2e-3, False)]


@pytest.mark.parametrize(
    "text",
    [
        "1 id1/a.wav id1/b.wav\n0 id1/a.wav id2/c.wav\n",
        "id1/a.wav id1/b.wav target\nid1/a.wav id2/c.wav nontarget\n",
        "  1\tid1/a.wav   id1/b.wav  \n\n0\tid1/a.wav id2/c.wav",
        "target id1/a.wav id1/b.wav\r\nnontarget id1/a.wav id2/c.wav\r\n",
    ],
    ids=["voxceleb", "kaldi", "loose", "windows"],
)
def test_both_orders_of_a_trial_list(written, text):
    table = read_trials(written(text))
    assert list(table.columns) == ["enroll", "test", "label"]
    assert table["label"].dtype == bool
    assert rows(table) == TRIALS


@pytest.mark.parametrize(
    "text",
    [
        "id1/a.wav id1/b.wav 1.5 target\nid1/a.wav id2/c.wav -2e-3 nontarget\n",
        "id1/a.wav id1/b.wav 1.5 1\nid1/a.wav id2/c.wav -0.002 0\n",
        "1 id1/a.wav id1/b.wav 1.5\n0 id1/a.wav id2/c.wav -.002\n",
    ],
    ids=["wespeaker", "numbers", "label first"],
)
def test_both_orders_of_a_score_file(written, text):
    table = read_scores(written(text))
    assert list(table.columns) == ["enroll", "test", "score", "label"]
    assert table["label"].dtype == bool
    assert table["score"].dtype == np.float64
    assert rows(table) == SCORES


def test_words_stay_words(written):
    table = read_trials(written("1 0012 NA\n0 None 1e5\n"))
    assert rows(table) == [("0012", "NA", True), ("None", "1e5", False)]
    assert read_scores(written("a b 2 1\n"))["score"].dtype == np.float64


@pytest.mark.parametrize("reader", [read_trials, read_scores])
@pytest.mark.parametrize("text", ["", " \n\n", "a b\n", "a b c d e\n", "1 a\n0 b c d e\n"])
def test_another_number_of_columns_is_refused(written, reader, text):
    with pytest.raises(SpkidError, match=r"list\.txt"):
        reader(written(text))


@pytest.mark.parametrize("reader", [read_trials, read_scores])
def test_what_cannot_be_read_is_refused(tmp_path, reader):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" * 50)
    for name in ("missing", ".", "binary"):
        with pytest.raises(SpkidError):
            reader(tmp_path / name)


@pytest.mark.parametrize("labels", [("2", "0"), ("yes", "no"), ("1", "maybe"), ("1.0", "0.0")])
def test_other_labels_are_refused(written, labels):
    first, second = labels
    with pytest.raises(SpkidError, match="no column of labels"):
        read_trials(written(f"{first} a b\n{second} a c\n"))
    for order in ("a b 0.5 {}\n", "{} a b 0.5\n"):
        with pytest.raises(SpkidError, match="no column of labels"):
            read_scores(written(order.format(first) + order.format(second)))


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "1e999", "0,5", "high", "NA"])
def test_a_score_that_is_no_finite_number_is_refused(written, score):
    with pytest.raises(SpkidError, match=f"'{score}' as the score in line 2"):
        read_scores(written(f"a b 0.5 1\na c {score} 0\n"))


def test_a_short_line_is_refused(written):
    with pytest.raises(SpkidError):
        read_trials(written("1 a b\n0 c\n"))


@pytest.mark.parametrize(
    ("text", "first"),
    [('1 "a b\n0 c d"\n', ('"a', "b", True)), ("1 x target\n0 y nontarget\n", ("1", "x", True))],
)
def test_names_may_look_odd(written, text, first):
    assert rows(read_trials(written(text)))[0] == first


def test_scores_come_back_as_written(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "enroll": [f"s{index % 5}/clip.wav" for index in range(40)],
            "test": [f"s{index % 3}/clip.wav" for index in range(40)],
            "score": rng.normal(0, 10, 40),
            "label": rng.random(40) < 0.5,
        }
    )
    path = tmp_path / "scores.txt"
    write_scores(path, table)
    back = read_scores(path)
    assert rows(back.drop(columns="score")) == rows(table.drop(columns="score"))
    np.testing.assert_allclose(back["score"], table["score"], rtol=0, atol=5e-7)
    assert [file.name for file in tmp_path.iterdir()] == ["scores.txt"]


@pytest.fixture
def saved(tmp_path):
    """``saved(paths=, embeddings=, ...)`` -> path of such an npz file."""
    path = tmp_path / "vectors.npz"
    return lambda **arrays: np.savez(path, **arrays) or path


def test_a_table_gives_unit_vectors_and_cosines(saved):
    rng = np.random.default_rng(1)
    vectors, names = 5 * rng.normal(size=(4, 6)), np.array(["a", "b", "c", "d"])
    table = EmbeddingTable.load(saved(paths=names, embeddings=vectors, model=np.array("abc")))
    assert table.model == "abc"
    np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, rtol=1e-6)
    pairs = [("c", "a"), ("b", "b"), ("a", "d")]
    scores = score_trials(pd.DataFrame(pairs, columns=["enroll", "test"]), table)
    for (enroll, test), score in zip(pairs, scores, strict=True):
        one, other = vectors["abcd".index(enroll)], vectors["abcd".index(test)]
        cosine = sum(one * other) / np.sqrt(sum(one**2) * sum(other**2))
        assert score == pytest.approx(cosine, abs=1e-6)


def test_a_clip_without_a_vector_is_named(saved):
    table = EmbeddingTable.load(saved(paths=np.array(["a", "b"]), embeddings=np.eye(2)))
    assert table.model == ""
    with pytest.raises(SpkidError, match=r"no vector for lost\.wav \(2 clips have none\)"):
        table.rows(pd.Series(["a", "lost.wav", "b", "gone.wav", "lost.wav"]))


@pytest.mark.parametrize(
    "arrays",
    [
        {"embeddings": np.eye(2)},
        {"paths": np.array(["a"]), "embeddings": np.eye(2)},
        {"paths": np.array(["a", "b"]), "embeddings": np.ones(2)},
        {"paths": np.array(["a", "a"]), "embeddings": np.eye(2)},
        {"paths": np.array(["a", "b"]), "embeddings": np.array([[1.0, 0], [0, 0]])},
        {"paths": np.array(["a", "b"]), "embeddings": np.array([[1.0, 0], [np.nan, 0]])},
        {"paths": np.array(["a", "b"]), "embeddings": np.array([[1.0, 0], [np.inf, 0]])},
        {"paths": np.array(["a", "b"]), "embeddings": np.array([["x", "y"], ["z", "w"]])},
        {"paths": np.array(["a", "b"], dtype=object), "embeddings": np.eye(2)},
        {"paths": ["a", "b"], "embeddings": np.eye(2), "speech_s": np.array([1.0, -1.0])},
        {"paths": ["a", "b"], "embeddings": np.eye(2), "speech_s": np.array([1.0])},
        {"paths": ["a", "b"], "embeddings": np.eye(2), "speech_s": np.array(["1", "2"])},
        {"paths": ["a", "b"], "embeddings": np.eye(2), "is_narrowband": np.array([1.0, 0.0])},
    ],
)
def test_an_unusable_table_is_refused(saved, arrays):
    with pytest.raises(SpkidError, match=r"vectors\.npz: not a usable table"):
        EmbeddingTable.load(saved(**arrays))


def test_a_file_of_another_kind_is_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.eye(2))
    (tmp_path / "text").write_text("not a table")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("array.npy", "text", "empty", "missing", "."):
        with pytest.raises(SpkidError, match=r"not a usable table|missing: no such file"):
            EmbeddingTable.load(tmp_path / name)


def test_a_damaged_table_is_refused(saved):
    path = saved(paths=np.array(["a", "b"]), embeddings=np.eye(2))
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(SpkidError):
        EmbeddingTable.load(path)


def test_a_table_cut_short_is_refused_and_closed(saved):
    path = saved(paths=np.array(["a", "b"]), embeddings=np.eye(2))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SpkidError):
        EmbeddingTable.load(path)
    gc.collect()  # an open handle would warn here


def test_scores_that_cannot_be_written_are_one_sentence(tmp_path):
    table = pd.DataFrame({"enroll": ["a"], "test": ["b"], "score": [0.5], "label": [True]})
    with pytest.raises(SpkidError, match="choose another place"):
        write_scores(tmp_path / "missing" / "scores.txt", table)


def test_a_quotation_mark_in_a_name_survives(tmp_path):
    table = pd.DataFrame({"enroll": ['a"b'], "test": ['"c'], "score": [0.5], "label": [True]})
    write_scores(tmp_path / "s.txt", table)
    assert rows(read_scores(tmp_path / "s.txt")) == rows(table)


def test_calibrated_trials_are_the_mean_of_both_directions(calibration):
    """Either clip may be the profile, of one clip, and the other the one that is heard.

    The shorter one says how long both are.
    """
    vectors = np.random.default_rng(0).normal(size=(4, 192)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row_of, speech_s = {name: row for row, name in enumerate("abcd")}, [1.0, 2.0, np.nan, 60.0]
    table = EmbeddingTable(row_of, vectors, calibration.model, np.array(speech_s))
    trials = pd.DataFrame({"enroll": list("aabd"), "test": list("bcdc")})
    found = calibrated_trials(trials, table, calibration)
    shorter = {(0, 1): 1.0, (0, 2): 1.0, (1, 3): 2.0, (3, 2): UNKNOWN_SPEECH_S}
    for ratio, ((one, other), seconds) in zip(found, shorter.items(), strict=True):
        there, back = (
            profile_llrs(vectors[a], vectors[b][None], [1], calibration, seconds)[0][0]
            for a, b in ((one, other), (other, one))
        )
        assert there != pytest.approx(back, abs=1e-3)
        assert ratio == pytest.approx((there + back) / 2)


def test_vectors_of_another_model_have_no_ratio(calibration):
    table = EmbeddingTable({"a": 0}, np.eye(192, dtype=np.float32)[:1], "m1")
    trials = pd.DataFrame({"enroll": ["a"], "test": ["a"]})
    with pytest.raises(ModelMismatch, match="vectors of model m1"):
        calibrated_trials(trials, table, calibration)


@pytest.mark.parametrize("speech_s", [[1.0], [1.0, -0.5], [1.0, np.inf], [[1.0, 2.0]]], ids=str)
def test_a_table_holds_seconds_of_each_clip(speech_s):
    vectors = np.eye(2, dtype=np.float32)
    with pytest.raises(BadTable, match="seconds of speech"):
        EmbeddingTable({"a": 0, "b": 1}, vectors, "m1", np.array(speech_s))


@pytest.mark.parametrize("is_narrowband", [[True], [0, 1], [[True, False]]], ids=str)
def test_a_table_says_of_each_clip_whether_it_came_by_telephone(is_narrowband):
    vectors = np.eye(2, dtype=np.float32)
    with pytest.raises(BadTable, match="bandwidths"):
        EmbeddingTable({"a": 0, "b": 1}, vectors, "m1", None, np.array(is_narrowband))


def test_what_is_not_known_of_a_clip_counts_as_usual():
    vectors, rows = np.eye(2, dtype=np.float32), np.array([1, 0, 1])
    row_of = {"a": 0, "b": 1}
    told = EmbeddingTable(row_of, vectors, "m1", np.array([0.0, np.nan]), np.array([True, False]))
    assert told.seconds(rows, unknown=7.0).tolist() == [7.0, 0.0, 7.0]
    assert told.by_telephone(rows).tolist() == [False, True, False]
    untold = EmbeddingTable(row_of, vectors, "m1")
    assert untold.seconds(rows, unknown=7.0).tolist() == [7.0, 7.0, 7.0]
    assert untold.by_telephone(rows).tolist() == [False, False, False]


@pytest.mark.parametrize("broken", [np.nan, np.inf, 0.0, 2.0])
def test_a_table_holds_unit_vectors_only(broken):
    vectors = np.eye(3, dtype=np.float32)
    vectors[1, 1] = broken
    with pytest.raises(BadTable, match="unit length"):
        EmbeddingTable({"a": 0, "b": 1, "c": 2}, vectors, "m1")
    table = EmbeddingTable({"a": 0}, np.full((1, 4), 0.5), "m1")
    assert "0.5" not in repr(table)


def test_all_pairs_are_each_pair_once():
    vectors, speakers = np.random.default_rng(2).normal(size=(7, 5)), list("abacbac")
    expected = {True: [], False: []}
    for one in range(7):
        for other in range(one):
            cosine = sum(vectors[one] * vectors[other])
            expected[speakers[one] == speakers[other]].append(cosine)
    target, impostor = all_pairs(vectors, speakers)
    assert sorted(target) == pytest.approx(sorted(expected[True]))
    assert sorted(impostor) == pytest.approx(sorted(expected[False]))
