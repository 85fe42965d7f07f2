"""What the commands share: rates, the words of errors, progress."""

from __future__ import annotations

import pytest

from spkid import SpkidError
from spkid.cli import output
from spkid.cli.output import in_flags, parse_rate, progress_bar


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1%", 0.01), ("0.01", 0.01), (" 5 % ", 0.05), ("0", 0.0), ("100%", 1.0), (0.05, 0.05)],
)
def test_a_rate_is_typed_in_percent_or_as_a_share(text, rate):
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["5", "-1%", "101%", "nan", "nan%", "inf", "one", "", "%", "1%%"])
def test_anything_else_is_no_rate(text):
    with pytest.raises(SpkidError, match=r"such as 1% or 0\.01"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("no consent; expected consent=True.", "no consent; expected --consent."),
        ("false_accept_rate=0.9; expected", "--far 0.9; expected"),
        ("give false_accept_rate=, or member='Ana'.", "give --far, or --member 'Ana'."),
        ("remember=1 and train.by_hand=2", "remember=1 and train.by_hand=2"),
    ],
)
def test_errors_name_flags_instead_of_parameters(words, flags):
    assert in_flags(words) == flags


def test_a_piped_run_says_now_and_then_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(output, "LINE_EVERY_S", 0.0)
    with progress_bar() as bar:
        task = bar.add_task("embedding", total=4)
        bar.advance(task)
        bar.update(task, completed=3)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["embedding: 1 of 4", "embedding: 3 of 4"]


def test_a_short_run_says_nothing_of_how_far_it_is(capsys):
    with progress_bar() as bar:
        assert list(bar.track(range(3), description="embedding")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
