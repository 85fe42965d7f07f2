"""The floors of the house: who may import whom, how long a module may be, what an import costs."""

from __future__ import annotations

import ast
import graphlib
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each package may import those that stand to the left of it, and itself.
FLOORS = """
errors < shown client < files < config < pages printing data audio < encoder < scoring
< audit.statistics < audit < audit.cohorts < audit.report < audit.outcome < audit.face < mitigation
< training.networks < training.config < training.data < training.objectives < training
< enrollment.refusals enrollment.names < enrollment.profile < enrollment.store < enrollment.index
< enrollment < serve assistants < cli < benchmarks
"""
ITS_OWN_MODULES = "spkid.training.networks.registry"  # imports each module of its own package
FACE = {"spkid", "spkid.__main__", "spkid.audit"}  # import on demand
NOT_FOR_BENCHMARKS = {"audit.statistics", "audit.report", "cli"}
TRAINING_ONLY = {"torch", "torchaudio", "speechbrain", "safetensors", "onnx"}
CALLS = {"import_module", "__import__"}
OWN = {"spkid", "enrollment", "benchmarks"}

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
BENCHMARKS = [path for path in SOURCES if (ROOT / "benchmarks") in path.parents]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: str) -> str | None:
    """The longest name of a floor that ``module`` lies under; None for the face and others'."""
    parts = module.removeprefix("spkid.").split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in FLOOR_OF), None)


def imports(path: Path) -> set[str]:
    """Every module or name that ``path`` imports, by a statement anywhere or by a string."""
    found = set()
    package = module_name(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{origin}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split(":")[0]
            if words.startswith(("spkid.", "enrollment.")) and package_of(words):
                found.add(words)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[-1] in CALLS or called in {"exec", "eval"}:
                found.add("?")
    return {name for name in found if name.split(".")[0] in OWN | TRAINING_ONLY | {"?"}}


IMPORTS = {path: imports(path) for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_a_module_imports_its_own_floor_or_lower(path):
    own = package_of(module_name(path))
    if module_name(path) in FACE:
        return
    assert own is not None, "stands on no floor"
    for module in IMPORTS[path]:
        other = package_of(module)
        if module == "?":
            assert module_name(path) == ITS_OWN_MODULES, "imports by a call"
        elif module.split(".")[0] in TRAINING_ONLY:
            assert own.startswith(("training", "benchmarks")), f"{own} imports {module}"
        elif other is None:
            assert own == "benchmarks" or module == "spkid.__version__", f"{own} imports {module}"
        else:
            assert other == own or FLOOR_OF[other] < FLOOR_OF[own], f"{own} imports {module}"


@pytest.mark.parametrize("path", BENCHMARKS, ids=module_name)
def test_a_benchmark_uses_public_names(path):
    for module in IMPORTS[path]:
        assert package_of(module) not in NOT_FOR_BENCHMARKS, module
        assert not any(part.startswith("_") for part in module.split(".")), module
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            assert ast.unparse(node.value) == "self" or node.attr.endswith("__"), node.attr


def test_there_is_no_circle():
    arrows: dict[str, set[str]] = {}
    for path in SOURCES:
        if module_name(path) in FACE:
            continue
        own = package_of(module_name(path))
        others = {package_of(module) for module in IMPORTS[path]}
        arrows.setdefault(str(own), set()).update(str(name) for name in others - {own, None})
    graphlib.TopologicalSorter(arrows).prepare()


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
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"
