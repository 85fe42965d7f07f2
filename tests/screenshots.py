"""The pictures of pages in the docs, from the example's scores.

    python tests/screenshots.py        # writes docs/images/

A phone of 390 pixels and a screen of 1,280: the top of each page, in few colours.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from browser import Browser
from PIL import Image

from spkid import read_scores
from spkid.audit import face
from spkid.printing import need_browser

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
EXAMPLES = ROOT / "docs" / "examples"
HEIGHTS = {390: 2000, 1280: 1700}
N_COLOURS = 32


def pages(folder: Path) -> list[Path]:
    """An audit and a comparison of the example's scores."""
    scores, people = EXAMPLES / "scores.txt", EXAMPLES / "speakers.csv"
    command = "spkid audit scores.txt --metadata speakers.csv --by gender,age_group --out audit"
    audit = face.audit(scores, people, by=["gender", "age_group"]).made_by(command)
    table = read_scores(scores)
    noise = np.random.default_rng(0).normal(size=len(table))
    other = face.compare(
        table.assign(score=table["score"] + noise),
        table,
        people,
        by="gender",
        names=("other.txt", "scores.txt"),
    )
    command = command.replace("audit s", "audit --compare other.txt s").replace(",age_group", "")
    return [audit.save(folder), other.made_by(command).save(folder)]


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        found = pages(Path(place))
        with Browser(need_browser(), Path(place) / "profile") as browser:
            for page in found:
                for width, height in HEIGHTS.items():
                    browser.open(page, width=width)
                    pixels = Image.open(io.BytesIO(browser.picture(width, height)))
                    path = IMAGES / f"{page.stem}-{width}.png"
                    pixels.convert("RGB").quantize(N_COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
