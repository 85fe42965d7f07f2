"""Runs over a manifest that stop, go on, meet bad files and other models' vectors."""

from __future__ import annotations

import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from spkid.encoder import batch as embedding_run
from spkid.encoder.batch import EmbeddingRun, HeardFile, embed_manifest, in_threads
from spkid.encoder.hearing import hear
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import SpkidError

PATHS = [f"speaker{number % 3}/clip{number}.wav" for number in range(8)]


class CountingEncoder:
    """Makes a vector of its own for each path without reading it; 'bad' paths are refused."""

    dim = 4

    def __init__(self, fingerprint="m1"):
        self.fingerprint = fingerprint
        self.asked: list[str] = []

    def vector(self, path):
        vector = np.random.default_rng(zlib.crc32(Path(path).name.encode())).normal(size=self.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def hear(self, path):
        self.asked.append(path.name)
        if "bad" in path.name:
            raise SpkidError(f"{path}: no good", expected="sound", do="leave it out")
        return HeardFile(self.vector(path), *said_of(path))


def said_of(path):
    """Seconds, and whether it came by telephone."""
    number = zlib.crc32(Path(path).name.encode())
    return number % 7 / 2, bool(number % 2)


def said_in(table, path):
    row = table.row_of[path]
    return table.speech_s[row], table.is_narrowband[row]


@pytest.fixture(autouse=True)
def files_that_need_not_be_there(monkeypatch):
    def hear_file(path, encoder):
        return encoder.hear(path) if isinstance(encoder, CountingEncoder) else read(path, encoder)

    read = embedding_run.hear_file
    monkeypatch.setattr(embedding_run, "hear_file", hear_file)


def names(paths):
    return sorted(Path(path).name for path in paths)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "vectors.npz"


def test_every_path_gets_its_vector(out, tmp_path):
    encoder, heard = CountingEncoder(), []
    result = embed_manifest(PATHS, tmp_path, out, encoder, advance=heard.append)
    assert result == EmbeddingRun(n_embedded=8, n_resumed=0, skipped=())
    assert sum(heard) == 8
    table = EmbeddingTable.load(out)
    assert list(table.row_of) == PATHS
    assert table.model == "m1"
    for path, row in table.row_of.items():
        np.testing.assert_allclose(table.vectors[row], encoder.vector(path), atol=1e-6)
        assert said_in(table, path) == said_of(path)
    assert [file.name for file in tmp_path.iterdir()] == ["vectors.npz"]


def test_a_second_run_embeds_nothing(out, tmp_path):
    embed_manifest(PATHS, tmp_path, out, CountingEncoder())
    before = out.read_bytes()
    encoder, heard = CountingEncoder(), []
    result = embed_manifest(PATHS, tmp_path, out, encoder, advance=heard.append)
    assert result == EmbeddingRun(n_embedded=0, n_resumed=8, skipped=())
    assert encoder.asked == []
    assert sum(heard) == 8
    assert out.read_bytes() == before


def test_a_longer_list_embeds_what_is_new(out, tmp_path):
    embed_manifest(PATHS[:5], tmp_path, out, CountingEncoder())
    encoder = CountingEncoder()
    result = embed_manifest(PATHS[3:], tmp_path, out, encoder)
    assert result == EmbeddingRun(n_embedded=3, n_resumed=2, skipped=())
    assert sorted(encoder.asked) == names(PATHS[5:])
    assert sorted(EmbeddingTable.load(out).row_of) == sorted(PATHS)


def test_a_stopped_run_keeps_the_finished_part(out, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_run, "PART_CLIPS", 3)
    done = []

    def stop_at_the_fifth(n_clips):
        done.append(n_clips)
        if sum(done) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_manifest(PATHS, tmp_path, out, CountingEncoder(), advance=stop_at_the_fifth)
    assert list(EmbeddingTable.load(out).row_of) == PATHS[:3]
    encoder = CountingEncoder()
    result = embed_manifest(PATHS, tmp_path, out, encoder)
    assert result == EmbeddingRun(n_embedded=5, n_resumed=3, skipped=())
    assert sorted(encoder.asked) == names(PATHS[3:])
    table = EmbeddingTable.load(out)
    assert list(table.row_of) == PATHS
    for path, row in table.row_of.items():
        np.testing.assert_allclose(table.vectors[row], encoder.vector(path), atol=1e-6)
        assert said_in(table, path) == said_of(path)


def test_what_an_earlier_release_embedded_is_kept_as_it_is(out, tmp_path):
    encoder = CountingEncoder()
    vectors = np.stack([encoder.vector(path) for path in PATHS[:2]])
    np.savez(out, paths=PATHS[:2], embeddings=vectors, model=encoder.fingerprint)
    result = embed_manifest(PATHS[:3], tmp_path, out, encoder)
    assert result == EmbeddingRun(n_embedded=1, n_resumed=2, skipped=())
    table = EmbeddingTable.load(out)
    seconds, is_narrowband = said_of(PATHS[2])
    np.testing.assert_array_equal(table.speech_s, [np.nan, np.nan, seconds])
    np.testing.assert_array_equal(table.is_narrowband, [False, False, is_narrowband])


@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_clips_are_embedded_at_once(out, tmp_path, jobs):
    class Meeting(CountingEncoder):
        def __init__(self):
            super().__init__()
            self.barrier, self.n_inside, self.most = threading.Barrier(jobs, timeout=60), 0, 0
            self.lock = threading.Lock()

        def hear(self, path):
            with self.lock:
                self.n_inside += 1
                self.most = max(self.most, self.n_inside)
            self.barrier.wait()  # BrokenBarrierError where fewer come than there are jobs
            with self.lock:
                self.n_inside -= 1
            return super().hear(path)

    encoder = Meeting()
    embed_manifest(PATHS[:6], tmp_path, out, encoder, embed_files=in_threads(encoder, jobs))
    assert encoder.most == jobs
    assert list(EmbeddingTable.load(out).row_of) == PATHS[:6]


def test_a_stopped_run_leaves_the_rest_alone(out, tmp_path):
    class Slow(CountingEncoder):
        def hear(self, path):
            time.sleep(0.02)
            return super().hear(path)

    before = set(threading.enumerate())

    def stop(n_clips):
        if n_clips:  # not at what was there before
            raise KeyboardInterrupt

    paths, encoder = [f"{number}.wav" for number in range(2_000)], Slow()
    with pytest.raises(KeyboardInterrupt) as stopped:
        embed_manifest(paths, tmp_path, out, encoder, advance=stop)
    assert stopped.tb is not None  # whoever looks at the error holds what was under way
    assert set(threading.enumerate()) <= before  # nobody goes on with them
    assert len(encoder.asked) < len(paths)


def test_a_bad_file_is_skipped_and_reported_and_tried_again(out, tmp_path):
    paths = [*PATHS[:2], "bad1.wav", PATHS[2], "bad2.wav"]
    lines, heard = [], []
    result = embed_manifest(
        paths, tmp_path, out, CountingEncoder(), advance=heard.append, report=lines.append
    )
    assert result == EmbeddingRun(n_embedded=3, n_resumed=0, skipped=("bad1.wav", "bad2.wav"))
    assert sum(heard) == 5
    assert [line.startswith("skipped: ") for line in lines] == [True, True]
    assert "bad1.wav: no good" in lines[0]
    assert list(EmbeddingTable.load(out).row_of) == PATHS[:3]
    encoder = CountingEncoder()
    result = embed_manifest(paths, tmp_path, out, encoder)
    assert result == EmbeddingRun(n_embedded=0, n_resumed=3, skipped=("bad1.wav", "bad2.wav"))
    assert sorted(encoder.asked) == ["bad1.wav", "bad2.wav"]


def test_a_run_of_bad_files_only_leaves_an_empty_table(out, tmp_path):
    for _ in range(2):
        result = embed_manifest(["bad.wav"], tmp_path, out, CountingEncoder())
        assert result == EmbeddingRun(n_embedded=0, n_resumed=0, skipped=("bad.wav",))
        assert EmbeddingTable.load(out).vectors.shape == (0, 4)


@pytest.mark.parametrize("model", ["m2", ""])
def test_vectors_of_another_model_are_refused_and_left(out, tmp_path, model):
    save_embeddings(out, {"a": np.ones(4, np.float32)}, model=model, dim=4)
    before = out.read_bytes()
    encoder = CountingEncoder()
    with pytest.raises(SpkidError, match=f"vectors of model {model or '.unknown.'}"):
        embed_manifest(["a", "b"], tmp_path, out, encoder)
    assert encoder.asked == []
    assert out.read_bytes() == before


def test_a_file_that_is_no_table_is_refused_and_left(out, tmp_path):
    out.write_text("something else")
    with pytest.raises(SpkidError, match="not a usable table"):
        embed_manifest(PATHS, tmp_path, out, CountingEncoder())
    assert out.read_text() == "something else"


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    for out in (tmp_path / "missing" / "vectors.npz", Path("/proc/vectors.npz")):
        with pytest.raises(SpkidError, match="a file to write to"):
            embed_manifest(PATHS[:1], tmp_path, out, CountingEncoder())


def test_real_clips(out, clips, encoder):
    by_size = sorted(clips.values(), key=lambda path: path.stat().st_size)
    paths, root = [path.name for path in by_size[:2]], by_size[0].parent
    lines = []
    result = embed_manifest([*paths, "lost.opus"], root, out, encoder, report=lines.append)
    assert (result.n_embedded, result.skipped) == (2, ("lost.opus",))
    assert "lost.opus: no such file" in lines[0]
    table = EmbeddingTable.load(out)
    assert table.model == encoder.fingerprint
    for path in paths:
        row, heard = table.row_of[path], hear(root / path, encoder)
        np.testing.assert_allclose(table.vectors[row], encoder.embed_file(root / path), atol=1e-6)
        assert table.speech_s[row] == heard.quality.speech_s
        assert table.is_narrowband[row] == heard.quality.is_narrowband
