"""Fuzz one target with atheris, whose mutations follow the branches that the code takes.

    python -m benchmarks.fuzzing.one TARGET CORPUS [LIBFUZZER OPTION ...]

A finding ends the process; libFuzzer then has written the bytes that did it.
"""

from __future__ import annotations

import shutil
import sys
import warnings

import atheris

with atheris.instrument_imports(include=["spkid", "enrollment"]):
    from benchmarks.fuzzing.targets import TARGETS, run, scratch_folder


def main() -> None:
    """Read the arguments and fuzz until libFuzzer ends."""
    target = sys.argv.pop(1)
    if target not in TARGETS:
        sys.exit(f"no target {target!r}; there are {', '.join(TARGETS)}")
    warnings.simplefilter("ignore")
    folder = scratch_folder()
    try:
        atheris.Setup(sys.argv, lambda content: run(target, folder, content) and None)
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
