"""The pages' examples: their blocks, run in order, and the output that stands below them.

    python tests/page_examples.py PAGE...    # writes what the commands print now into the pages

A page's ``bash`` blocks run one after another in one shell; then its ``python`` blocks, in one
program. A ``text`` block right after one of them shows what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

ROOT = Path(__file__).parents[1]
SEPARATOR = "-----8<-----"
SETS_UP = ("make ", "pip install", "git clone", "docker ")  # not for a test to run
NAMED = ("spkid/demo", "docs/examples", "benchmarks/model/configs")  # what commands may read
BLOCK = re.compile(
    r"^```(?P<language>bash|python)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One example; ``output`` is None where the page shows none."""

    language: str
    code: str
    output: str | None

    @property
    def is_run(self) -> bool:
        lines = [line for line in self.code.splitlines() if line.strip()]
        return not all(line.startswith(SETS_UP) for line in lines)


def blocks(page: Path) -> list[Block]:
    """The page's examples that run, commands first."""
    found = [Block(**hit.groupdict()) for hit in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return sorted((block for block in found if block.is_run), key=lambda block: block.language)


def make_folder(folder: Path) -> None:
    """Put the checkout's files that examples name into ``folder``, and nothing else."""
    for name in NAMED:
        shutil.copytree(ROOT / name, folder / name)


def make_data(root: Path) -> Path:
    """A folder like SPKID_DATA: 84 names over the demo's clips, trials, homes and noise."""
    clips = sorted((ROOT / "spkid" / "demo" / "clips").glob("*.opus"))
    speech, protocols = root / "speech", root / "speech" / "protocols"
    protocols.mkdir(parents=True)
    (root / "noise").mkdir()
    rows = []
    for number in range(168):
        split = "test" if number < 96 else "train"
        path = f"speechocean762/{number // 2}/{number}.opus"
        (speech / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips[number % len(clips)], speech / path)
        group = ("child", "10") if number % 4 < 2 else ("adult", "30")
        gender = "female" if number % 8 < 4 else "male"
        rows.append((path, f"so-{number // 2}", split, "speechocean762", gender, *group))
    columns = ["path", "speaker", "split", "corpus", "gender", "age_group", "age"]
    manifest = pd.DataFrame(rows, columns=columns)
    manifest.to_csv(speech / "manifest.csv", index=False)
    test = manifest[manifest["split"] == "test"]
    trials = [
        f"{int(a.speaker == b.speaker)} {a.path} {b.path}"
        for a in test.itertuples()
        for b in test.itertuples()
        if a.path < b.path
    ]
    (protocols / "verify_new_speechocean762.txt").write_text("\n".join(trials))
    homes = []
    for number in range(0, 48, 8):
        own = test.iloc[number : number + 6]
        roles = ["enroll", "member", "enroll", "member", "guest", "guest"]
        for role, row in zip(roles, own.itertuples(), strict=True):
            homes.append((f"h{number}", 2, "mixed", role, row.speaker, row.path))
    header = ["household", "size", "kind", "role", "speaker", "path"]
    pd.DataFrame(homes, columns=header).to_csv(
        protocols / "households_new_speechocean762.csv", index=False
    )
    noise = np.random.default_rng(0).normal(size=80_000) / 10
    soundfile.write(root / "noise" / "hiss.wav", noise, 16_000)
    return root


def run(page: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run all examples of ``page`` in ``folder``; what each of them printed.

    Raises
    ------
    AssertionError
        If one fails, with what it printed.
    """
    examples = blocks(page)
    shell = [block.code for block in examples if block.language == "bash"]
    programs = [block.code for block in examples if block.language == "python"]
    between = f"\necho '{SEPARATOR}'\n"
    script = ["#", *shell]
    if programs:
        program = f"\nprint({SEPARATOR!r}, flush=True)\n".join(programs)
        (folder / ".example.py").write_text(program, encoding="utf-8")
        # -P: the part of the checkout beside the program is not to be imported
        script.append(f"{sys.executable} -P -W error .example.py")
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", between.join(script)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    (folder / ".example.py").unlink(missing_ok=True)
    assert result.returncode == 0, f"{page.name}:\n{result.stdout[-3000:]}"
    printed = result.stdout.split(f"{SEPARATOR}\n")[1:]
    assert len(printed) == len(examples)
    return printed


def comparable(output: str) -> list[str]:
    """``output`` without what differs from run to run and from machine to machine: numbers."""
    text = re.sub(r"\b[0-9a-f]{16}\b", "#", output)
    text = re.sub(r"[-+]?\d[\d.,:]*", "#", text)
    text = re.sub(r"[━─]+", "━", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def with_output(page: Path, printed: list[str]) -> str:
    """The page's text with ``printed`` in the place of its outputs."""
    now = dict(zip(blocks(page), printed, strict=True))

    def renewed(hit: re.Match[str]) -> str:
        block = Block(**hit.groupdict())
        if block.output is None or block not in now:
            return hit[0]
        lines = [line.rstrip() for line in now[block].rstrip().splitlines()]
        before, after = hit.start("output") - hit.start(), hit.end("output") - hit.start()
        return hit[0][:before] + "\n".join(lines) + "\n" + hit[0][after:]

    return BLOCK.sub(renewed, page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        own = Path(argument)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "checkout"
            make_folder(folder)
            environment = {
                "SPKID_DATA": str(make_data(Path(place) / "data")),
                "SPKID_STORE": str(Path(place) / "store.sqlite3"),
            }
            own.write_text(with_output(own, run(own, folder, environment)), encoding="utf-8")
