"""Two processes of a Ray cluster give what threads give; a cluster that is not there is said."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from spkid.encoder.hearing import hear
from spkid.encoder.on_ray import Embedder


@pytest.fixture
def manifest(cast, tmp_path):
    """Three clips and one that is none."""
    (tmp_path / "bad.opus").write_text("no sound")
    paths = [*cast["Ana"]["enroll"], tmp_path / "bad.opus"]
    listed = tmp_path / "clips.csv"
    listed.write_text("\n".join(["path", *map(str, paths)]) + "\n")
    return listed


def embed(manifest, *words):
    """What the command says on standard error, in a process of its own as Ray's warnings are."""
    place = ("--root", "/", "--model", "small")
    with tempfile.TemporaryDirectory(prefix="ray-") as short:  # a socket's path may not be long
        done = subprocess.run(
            [sys.executable, "-m", "spkid", "embed", manifest, *place, *words],
            capture_output=True,
            text=True,
            env={**os.environ, "RAY_TMPDIR": short},
            check=False,
        )
    return done.returncode, done.stderr


def test_a_cluster_gives_the_same_file_and_goes_on_where_it_was(manifest, tmp_path):
    for name in ("threads.npz", "ray.npz"):
        first = tmp_path / "first.csv"
        first.write_text("\n".join(manifest.read_text().splitlines()[:2]) + "\n")
        assert embed(first, "--out", tmp_path / name)[0] == 0
    assert embed(manifest, "--out", tmp_path / "threads.npz")[0] == 0
    ray = ("--ray", "local", "--jobs", 2)
    code, said = embed(manifest, "--out", tmp_path / "ray.npz", *map(str, ray))
    assert code == 0
    assert "skipped: " in said
    assert "bad.opus: not audio" in said
    assert "2 embedded, 1 already there, 1 skipped" in said
    assert "INFO" not in said
    assert (tmp_path / "ray.npz").read_bytes() == (tmp_path / "threads.npz").read_bytes()


def test_a_cluster_that_is_not_there_is_said(manifest, tmp_path):
    code, said = embed(manifest, "--out", tmp_path / "none.npz", "--ray", "auto")
    assert code == 2
    assert "Ray at auto: " in said
    assert not (tmp_path / "none.npz").exists()


def test_a_clip_without_a_vector_has_its_error_in_place(encoder, clips, tmp_path):
    (tmp_path / "bad.opus").write_text("no sound")
    good = next(iter(clips.values()))
    batch = {"place": np.array([str(tmp_path / "bad.opus"), str(good)], dtype=object)}
    error, heard = Embedder(encoder)(batch)["found"]
    assert error.code == "unreadable"
    np.testing.assert_array_equal(heard.vector, encoder.embed_file(good))
    assert heard.speech_s == hear(good, encoder).quality.speech_s
