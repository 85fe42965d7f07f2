"""The page of errors names every class and every code of the sources, and no other."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import get_args

from enrollment.store.database import Failure
from spkid import errors
from spkid.audio.speech import Verdict

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
# given to an error by a variable: what the database says, what is wrong with a clip
BY_VARIABLE = {*get_args(Failure), *get_args(Verdict), "unlike_others", "several_voices"} - {"ok"}


def codes_of(path: Path) -> set[str]:
    """Every constant that is given as ``code``, in a call or as a parameter's default."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        values: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            values += [word.value for word in node.keywords if word.arg == "code"]
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.kwonlyargs]
            defaults = dict(zip(names, node.args.kw_defaults, strict=True))
            values.append(defaults.get("code"))
        for value in values:
            for part in ast.walk(value) if value is not None else ():
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.add(part.value)
    return found


def test_every_code_is_on_the_page_and_no_other():
    sources = [path for folder in ("spkid", "enrollment") for path in (ROOT / folder).rglob("*.py")]
    used = set().union(*map(codes_of, sources)) | BY_VARIABLE
    assert "bad_input" in used
    codes = PAGE.split("## Codes")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", codes, re.MULTILINE)) == used


def test_every_class_is_on_the_page_and_no_other():
    classes = PAGE.split("## Classes")[1].split("## Codes")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", classes, re.MULTILINE))
    own = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert named == own - {"SpkidError"}
