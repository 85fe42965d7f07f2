"""Self-contained HTML pages: no script, no request, plots as inline SVG."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spkid.shown import visible

COLOURS = ("#2f6690", "#d1495b", "#c98b1b", "#4f8f6d", "#8d6a9f", "#5d6678")
INK = "#1d2433"
# a group may be called $5-$9, and text stays text: the reader's fonts draw it
LOOK: dict[Any, Any] = {
    "svg.hashsalt": "spkid",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Cell:
    """A figure in a table, with its interval; ``data`` names it for programs that read the page."""

    value: str
    range: str = ""
    worse: bool = False
    long: bool = False
    data: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is of, then a cell, or plain text, a column."""

    name: str
    cells: tuple[Cell | str, ...]
    worst: bool = False


@dataclass(frozen=True)
class Plot:
    """A picture with what it shows, which is read out in its place."""

    svg: Any
    caption: str


def render(template: str, *, terms: Mapping[str, str] | None = None, **content: Any) -> str:
    """The page of ``template``; all text is escaped, and names can neither hide nor turn it.

    ``terms`` are explained at the page's end; text that goes through the filter ``terms`` links
    to them.
    """
    page: str = _environment().get_template(template).render(terms=terms or {}, **content)
    return page


@cache
def _environment() -> Any:
    """What the templates are compiled in, each once."""
    import jinja2
    from markupsafe import Markup

    @jinja2.pass_context
    def terms(context: Any, text: str) -> Any:
        return linked(text, context["terms"])

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        finalize=lambda value: (
            visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"terms": terms, "anchor": anchor}
    return environment


def anchor(term: str) -> str:
    """The name of the place where ``term`` is explained."""
    return "term-" + re.sub(r"\W+", "-", term.lower())


def linked(text: str, terms: Iterable[str]) -> Any:
    """``text``, escaped; where one of ``terms`` comes first in it is a link to its explanation."""
    from markupsafe import Markup, escape

    longest = sorted(terms, key=len, reverse=True)
    if not longest:
        return escape(visible(text))
    parts = re.split(rf"(?<!\w)({'|'.join(map(re.escape, longest))})(?!\w)", text)
    seen: set[str] = set()
    shown = []
    for place, part in enumerate(parts):
        word = escape(visible(part))
        if place % 2 and part not in seen:
            seen.add(part)
            word = Markup('<a class="term" href="#{}">{}</a>').format(anchor(part), word)
        shown.append(word)
    return Markup("").join(shown)


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Any]:
    """A matplotlib figure in the pages' look; draw and convert it inside the ``with``.

    Neither pyplot's state nor matplotlib's settings are changed outside.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(LOOK):
        yield Figure(figsize=(width, height), layout="constrained")


def picture(figure: Any, kind: str) -> bytes:
    """The figure as a file of ``kind`` svg or png; names in it can neither hide nor turn text."""
    pixels, text = io.BytesIO(), io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if kind == "png":
            figure.savefig(pixels, format=kind, dpi=150)
            return pixels.getvalue()
        figure.savefig(text, format=kind, metadata={"Date": None, "Creator": None})
    return "\n".join(map(visible, text.getvalue().split("\n"))).encode()


def to_svg(figure: Any) -> Any:
    """The figure as inline SVG that the template does not escape."""
    from markupsafe import Markup

    text = picture(figure, "svg").decode()
    return Markup(text[text.index("<svg") :])


def percent(rate: float, *, decimals: int = 1) -> str:
    """A rate in words of a page: ``4.2 %``, or a dash where it is not known."""
    return f"{100 * rate:.{decimals}f} %" if math.isfinite(rate) else "–"


def signed(change: float) -> str:
    """A change of a rate in points: ``+1.3``, or a dash where it is not known."""
    return f"{100 * change:+z.1f}" if math.isfinite(change) else "–"


def number(value: float) -> str:
    """A number as a cell: three places, or four digits where that would show none, or a dash."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def span(low: float, high: float, show: Callable[[float], str]) -> str:
    """``1.0 to 4.0``, as ``show`` writes both ends; empty where they are not known."""
    return f"{show(low)} to {show(high)}" if math.isfinite(low) and math.isfinite(high) else ""


def points(low: float, high: float) -> str:
    """An interval of a difference of rates in words of a page."""
    return f"95 % interval {span(low, high, signed) or 'not known'}" + (
        " points" if math.isfinite(low) and math.isfinite(high) else ""
    )
