"""Files that are either whole or not there: written beside and renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end.

    If anything fails, what was written is removed and ``path`` is as before.
    """
    beside = path.with_name(path.name + ".part")
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")
