"""The floors of the house: who may import whom, how long a module may be, what an import costs."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each package may import those that stand to the left of it, and itself; "spkid" is the face.
FLOORS = """
errors < files < config < pages data audio < encoder < scoring < audit.statistics < audit
< audit.cohorts < audit.report < audit.face < mitigation < training.networks < training.config
< training.data < training.objectives < training < enrollment.profile enrollment.refusals
< enrollment.store < enrollment.index < enrollment < cli < benchmarks
"""
FACE = {"spkid", "spkid.__main__", "spkid.audit"}  # import on demand
TRAINING_ONLY = {"torch", "torchaudio", "speechbrain", "safetensors", "onnx"}

FLOOR_OF = {
    name: floor
    for floor, names in enumerate(FLOORS.replace("\n", " ").split("<"))
    for name in names.split()
}
SOURCES = [
    path
    for folder in ("spkid", "enrollment", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """The longest name of a floor that ``module`` lies under; None for others' modules."""
    own = module.removeprefix("spkid.")
    parts = own.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in FLOOR_OF), None)


def imports(path: Path) -> set[str]:
    """Every module that ``path`` imports, wherever it stands: by a statement, or by a string."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split(":")[0]
            if (
                words.startswith(("spkid.", "enrollment."))
                and words.replace(".", "").isidentifier()
            ):
                found.add(words)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_its_own_floor_or_lower(path):
    own = package_of(module_name(path))
    if module_name(path) in FACE:
        return
    assert own is not None
    for module in imports(path):
        other = package_of(module)
        if other is not None and module.split(".")[0] in {"spkid", "enrollment", "benchmarks"}:
            assert other == own or FLOOR_OF[other] < FLOOR_OF[own], f"{own} imports {module}"
    if not own.startswith(("training", "benchmarks")):
        assert not TRAINING_ONLY & {module.split(".")[0] for module in imports(path)}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_command_line_prints_or_exits(path):
    if package_of(module_name(path)) in {"cli", "benchmarks"}:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "exit", "sys.exit", "os._exit"}


def test_modules_are_short():
    lengths = {module_name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert max(lengths.values()) <= 400, max(lengths, key=lengths.get)
    assert statistics.median(lengths.values()) < 130


def test_importing_spkid_costs_nothing_heavy():
    code = "import sys, spkid; print([m for m in sys.modules if m in {'numpy', 'onnxruntime'}])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_public_names_have_docstrings():
    for path in SOURCES:
        if module_name(path).startswith("benchmarks"):
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                short = len(ast.unparse(node).splitlines()) <= 6
                assert short or ast.get_docstring(node), f"{path.name}: {node.name}"
