"""The files of a saved search index: telling ours from others', and taking ours away."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE_NAME = "profiles.index"
UNFINISHED = ".part"
SEALED = b"spkid search index 2, sealed\n"
# as it was until schema 2: anybody who can read the file can read the vectors
PLAIN = re.compile(rb'[0-9a-f]{64}\n\{"format": 1, "generation": \{')


@dataclass(frozen=True)
class IndexFiles:
    """Files that could not be removed: of which nobody can read the vectors, and which may be read.

    A folder stands for its files where this user cannot look into it.
    """

    sealed: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()


def place_in(folder: Path) -> Path:
    """Where the index lies that is saved in ``folder``, whatever links lead there."""
    return Path(os.path.realpath(folder / FILE_NAME))


def kind_of(path: Path) -> Literal["sealed", "plain", "other"] | None:
    """What stands at ``path``: an index, as it is or was saved, something else, or nothing.

    May raise ``OSError`` where this user cannot look.
    """
    if not path.is_file():
        return "other" if path.exists() else None
    with path.open("rb") as file:
        start = file.read(256)
    if start.startswith(SEALED):
        return "sealed"
    return "plain" if PLAIN.match(start) else "other"


def remove_indexes(*folders: Path, sealed_too: bool) -> IndexFiles:
    """Take away what older versions saved, and with ``sealed_too`` what this one did.

    Nothing else is touched, the folders least of all.
    """
    sealed: list[Path] = []
    readable: list[Path] = []
    for folder in folders:
        try:
            found = [place_in(folder), *unfinished_in(folder)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            readable.append(folder)
            continue
        for path in found:
            kind = None
            try:
                kind = kind_of(path)
                if kind == "plain" or (kind == "sealed" and sealed_too):
                    path.unlink(missing_ok=True)
            except OSError:
                (sealed if kind == "sealed" else readable).append(path)
    return IndexFiles(tuple(sealed), tuple(readable))


def unfinished_in(folder: Path) -> list[Path]:
    """Files in ``folder`` that a save may have begun; a link is none of them."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix == UNFINISHED and not path.is_symlink()
    ]
