"""Cells went into CSV as formulas and control characters to the terminal; now neither does.

Held for every CSV, table, page and plot; numbers stay numbers, and our own readers give back the
cells as they were.
"""

from __future__ import annotations

import ast
import csv
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrollment.export import export_member
from spkid.audit import face
from spkid.data.cells import FORMULA, to_csv
from spkid.data.manifest import read_manifest
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.shown import JOINERS, visible

ROOT = Path(__file__).parents[2]
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "'=1+1", "''@x", '=HYPERLINK("http://x")']
HARMLESS = ["a=b", "-5", "+1.5e3", "'quoted", "é", "1"]
HIDING = "\x1b[31m\u202ered\x9b\x07"


@settings(deadline=None)  # a machine with other work to do is no fault
@given(st.lists(st.one_of(st.text("=+-@\t'a1", min_size=1), st.sampled_from(FORMULAS)), min_size=1))
def test_cells_are_no_formulas_and_are_read_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("cells") / "cells.csv"
    path.write_text(to_csv(pd.DataFrame({"path": cells, "=head": cells})), encoding="utf-8")
    with path.open(newline="", encoding="utf-8") as file:
        written = [cell for row in csv.reader(file) for cell in row]
    for cell in written:
        assert not cell.startswith(("=", "@", "\t")), cell
        if cell[:1] in {"+", "-"}:
            float(cell)
    read = read_manifest(path)
    assert list(read.columns) == ["path", "=head"]
    assert list(read["path"]) == list(read["=head"]) == cells


def test_numbers_stay_numbers():
    table = pd.DataFrame({"change": [-0.5, 1e-9], "n": [-1, 2], "text": ["-5", "a=b"]})
    assert to_csv(table) == "change,n,text\n-0.5,-1,-5\n1e-09,2,a=b\n"


def planted(groups):
    """Scores of 48 speakers in two groups, one of which is much worse off."""
    rng = np.random.default_rng(0)
    names = [f"{FORMULAS[at % 4]}{at}" for at in range(48)]
    people = pd.DataFrame({"speaker": names, "=group": [groups[at % 2] for at in range(48)]})
    rows = [
        (one, other, rng.normal((4, 1)[at % 2] if one == other else 0), one == other)
        for at, one in enumerate(names)
        for other in names
    ]
    return pd.DataFrame(rows, columns=["enroll", "test", "score", "label"]), people


def test_an_audit_has_no_formulas_and_is_read_back(tmp_path):
    scores, people = planted(("@north", "-south"))
    result = face.audit(scores, people, by="=group", n_resamples=20)
    result.save(tmp_path)
    tables = sorted(tmp_path.glob("*.csv"))
    assert len(tables) >= 6
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not cell.startswith(("=", "@", "\t", "\r")), (path.name, cell)
                    assert cell[:1] not in {"+", "-"} or float(cell) is not None
    worst = WorstCohort.read(tmp_path)
    assert worst.speakers == frozenset(result.findings.worst.speakers)
    assert any(FORMULA.match(name) for name in worst.speakers)


def test_an_archive_has_no_formulas(store, spkid, cast, tmp_path):
    words = ("--household", "home", "--member", "Ana", "--device", "=1+1")
    assert spkid("enroll", *cast["Ana"]["enroll"], *words, "--consent")[0] == 0
    export_member(store, "home", "Ana", tmp_path / "ana.zip")
    with zipfile.ZipFile(tmp_path / "ana.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("clips.csv").decode())))
    assert {row["device"] for row in rows} == {"'=1+1"}


def hides(text: str) -> bool:
    return any(letter in text for letter in "\x1b\u202e\x9b\x07")


def test_pages_plots_and_tables_show_what_would_hide(tmp_path, capsys):
    scores, people = planted((f"north{HIDING}", "south"))
    result = face.audit(scores, people, by="=group", n_resamples=20)
    page = result.save(tmp_path).read_text(encoding="utf-8")
    assert not hides(page)
    assert page.count(r"\x1b[31m\u202ered\x9b\x07") > 2
    assert r"\x1b[31m" in page[page.index("<svg") : page.rindex("</svg>")]
    assert not hides((tmp_path / "audit.json").read_text(encoding="utf-8"))


def test_the_command_line_shows_what_would_hide(spkid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores, people = planted((f"north{HIDING}", "south"))
    name = f"scores{HIDING}.csv"
    scores.assign(label=scores["label"].astype(int)).to_csv(name, index=False)
    people.to_csv("people.csv", index=False)
    words = ("audit", name, "--metadata", "people.csv", "--by", "=group", "--out", f"o{HIDING}")
    code, out, err = spkid(*words)
    assert code == 0, err
    assert r"\x1b[31m" in out
    assert not hides(out + err)
    gone = f"gone{HIDING}\nspkid: done"
    for words in (("evaluate", gone), ("identify", gone), ("evaluate", name, gone), (gone,)):
        code, out, err = spkid(*words)
        assert code == 2
        assert not hides(out + err)
        assert not any(line.startswith("spkid: done") for line in err.splitlines())
    code, out, err = spkid("evaluate", gone, "--json")
    assert not hides(out + err)


def test_names_are_spelt_as_ever():
    for name in ("José", "Zoë\u0308", "علی\u200cرضا", "👩\u200d🚀", "a\u00a0b", *JOINERS):
        assert visible(name) == name
    assert visible(os.fsdecode(b"\xff.wav")) == r"\xff.wav"
    assert visible("a\nb\u2028c") == r"a\nb\u2028c"


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_there_is_one_way_out_to_the_terminal_and_one_into_csv():
    own = [path for folder in ("spkid", "enrollment") for path in (ROOT / folder).rglob("*.py")]
    for path in own:
        name = path.relative_to(ROOT).as_posix()
        used = calls(path)
        if name != "spkid/cli/output.py":
            printing = {"typer.confirm", "typer.prompt", "typer.secho", "Console", "print"}
            assert not used & printing, name
        if name not in {"spkid/cli/output.py", "spkid/cli/main.py"}:
            assert "typer.echo" not in used, name
        if name not in {"spkid/data/cells.py", "spkid/data/score_files.py"}:
            assert not any(call.endswith(".to_csv") for call in used), name
        if "csv.writer" in used:
            assert "protected" in used, name


@pytest.mark.parametrize("cell", HARMLESS)
def test_what_is_no_formula_is_written_as_it_is(cell):
    assert to_csv(pd.DataFrame({"a": [cell]})) == f"a\n{cell}\n"
