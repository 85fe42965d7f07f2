"""Plots: dots lie on their curves, legends beside the data, and nothing is drawn without data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from spkid.audit.report import plots
from spkid.audit.result import GroupAudit
from spkid.scoring.metrics import ErrorCurve


@pytest.fixture(autouse=True)
def _figures(monkeypatch):
    monkeypatch.setattr(plots, "to_svg", lambda figure: figure)


def scores(shift, n=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(3 - shift, 1, n), rng.normal(0, 1, n)


@pytest.mark.parametrize("threshold", [-9.0, 0.0, 1.6, 2.9, 9.0])
def test_dots_lie_on_their_curves_and_inside(threshold):
    figure = plots.det_plot({"a": scores(0), "b": scores(2.5, seed=1)}, threshold)
    (axes,) = figure.axes
    lines = axes.get_lines()
    for curve, dot in zip(lines[::2], lines[1::2], strict=True):
        ((x,), (y,)) = dot.get_data()
        points = np.column_stack(curve.get_data())
        assert np.abs(points - (x, y)).sum(axis=1).min() == 0
        assert axes.get_xlim()[0] <= x <= axes.get_xlim()[1]
        assert axes.get_ylim()[0] <= y <= axes.get_ylim()[1]
        assert np.isfinite(points).all()


def test_the_dot_is_where_the_threshold_is():
    from scipy.stats import norm

    own, strangers = scores(0.5)
    (axes,) = plots.det_plot({"a": (own, strangers)}, 1.4).axes
    ((x,), (y,)) = axes.get_lines()[1].get_data()
    assert norm.cdf(x) == pytest.approx(np.mean(strangers >= 1.4))
    assert norm.cdf(y) == pytest.approx(np.mean(own < 1.4))
    assert len(ErrorCurve(own, strangers).thresholds) > plots.N_CURVE_POINTS


NAMES = ["a" * 60, "ein ziemlich langer Name", "中文的名字很长很长很长很长", "d", "e", "f"]


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("draw", [plots.det_plot, plots.distribution_plot])
def test_no_legend_and_no_name_lies_over_the_data(draw):
    figure = draw({name: scores(at / 2, seed=at) for at, name in enumerate(NAMES)}, 1.6)
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    (legend,) = figure.legends
    place = legend.get_window_extent(renderer)
    for axes in figure.axes:
        assert not place.overlaps(axes.get_window_extent(renderer))
        assert axes.get_window_extent(renderer).width > 0.4 * figure.bbox.width
    assert place.x0 >= 0
    assert place.x1 <= figure.bbox.width


def test_no_panel_is_empty_and_equal_scores_have_a_width():
    figure = plots.distribution_plot(
        {"most": scores(0, n=5000), "far": (np.full(3, 50.0), np.full(3, -50.0))}, 1.6
    )
    for axes in figure.axes:
        assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(2)
    figure = plots.distribution_plot({"one": (np.full(9, 2.0), np.full(9, 2.0))}, 2.0)
    assert figure.axes[0].get_xlim()[1] - figure.axes[0].get_xlim()[0] > 0.5
    assert plots.det_plot({"few": (np.ones(3), np.zeros(3))}, 0.5) is None


def section(values):
    rows = [
        {"group": f"g{at}", "judged": True, "r": value, "r_low": np.nan, "r_high": np.nan}
        for at, value in enumerate(values)
    ]
    empty = pd.DataFrame()
    return GroupAudit("g", ("g",), "both", pd.DataFrame(rows), *[empty] * 4, 0, 0)


def test_a_plot_of_rates_shows_the_highest_of_many_and_nothing_of_none():
    assert plots.rate_plot(section([np.nan, np.nan]), "r") is None
    (axes,) = plots.rate_plot(section(np.linspace(0, 0.5, 40)), "r").axes
    (dots,) = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert len(dots.get_xdata()) == plots.MOST_ROWS
    assert min(dots.get_xdata()) > 19


def test_names_are_cut_by_the_room_they_take():
    assert plots.short("short") == "short"
    assert plots.short("x" * 30) == "x" * 19 + "…"
    assert plots.n_cells(plots.short("中" * 30)) <= plots.LONGEST_NAME
