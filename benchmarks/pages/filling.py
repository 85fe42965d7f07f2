"""The markers of a page, and what stands between them.

A table, or where a result comes from (one line a result file)::

    <!-- figures:verification -->
    ...
    <!-- /figures -->

    <!-- figures:source accuracy_small timeline -->
    ...
    <!-- /figures -->

A figure in prose: where it stands in a result file, and Python's format for it. A format that
ends in ``%`` gives a percentage with a space, such as ``7.7 %``::

    <!-- figure:timeline/errors/all/error|.1% -->7.7 %<!-- /figure -->
    <!-- figure:homes/cells/kind=mixed,size=6,n_clips=3/own_0.05_fnir|.1% -->...<!-- /figure -->
    <!-- figure:adversarial/systems/with/*/clean/verify_new_commonvoice|.1% -->...<!-- /figure -->

The first word names a file in ``benchmarks/results/``; ``training`` and ``calibration`` are the
bundled model's own. In a list, a number is a place, ``key=value`` the one entry that has it, and
``*`` the mean of all entries.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness.result_files import figures, source
from spkid.errors import SpkidError

BLOCK = re.compile(r"(<!-- figures:(\w+)((?: [\w-]+)*) -->\n).*?(<!-- /figures -->)", re.DOTALL)
FIGURE = re.compile(r"(<!-- figure:([^|>]+)\|([^>]+?) -->).*?(<!-- /figure -->)", re.DOTALL)


def value_at(path: str) -> Any:
    """What stands at ``path`` in a result, such as ``timeline/errors/all/error``.

    Raises
    ------
    SpkidError
        If nothing stands there, or more than one thing.
    """
    name, *steps = path.split("/")
    own = figures(name)
    try:
        return _below(own, steps)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise SpkidError(
            f"no figure at {path!r} ({error})",
            expected="result/key/key and so on",
            do=f"look into benchmarks/results/{name}.json",
            code="no_figure",
        ) from None


def _below(value: Any, steps: list[str]) -> Any:
    for number, step in enumerate(steps):
        if not isinstance(value, list):
            value = value[step]
        elif step == "*":
            return statistics.mean(_below(item, steps[number + 1 :]) for item in value)
        elif "=" in step:
            wanted = dict(part.split("=", 1) for part in step.split(","))
            (value,) = [
                item for item in value if all(str(item[key]) == wanted[key] for key in wanted)
            ]
        else:
            value = value[int(step)]
    return value


def formatted(value: Any, form: str) -> str:
    """``value`` in Python's format ``form``; an undefined figure is a dash."""
    if value is None:
        return "–"
    text = format(value, form)
    return f"{text[:-1]} %" if form.endswith("%") else text


def filled(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """``text`` with each block and figure as the results have them now.

    Raises
    ------
    SpkidError
        If a marker names no table or figure, or is not closed.
    """
    n_opened = len(re.findall(r"<!-- figures?:", text))
    if n_opened != len(BLOCK.findall(text)) + len(FIGURE.findall(text)):
        raise SpkidError(
            f"{n_opened} figure markers, not all of them whole",
            expected="each to be closed by its own end",
            do="see benchmarks/pages/filling.py for how they are written",
            code="bad_marker",
        )

    def block(hit: re.Match[str]) -> str:
        if hit[2] == "source":
            return f"{hit[1]}{source(*hit[3].split())}\n{hit[4]}"
        if hit[2] not in blocks or hit[3]:
            raise SpkidError(
                f"no table {hit[2] + hit[3]!r}",
                expected=f"one of {', '.join(blocks)}",
                do="correct the marker",
                code="bad_marker",
            )
        return f"{hit[1]}{blocks[hit[2]]()}\n{hit[4]}"

    text = BLOCK.sub(block, text)
    return FIGURE.sub(lambda hit: f"{hit[1]}{formatted(value_at(hit[2]), hit[3])}{hit[4]}", text)
