"""Field fault 21, held: score files as programs print them are read right, or refused by column.

Labels in other words, tensors, comments, semicolons, tabs, UTF-16 and other headers were refused,
or a wrong column was taken for the score.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import spkid
from spkid.audit.inputs import scored
from spkid.data.labels import label_of
from spkid.data.score_files import read_score_file
from spkid.data.trial_lists import read_trials
from spkid.errors import BadTable, SpkidError

ROWS = [("ann-1", "zoë 2", 1.5, True), ("ann-1", "bob-1", -0.25, False)]
PLAIN = "ann-1 ann-2 1.5 1\nann-1 bob-1 -0.25 0\n"


@pytest.fixture
def read(tmp_path):
    """``read(text)`` -> rows of a score file with that text."""

    def rows_of(text, encoding="utf-8", **options):
        path = tmp_path / "scores"
        path.write_bytes(text.encode(encoding))
        table = read_score_file(path, **options).table
        return list(table.itertuples(index=False, name=None))

    return rows_of


@pytest.mark.parametrize(
    ("same", "different"),
    [
        ("tgt", "imp"),
        ("Target", "NonTarget"),
        ("target", "non-target"),
        ("True", "False"),
        ("TRUE", "FALSE"),
        ("same", "different"),
        ("genuine", "impostor"),
    ],
)
def test_labels_in_any_usual_word(read, tmp_path, same, different):
    expected = read(PLAIN)
    assert read(f"ann-1 ann-2 1.5 {same}\nann-1 bob-1 -0.25 {different}\n") == expected
    assert read(f"{same} ann-1 ann-2 1.5\n{different} ann-1 bob-1 -0.25\n") == expected
    (tmp_path / "list").write_text(f"ann-1 ann-2 {same}\nann-1 bob-1 {different}\n")
    assert read_trials(tmp_path / "list")["label"].tolist() == [True, False]
    table = pd.DataFrame(expected, columns=["enroll", "test", "score", "label"])
    table["label"] = [same, different]
    assert scored(table, None)[0]["label"].tolist() == [True, False]
    assert label_of("maybe") is None


@pytest.mark.parametrize(
    "printed",
    [
        "tensor({})",
        "tensor([{}])",
        "tensor([[{}]])",
        "tensor([{}], device='cuda:0')",
        "tensor([[{}]], dtype=torch.float64, grad_fn=<SqueezeBackward0>)",
        "np.float32({})",
        "array([{}], dtype=float32)",
        "[{}]",
        "[[{}]]",
    ],
)
def test_a_score_is_the_one_number_in_what_was_printed(read, printed):
    one, other = printed.format("1.5"), printed.format("-0.25")
    assert read(f"ann-1 ann-2 {one} 1\nann-1 bob-1 {other} 0\n") == read(PLAIN)
    if "," not in printed:
        assert read(f"ann-1,ann-2,{one},1\nann-1,bob-1,{other},0\n") == read(PLAIN)


def test_two_numbers_in_a_tensor_are_no_score(read):
    with pytest.raises(SpkidError):
        read("ann-1 ann-2 tensor([1.5,2.5]) 1\nann-1 bob-1 tensor([-0.25,1]) 0\n")
    with pytest.raises(SpkidError, match=r"'tensor\(nan\)' as the score in line 2"):
        read("ann-1 ann-2 tensor(1.5) 1\nann-1 bob-1 tensor(nan) 0\n")


def test_names_keep_their_marks(read):
    text = "a#1[0].wav b(1).wav tensor(1.5) 1\na#1[0].wav c.wav tensor(0.5) 0\n"
    assert [row[:2] for row in read(text)] == [("a#1[0].wav", "b(1).wav"), ("a#1[0].wav", "c.wav")]


@pytest.mark.parametrize("separator", [";", "\t", ",", " , ", " \t "])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_any_separator_and_encoding(read, separator, header, encoding):
    lines = [separator.join(map(str, row)) for row in ROWS]
    names = [separator.join(("enroll", "test", "score", "label"))] if header else []
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    assert read(mark + "\r\n".join([*names, *lines, ""]), encoding) == ROWS


def test_a_comma_in_numbers_between_semicolons(read):
    assert read("ann-1;ann-2;1,5;1\nann-1;bob-1;-0,25;0\n") == read(PLAIN)
    with pytest.raises(BadTable, match="'x,5' as the score in line 3"):
        read("ann-1;ann-2;1,5;1\nann-1;bob-1;-0,25;0\nann-1;bob-1;x,5;0\n")


def test_comments_are_left_out_and_said(tmp_path):
    path = tmp_path / "scores"
    path.write_text(f"# made by x\n  # y\n{PLAIN}#end\nann-1 bob-2 high 0\n")
    with pytest.raises(BadTable, match="'high' as the score in line 6"):
        read_score_file(path)
    path.write_text(f"# made by x\n  # y\nenroll test score label\n{PLAIN}#end\n")
    file = read_score_file(path)
    assert len(file.table) == 2
    assert "without 3 lines that begin with '#'" in file.notes[0]


@pytest.mark.parametrize(
    "header",
    [
        "enrol,test,score,label",
        "Enrollment,Test,Score,Label",
        "enroll_id,test_id,LLR,targettype",
        "modelid,segmentid,llr,target",
        "utt1,utt2,similarity,is_target",
        " file_1 , file_2 ,cosine score,key".replace("cosine score", "cosine"),
    ],
)
def test_headers_in_their_usual_variants(read, header):
    names = header.split(",")
    body = "ann-1,ann-2,1.5,1\nann-1,bob-1,-0.25,0\n"
    assert read(header + "\n" + body) == read(PLAIN)
    # in another order, with a column between that nobody needs
    turned = ",".join([names[3], "duration", names[2], names[1], names[0]])
    assert read(f"{turned}\n1,2.5,1.5,ann-2,ann-1\n0,9.5,-0.25,bob-1,ann-1\n") == read(PLAIN)


@pytest.mark.parametrize(
    ("text", "lists"),
    [
        ("a,b,llr,cosine,label\nx,y,1.5,0.5,1\n", "'a', 'b', 'llr', 'cosine', 'label'"),
        ("enroll,test,llr,cosine,label\nx,y,1.5,0.5,1\n", "the score (llr, cosine)"),
        ("first speaker,second,s,label\nx,y,1.5,1\n", "'first speaker', 'second', 's', 'label'"),
        ("a b 0.5 1.5 1\nc d 0.25 2.5 0\n", "5 columns without names"),
        ("7 8 3 1\n7 9 2 0\n", "'enroll test score label' or 'score enroll test label'"),
        ("a b 1 1\na c 0 0\n", "'enroll test score label' or 'enroll test label score'"),
        ("1.5 b 2.5 1\n0.5 d 0.25 0\n", "may be"),
    ],
)
def test_what_may_be_read_two_ways_is_refused_with_its_columns(read, text, lists):
    with pytest.raises(BadTable, match=re.escape(lists)) as caught:
        read(text)
    assert "name the columns with columns=, as enroll=1,test=2,score=3,label=4" in caught.value.do
    assert "its first line has" in caught.value.got


def test_columns_may_be_named(read):
    expected = read(PLAIN)
    text = "label,llr,s,b,a\n1,9,1.5,ann-2,ann-1\n0,9,-0.25,bob-1,ann-1\n"
    assert read(text, columns={"enroll": "a", "test": "b", "score": "S"}) == expected
    bare = "9.5 ann-1 ann-2 1.5 1\n9.5 ann-1 bob-1 -0.25 0\n"
    places = {"enroll": 2, "test": "3", "score": 4, "label": 5}
    assert read(bare, columns=places) == expected
    assert read("7 8 3 1\n7 9 2 0\n", columns={"score": 3})[0] == ("7", "8", 3.0, True)
    with pytest.raises(BadTable, match=r"no column 'x'; its first line has 'label', 'llr'"):
        read(text, columns={"enroll": "x"})
    with pytest.raises(BadTable, match="asked for twice"):
        read(bare, columns=places | {"test": 2})
    with pytest.raises(SpkidError, match="columns=enrol;"):
        read(bare, columns={"enrol": 2})


def test_a_table_in_memory_may_name_its_columns_too():
    table = pd.DataFrame([("a", "b", 9.0, 0.5, "tgt")], columns=["m", "s", "score", "llr", "key"])
    found, _ = scored(table, None, {"enroll": "m", "test": "s", "score": "llr"})
    assert found.to_dict("records") == [{"enroll": "a", "test": "b", "score": 0.5, "label": True}]
    with pytest.raises(BadTable, match=r"without the column x; .*there are m, s, score, llr, key"):
        scored(table, None, {"enroll": "x"})


def test_the_command_line_takes_columns_and_says_how(spkid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["model;segment;llr;cosine;truth"]
    for speaker in range(24):
        for trial in range(6):
            own = rng.normal(3)
            lines.append(f"s{speaker};s{speaker};{own:.3f};{own / 9:.3f};tgt")
            other = rng.normal()
            lines.append(f"s{speaker};s{(speaker + trial + 1) % 24};{other:.3f};0;imp")
    (tmp_path / "scores.csv").write_text("\n".join(lines), encoding="utf-16")
    people = pd.DataFrame({"speaker": [f"s{each}" for each in range(24)]})
    people.assign(half=people.index % 2).to_csv(tmp_path / "people.csv", index=False)
    audit = ("audit", "scores.csv", "--metadata", "people.csv", "--by", "half", "--out", "out")
    code, _, err = spkid(*audit)
    assert code == 2
    assert "2 columns that may be the score (llr, cosine)" in err
    assert "name the columns with --columns, as enroll=1,test=2,score=3,label=4" in err
    code, out, err = spkid(*audit, "--columns", "score=llr", "--json")
    assert code == 0, err
    assert json.loads(out)["n_trials"] == 288
    code, out, err = spkid("evaluate", "scores.csv", "--columns", "score=llr", "--json")
    assert code == 0, err
    assert json.loads(out)["n_target"] == 144
    code, _, err = spkid("evaluate", "scores.csv", "--columns", "llr")
    assert code == 2
    assert "--columns 'llr'" in err


def test_the_public_reader_names_columns():
    path = "docs/examples/scores.txt"
    named = spkid.read_scores(path, columns={"enroll": 2, "test": 1, "score": 3, "label": 4})
    assert named["test"].tolist() == spkid.read_scores(path)["enroll"].tolist()
