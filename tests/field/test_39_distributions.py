"""The source distribution lacked Makefile, changelog and benchmarks; the licence named one of two.

Held, as are floors that are not older than what was hardened; ``make wheel`` holds the built files
against the repository too.
"""

from __future__ import annotations

import configparser
import subprocess
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PACKAGES = {"spkid", "enrollment"}  # their files come with the package data
ALWAYS = {"pyproject.toml", "setup.cfg", "README.md"}  # setuptools takes these
# what reads bytes of others or holds a secret, as it was when that was tried
HARDENED = {
    "cryptography": "50",
    "faiss-cpu": "1.15",
    "jinja2": "3.1.6",
    "onnxruntime": "1.32",
    "soundfile": "0.14",
}


@pytest.fixture(scope="module")
def settings():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def words_of(settings, section, key):
    return settings[section][key].split()


def test_the_source_distribution_names_every_file_of_the_repository(settings):
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not in a repository")
    rules = [line.split() for line in (ROOT / "MANIFEST.in").read_text().splitlines()]
    grafted = {words[1] for words in rules if words and words[0] == "graft"}
    included = {name for words in rules if words and words[0] == "include" for name in words[1:]}
    excluded = [name for words in rules if words and words[0] == "exclude" for name in words[1:]]
    included |= ALWAYS | set(words_of(settings, "metadata", "license_files"))
    lacking = [
        name
        for name in listed.stdout.splitlines()
        if name.split("/")[0] not in grafted | PACKAGES
        and name not in included
        and not any(fnmatch(name, pattern) for pattern in excluded)
    ]
    assert lacking == []
    assert {"benchmarks", "tests", "docs"} <= grafted
    assert {"Makefile", "CHANGELOG.md"} <= included
    assert all(pattern.startswith("benchmarks/model/checkpoints/") for pattern in excluded)


def test_the_licence_names_both_and_who_is_to_be_named(settings):
    licences = settings["metadata"]["license_expression"].split(" AND ")
    assert sorted(licences) == ["Apache-2.0", "CC-BY-4.0"]
    files = words_of(settings, "metadata", "license_files")
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in files}
    assert "Apache License" in texts["LICENSE"]
    attribution = texts["spkid/demo/ATTRIBUTION.md"]
    assert "https://creativecommons.org/licenses/by/4.0/" in attribution
    n_clips = len(list((ROOT / "spkid" / "demo" / "clips").iterdir()))
    assert f"{n_clips} clips" in attribution


@pytest.mark.parametrize("package", HARDENED)
def test_no_floor_is_older_than_what_was_hardened(settings, package):
    wanted = map(Requirement, settings["options"]["install_requires"].split("\n")[1:])
    (own,) = [each for each in wanted if each.name == package]
    (floor,) = [each.version for each in own.specifier if each.operator == ">="]
    assert Version(floor) >= Version(HARDENED[package])
    assert own.specifier.contains(version(package))
