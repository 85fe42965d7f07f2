"""A pipe or ``/dev/zero`` as key, table, model or settings hung or filled memory: refused at once.

Held for all that is read and is no sound; sizes are limited while reading.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from enrollment.store.vault import Vault
from spkid import Calibration, Model, files
from spkid.audit.inputs import described, scored
from spkid.data.decision_log import read_decisions
from spkid.data.manifest import read_manifest
from spkid.data.score_files import read_scores
from spkid.data.sources import read_source
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.mitigation.worst_cohort import WorstCohort
from spkid.training.checkpoint import load_encoder
from spkid.training.recipe import read_recipe

READERS = {
    "key": Vault.load,
    "calibration": Calibration.load,
    "model": lambda path: Model.load(path),
    "its calibration": lambda path: Model.load(calibration=path),
    "manifest": read_manifest,
    "metadata": described,
    "scores": read_scores,
    "scores to audit": lambda path: scored(path, None),
    "trials": read_trials,
    "log": read_decisions,
    "vectors": EmbeddingTable.load,
    "checkpoint": load_encoder,
    "settings": read_recipe,
}


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A pipe without a writer, a device, a folder and a socket."""
    folder = tmp_path_factory.mktemp("endless")
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(folder)  # the address of a socket is short
        listening.bind("socket")
        os.chdir(before)
        yield folder


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder", "socket"])
@pytest.mark.parametrize("what", READERS)
def test_what_never_ends_is_refused_at_once(endless, what, kind):
    with pytest.raises(SpkidError) as caught:
        READERS[what](endless / kind)
    if kind != "socket":
        assert "not a regular file" in str(caught.value)


def test_a_pipe_inside_a_folder_of_data_is_refused(tmp_path):
    os.mkfifo(tmp_path / "wav.scp")
    with pytest.raises(SpkidError, match="not a regular file"):
        read_source(tmp_path)
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(SpkidError, match="not a regular file"):
        read_source(tmp_path)
    os.mkfifo(tmp_path / "audit.json")
    with pytest.raises(SpkidError, match=r"no audit\.json that can be read"):
        WorstCohort.read(tmp_path)


def test_more_than_the_limit_is_refused_before_it_is_read(tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(files.LARGEST_TABLE + 1)  # takes no room
    for what in READERS:
        with pytest.raises(SpkidError) as caught:
            READERS[what](large)
        assert "larger than" in str(caught.value), what


def test_on_the_command_line_it_is_one_sentence_and_no_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = subprocess.run(
        [sys.executable, "-m", "spkid", "evaluate", tmp_path / "pipe"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "pipe: cannot be read (not a regular file)" in found.stderr
