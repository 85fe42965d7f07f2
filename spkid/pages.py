"""Self-contained HTML pages: no script, no request, plots as inline SVG."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    "text.parse_math": False,
}


def render(template: str, **content: Any) -> str:
    """The page of ``template``; all text is escaped, and names can neither hide nor turn it."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        finalize=lambda value: (
            visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(template).render(**content)


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
    return "–" if math.isnan(rate) else f"{100 * rate:.{decimals}f} %"


def signed(change: float) -> str:
    """A change of a rate in points: ``+1.3``, or a dash where it is not known."""
    return "–" if math.isnan(change) else f"{100 * change:+.1f}"


def points(low: float, high: float) -> str:
    """An interval of a difference of rates in words of a page."""
    return f"95 % interval {signed(low)} to {signed(high)} points"
