"""What an audit is given: missing files and tables that lost something on the way."""

from __future__ import annotations

import pandas as pd
import pytest

import spkid
from spkid.data.manifest import read_manifest
from spkid.errors import BadTable

SCORES, PEOPLE = "docs/examples/scores.txt", "docs/examples/speakers.csv"


def test_names_that_lost_their_zeros_are_refused_not_left_out(tmp_path):
    with pytest.raises(BadTable, match=r"speaker '0\d+' .* in the metadata as '\d+'.*dtype=str"):
        spkid.audit(SCORES, pd.read_csv(PEOPLE), by="gender")
    whole = spkid.audit(SCORES, pd.read_csv(PEOPLE, dtype=str), by="gender", n_resamples=20)
    assert whole.groups("gender")["n_speakers"].tolist() == [24, 24]


def test_a_missing_file_is_said_without_the_system_s_words():
    with pytest.raises(BadTable, match=r"nowhere.txt: cannot be read \(no such file\)"):
        spkid.read_scores("nowhere.txt")
    with pytest.raises(BadTable, match=r"nowhere.csv: .*\(no such file\).* with the column path;"):
        read_manifest("nowhere.csv")
    with pytest.raises(BadTable, match="with the columns path, speaker;"):
        read_manifest("nowhere.csv", required=("path", "speaker"))
