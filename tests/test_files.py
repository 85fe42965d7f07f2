import pytest

from spkid.files import write_text, written_beside


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with written_beside(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_after_a_failure_the_old_file_stands_alone(tmp_path, failure):
    path = tmp_path / "notes.txt"
    write_text(path, "älter")

    def fail():
        with written_beside(path) as beside:
            beside.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert path.read_text(encoding="utf-8") == "älter"
    assert list(tmp_path.iterdir()) == [path]
