"""Where a result comes from stands at its head: date, versions, data by content, command."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pandas as pd

from spkid import __version__
from spkid.audit.origin import origin_of


def test_files_are_named_by_content_and_tables_by_size(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"a b 1 1\n")
    table = pd.DataFrame({"speaker": ["a", "b"]})
    sources = {"scores": tmp_path / "x.txt", "metadata": table, "trials": None}
    before = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None)
    origin = origin_of("audit", sources, {"by": ["g"], "columns": None, "tree": (), "share": 0.1})
    assert origin.versions["spkid"] == __version__
    assert datetime.strptime(origin.made_at, "%Y-%m-%d %H:%M UTC") >= before
    scores, metadata = origin.sources
    assert (scores.role, scores.name) == ("scores", "x.txt")
    assert scores.sha256 == hashlib.sha256(b"a b 1 1\n").hexdigest()
    assert (metadata.name, metadata.sha256) == ("in memory", "")
    assert (
        origin.command == f"spkid.audit({str(tmp_path / 'x.txt')!r}, <2 rows>, by=['g'], share=0.1)"
    )
    facts = dict(origin.facts())
    assert list(facts) == ["made", "with", "scores", "metadata", "command"]
    assert facts["scores"] == f"x.txt (sha256 {scores.sha256[:16]}…)"
