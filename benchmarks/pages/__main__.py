"""Write the figures of README, `docs/` and the model card from the files in `benchmarks/results/`.

    python -m benchmarks.pages [--check]

How a page asks for a table or a figure: see `filling.py`. `--check` writes nothing and ends with
1 if something would change. Seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.harness.benchmark import run_command
from benchmarks.pages import (
    accuracy_tables,
    audit_tables,
    both_tables,
    condition_tables,
    ears_tables,
    live_tables,
    model_tables,
    system_tables,
    training_tables,
)
from benchmarks.pages.filling import filled
from spkid.errors import SpkidError
from spkid.files import write_text

ROOT = Path(__file__).parents[2]
BLOCKS = {
    **accuracy_tables.BLOCKS,
    **condition_tables.BLOCKS,
    **audit_tables.BLOCKS,
    **both_tables.BLOCKS,
    **ears_tables.BLOCKS,
    **live_tables.BLOCKS,
    **system_tables.BLOCKS,
    **training_tables.BLOCKS,
    **model_tables.BLOCKS,
}


def pages() -> list[Path]:
    """Every page with figures in it."""
    return [
        ROOT / "README.md",
        ROOT / "spkid" / "models" / "MODEL_CARD.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def main(check: bool = False) -> None:
    """Fill the pages, or say which of them would change."""
    is_changed = False
    for page in pages():
        name = page.relative_to(ROOT)
        before = page.read_text(encoding="utf-8")
        try:
            after = filled(before, BLOCKS)
        except SpkidError as error:
            sys.exit(f"{name}: {error}")
        if after != before:
            is_changed = True
            print(f"{'differs' if check else 'written'}: {name}")
            if not check:
                write_text(page, after)
    sys.exit(int(check and is_changed))


if __name__ == "__main__":
    run_command(main, words=__doc__)
