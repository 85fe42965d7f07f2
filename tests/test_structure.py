"""The floors of the house: who may import whom, how long a module may be, what an import costs."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import enrollment
import spkid

PACKAGES = [Path(spkid.__file__).parent, Path(enrollment.__file__).parent]
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
FLOORS = [
    {"errors", "config", "metrics", "plain", "files"},
    {"truncation", "audio", "speech", "manifest", "sources"},
    {"embedder", "clips"},
    {
        "calibration",
        "scoring",
        "score_files",
        "decision_log",
        "trials",
        "score_norm",
        "homes",
        "evaluation",
        "embedding_run",
    },
    {
        "bootstrap",
        "figures",
        "grouping",
        "fairness",
        "differences",
        "audit_result",
        "group_tables",
        "audit",
        "home_audit",
    },
    {"speaker_errors", "speaker_metadata", "tree_conditions"},
    {"contrast", "voices", "conditions", "report"},
    {"cohorts", "cohort_tree"},
    {"findings", "comparison"},
    {"audit_words", "audit_plots", "audit_record"},
    {"audit_page", "comparison_page"},
    {"mitigation", "worst_cohort", "trade"},
    {"trade_words"},
    {"trade_page"},
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
UPPER = ("spkid.training.", "spkid.cli.")
TRAINING_ONLY = {"torch", "torchaudio", "speechbrain", "safetensors", "onnx"}


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    start = max(parts.index(name) for name in ("spkid", "enrollment") if name in parts)
    return ".".join(parts[start:]).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module that ``path`` imports, at the top or inside a function, but not for types."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_its_own_floor_or_lower(path):
    name = module_name(path)
    used = imports(path)
    if not f"{name}.".startswith(UPPER):
        assert not {module for module in used if f"{module}.".startswith(UPPER)}
    if not name.startswith("spkid.training"):
        assert not TRAINING_ONLY & {module.split(".")[0] for module in used}
    if name.startswith("spkid") and not f"{name}.".startswith("spkid.cli."):
        assert not {module for module in used if module.startswith("enrollment")}
    own = name.removeprefix("spkid.")
    if name.startswith("spkid.") and "." not in own:
        for module in used:
            other = module.removeprefix("spkid.")
            if module.startswith("spkid."):
                assert FLOOR_OF[other] <= FLOOR_OF[own], f"{name} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_command_line_prints_or_exits(path):
    if f"{module_name(path)}.".startswith("spkid.cli."):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "exit", "sys.exit", "os._exit"}


def test_modules_are_short():
    lengths = {module_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert max(lengths.values()) <= 400, max(lengths, key=lengths.get)
    assert statistics.median(lengths.values()) < 130


def test_importing_spkid_costs_nothing_heavy():
    code = "import sys, spkid; print([m for m in sys.modules if m in {'numpy', 'onnxruntime'}])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_public_names_have_docstrings():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                short = len(ast.unparse(node).splitlines()) <= 6
                assert short or ast.get_docstring(node), f"{path.name}: {node.name}"
