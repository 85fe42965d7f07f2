"""Manifests: strings only, and every unusable file refused with its name."""

from __future__ import annotations

import csv

import pytest

from spkid.data.manifest import read_manifest
from spkid.errors import SpkidError


@pytest.fixture
def written(tmp_path):
    """Writes bytes or text to ``manifest.csv`` and returns the path."""

    def write(content: str | bytes):
        path = tmp_path / "manifest.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_cells_are_the_strings_that_a_plain_reader_sees(written):
    text = (
        "path,speaker,age,split,clip\n"
        "a.wav,007,NA,train,01\n"
        '"b, c.wav",,1e3,,02\n'
        "d.wav,null,03,test,03\n"
    )
    path = written(text)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = read_manifest(path, required=("path", "speaker"))
    assert table.to_dict("records") == rows
    assert table["speaker"].tolist() == ["007", "", "null"]


def test_short_row_has_empty_strings(written):
    table = read_manifest(written("path,speaker,split\na.wav,ann\nb.wav,bob,test\n"))
    assert table["split"].tolist() == ["", "test"]


def test_byte_order_mark_is_not_part_of_the_first_column(written):
    assert read_manifest(written(b"\xef\xbb\xbfpath\nz\xc3\xbcrich.wav\n")).path[0] == "zürich.wav"


def test_comma_at_the_end_of_each_row_does_not_shift_the_columns(written):
    path = written("path,speaker\na.wav,ann,\nb.wav,bob,\n")
    try:
        table = read_manifest(path)
    except SpkidError:
        return  # refusing is as good as reading it right
    assert table["path"].tolist() == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("path,speaker\na.wav,ann\n", "no column split"),
        ("file\na.wav\n", "no column path, speaker, split"),
        ("path,speaker,split\n", "no rows"),
        ("path,speaker,split\n\n\n", "no rows"),
        ("", "cannot be read as CSV"),
        ("path,speaker,split\na,b,c,d\ne\nf,g,h,i,j\n", "cannot be read as CSV"),
        ('path,speaker,split\na,"b,c\n', "cannot be read as CSV"),
        (b"path,speaker,split\n\xff\xfe,a,b\n", "cannot be read as CSV"),
    ],
)
def test_unusable_file_is_refused_by_name(written, content, fragment):
    path = written(content)
    with pytest.raises(SpkidError) as caught:
        read_manifest(path, required=("path", "speaker", "split"))
    assert caught.value.got.startswith(f"{path}: {fragment}")
    assert "\n" not in str(caught.value)
    assert "path, speaker, split" in caught.value.expected


def test_the_refusal_lists_the_columns_that_are_there(written):
    path = written("clip,age,name\na.wav,7,ann\n")
    with pytest.raises(SpkidError, match="one row; there are clip, age, name"):
        read_manifest(path)
    columns = [f"c{number}" for number in range(40)]
    with pytest.raises(SpkidError, match=r"there are c0, c1, c2, c3.* c28, c29 and 10 more"):
        read_manifest(written(",".join(columns) + "\n" + "," * 39))


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(SpkidError, match="cannot be read as CSV"):
            read_manifest(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_read(tmp_path, separator, encoding):
    rows = [["path", "speaker", "note"], ["a.wav", "Zo\u00eb", "1"], ["b.wav", "\u0430", ""]]
    path = tmp_path / "written.csv"
    path.write_text("\r\n".join(map(separator.join, rows)), encoding=encoding)
    table = read_manifest(path, required=("path", "speaker"))
    assert [list(table.columns), *table.to_numpy().tolist()] == rows
