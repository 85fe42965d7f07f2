"""Every example on every page runs, twice, prints what the page shows, and leaves no litter."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from page_examples import ROOT, blocks, comparable, make_data, make_folder, run

PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.parent.name != "examples"
}
EXAMPLES = [name for name, path in PAGES.items() if blocks(path)]
NEEDS_TORCH = re.compile(r"spkid (train|finetune|export)|spkid\.training")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run_twice_and_print_what_the_page_shows(name, data, tmp_path):
    page = PAGES[name]
    if NEEDS_TORCH.search(page.read_text()):
        pytest.importorskip("torch")
    folder = tmp_path / "checkout"
    make_folder(folder)
    before = set(folder.rglob("*"))
    store = tmp_path / "store.sqlite3"
    environment = {"SPKID_DATA": str(data), "SPKID_STORE": str(store)}
    for block, printed in zip(blocks(page), run(page, folder, environment), strict=True):
        if block.output is not None:
            assert comparable(printed) == comparable(block.output)
    run(page, folder, environment)
    written = [
        str(path.relative_to(folder))
        for path in set(folder.rglob("*")) - before
        if path.is_symlink() or not path.is_dir()
    ]
    if written and (ROOT / ".git").exists():
        ignored = subprocess.run(
            ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--stdin"],
            input="\n".join(written),
            capture_output=True,
            text=True,
            check=False,
        ).stdout.splitlines()
        assert set(ignored) == set(written)


def test_numbers_do_not_count_when_outputs_are_compared_but_words_do():
    assert comparable("Ana │ 99 % │ 5.1 s") == comparable("Ana  │ 7 %  │ 12.0 s")
    assert comparable("Ana 99 %") != comparable("Ben 99 %")


def test_the_pages_that_must_run_are_there():
    assert {"README.md", "docs/household.md", "docs/audit.md", "docs/train.md"} <= set(EXAMPLES)


def test_figures_are_those_of_the_result_files():
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.pages", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_is_short():
    assert len(PAGES["README.md"].read_text().splitlines()) <= 250


def test_every_section_of_the_methods_that_the_code_cites_is_there():
    sections = set(re.findall(r"^## (\d+)\. ", PAGES["docs/methods.md"].read_text(), re.MULTILINE))
    cited = {
        number
        for folder in ("spkid", "enrollment", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for number in re.findall(r"(?:METHODS|docs/methods\.md,) section (\d+)", path.read_text())
    }
    assert cited
    assert cited <= sections
