import os
import stat

import pytest

from spkid.errors import SpkidError
from spkid.files import check_output, open_regular, to_json, whole_file, write_text, write_texts


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_stands_alone(tmp_path, failure):
    path = tmp_path / "notes.txt"
    write_text(path, "älter")

    def fail():
        with whole_file(path) as file:
            file.write(b"half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert path.read_text(encoding="utf-8") == "älter"
    assert list(tmp_path.iterdir()) == [path]


def test_rights_are_those_of_new_files_or_of_the_file_before(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
        with whole_file(tmp_path / "private", private=True):
            pass
        (tmp_path / "own").touch(0o600)
        write_text(tmp_path / "own", "")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600, "own": 0o600}


def test_of_several_files_none_is_replaced_where_one_cannot_be(tmp_path):
    write_texts(tmp_path, {"a": "old", "b": "old"})
    (tmp_path / "c").mkdir()
    with pytest.raises(SpkidError, match="c: a folder or a device"):
        write_texts(tmp_path, {"a": "new", "b": "new", "c": "new"})
    assert [(tmp_path / name).read_text() for name in "ab"] == ["old", "old"]
    assert {path.name for path in tmp_path.iterdir()} == set("abc")


def test_a_file_that_grows_beyond_its_limit_is_refused_while_it_is_read(tmp_path):
    path = tmp_path / "growing"
    path.write_bytes(b"12345678")
    with open_regular(path, at_most=8) as file:
        assert file.read() == b"12345678"
        file.seek(2)
        assert file.read(3) == b"345"
    with open_regular(path, at_most=8) as file:
        path.write_bytes(b"123456789")
        with pytest.raises(OSError, match="larger than 8 bytes"):
            file.read()
    with pytest.raises(OSError, match="larger than 8 bytes"):
        open_regular(path, at_most=8)


def test_an_output_inside_a_folder_that_is_read_is_refused(tmp_path):
    (tmp_path / "index").mkdir()
    check_output(tmp_path / "out", tmp_path / "index", None)
    with pytest.raises(SpkidError, match="is read by this very command"):
        check_output(tmp_path / "index" / "out", tmp_path / "index")


def test_json_keeps_every_character_and_shows_none_that_hides():
    text = to_json({"clip": "a\x1b[31m\u202eé\udcff\x9b\U000e0041", "n": [1, float("nan")]})
    assert text.isascii() is False
    assert text == (
        '{\n  "clip": "a\\u001b[31m\\u202eé\\udcff\\u009b\\udb40\\udc41",\n'
        '  "n": [\n    1,\n    null\n  ]\n}'
    )
