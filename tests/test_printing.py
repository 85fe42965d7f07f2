"""Printing: which browser, and what is said where there is none or it fails."""

from __future__ import annotations

import stat

import pytest

from spkid import printing
from spkid.errors import SpkidError


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>t</title><h1>t</h1>")
    return page


def a_browser(folder, script):
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_a_browser_it_says_what_to_do(monkeypatch, page):
    monkeypatch.delenv("SPKID_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(printing, "NAMES", printing.NAMES[:7])
    assert printing.find_browser() is None
    with pytest.raises(SpkidError, match=r"no browser to print.*apt install chromium"):
        printing.printed(page)


def test_a_browser_that_prints_nothing_is_told_with_its_last_word(monkeypatch, page, tmp_path):
    browser = a_browser(tmp_path, "echo first >&2; echo it is broken >&2; exit 1")
    monkeypatch.setenv("SPKID_CHROMIUM", str(browser))
    with pytest.raises(SpkidError, match="printed no PDF: it is broken"):
        printing.printed(page)
    monkeypatch.setenv("SPKID_CHROMIUM", str(tmp_path / "nowhere"))
    with pytest.raises(SpkidError, match="printed no PDF"):
        printing.printed(page)


def test_it_gives_what_the_browser_wrote(monkeypatch, page, tmp_path):
    script = (
        'for a in "$@"; do case $a in --print-to-pdf=*) echo "%PDF $a" > "${a#*=}";; esac; done'
    )
    monkeypatch.setenv("SPKID_CHROMIUM", str(a_browser(tmp_path, script)))
    assert printing.printed(page).startswith(b"%PDF ")


def test_nothing_is_written_where_no_pdf_can_be(monkeypatch, tmp_path):
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    with pytest.raises(SpkidError, match="no browser"):
        printing.write_page({"a.html": "x"}, tmp_path / "out", pdf=True)
    assert not (tmp_path / "out").exists()
    page = printing.write_page({"a.html": "x", "a.json": "{}"}, tmp_path / "out", pdf=False)
    assert sorted(path.name for path in page.parent.iterdir()) == ["a.html", "a.json"]


def test_the_pdf_stands_beside_the_page(monkeypatch, tmp_path):
    monkeypatch.setattr(printing, "need_browser", lambda: "chromium")
    monkeypatch.setattr(printing, "printed", lambda page: page.read_bytes()[:1])
    page = printing.write_page({"a.html": "xyz"}, tmp_path, pdf=True)
    assert page.with_suffix(".pdf").read_bytes() == b"x"
