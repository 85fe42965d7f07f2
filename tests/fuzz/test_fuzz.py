"""Files that were changed at random, and files that once broke something, are refused plainly.

The long run is `make fuzz`; what it finds goes into `corpus/TARGET/`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzzing.targets import TARGETS, run, seeds

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.fixture(scope="module")
def begin():
    pytest.importorskip("onnx")
    return seeds()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("target", TARGETS)
def test_whole_files_are_taken(target, begin, folder):
    for content in begin[target]:
        assert run(target, folder, content)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_something(path, folder):
    run(path.parent.name, folder, path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
# the seeds hold keys and times of now, so an example of another run says nothing
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_files_are_taken_or_refused_plainly(target, begin, folder, data):
    content = bytearray(data.draw(st.sampled_from(begin[target])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        length = data.draw(st.integers(0, 40))
        content[place : place + length] = data.draw(st.binary(max_size=40))
    run(target, folder, bytes(content))
