"""From frames of speech to windows to listen to, and from their scores to turns. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.audio.ears import FRAME_SAMPLES, runs
from spkid.audio.reading import Waveform


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of 20 ms in which somebody speaks, the last one not included."""

    first: int
    end: int


@dataclass(frozen=True)
class Window:
    """Frames ``first`` to ``end`` are listened to, to say who speaks in those of its part.

    ``is_new``: with its part another voice seems to begin.
    """

    first: int
    end: int
    part_first: int
    part_end: int
    is_new: bool = False


def stretches(
    is_speech: NDArray[np.bool_], *, longest_pause: int, margin: int = 0
) -> list[Stretch]:
    """Runs of speech ``[frames]``; pauses of at most ``longest_pause`` frames are part of them.

    Each begins and ends ``margin`` frames (at most half the longest pause) earlier and later.
    """
    found = runs(is_speech, longest_gap=longest_pause, margin=margin)
    return [Stretch(int(first), int(end)) for first, end in zip(*found, strict=True)]


def parted(
    stretch: Stretch, cuts: NDArray[np.int64], is_speech: NDArray[np.bool_], *, least: int
) -> list[Stretch]:
    """The stretch cut where a new voice begins, if each part holds ``least`` frames of speech."""
    n_spoken = np.cumsum(np.r_[0, is_speech[stretch.first : stretch.end]])
    edges = [0]
    for cut in cuts[(cuts > stretch.first) & (cuts < stretch.end)] - stretch.first:
        if min(n_spoken[cut] - n_spoken[edges[-1]], n_spoken[-1] - n_spoken[cut]) >= least:
            edges.append(int(cut))
    edges.append(stretch.end - stretch.first)
    return [Stretch(stretch.first + a, stretch.first + b) for a, b in pairwise(edges)]


def windows_of(stretch: Stretch, *, window: int, step: int, is_new: bool = False) -> list[Window]:
    """The stretch in equal parts of about ``step`` frames, each with ``window`` frames around it.

    At the edges the window moves inwards; a shorter stretch is one window. ``is_new`` is said of
    the first.
    """
    length = stretch.end - stretch.first
    width = min(window, length)
    n_parts = 1 if length <= window else max(1, round(length / step))
    edges = stretch.first + np.linspace(0, length, n_parts + 1).round().astype(int)
    firsts = np.clip((edges[:-1] + edges[1:] - width) // 2, stretch.first, stretch.end - width)
    return [
        Window(
            int(first),
            int(first) + width,
            int(part_first),
            int(part_end),
            is_new and part_first == stretch.first,
        )
        for first, part_first, part_end in zip(firsts, edges[:-1], edges[1:], strict=True)
    ]


def cut(blocks: Iterable[Waveform], windows: Sequence[Window]) -> Iterator[Waveform]:
    """The samples of each window of consecutive ``blocks``; no more is held than is needed.

    Windows come in the order of time; the last may end in silence that the file does not have.
    """
    held, held_from = np.empty(0, dtype=np.float32), 0
    stream = iter(blocks)
    for window in windows:
        first, end = window.first * FRAME_SAMPLES, window.end * FRAME_SAMPLES
        while held_from + len(held) < end and (block := next(stream, None)) is not None:
            n_past = min(max(first - held_from, 0), len(held))
            held, held_from = np.concatenate([held[n_past:], block]), held_from + n_past
        yield held[max(first - held_from, 0) : end - held_from]


def pauses(windows: Sequence[Window]) -> NDArray[np.int64]:
    """Frames between the part of each window and the next, ``[windows - 1]``."""
    firsts = np.array([window.part_first for window in windows], dtype=np.int64)
    ends = np.array([window.part_end for window in windows], dtype=np.int64)
    return firsts[1:] - ends[:-1]


def joined(windows: Sequence[Window]) -> list[Stretch]:
    """The windows' parts, those that touch as one."""
    breaks = np.flatnonzero(pauses(windows)) + 1
    runs = np.split(np.arange(len(windows)), breaks)
    return [Stretch(windows[run[0]].part_first, windows[run[-1]].part_end) for run in runs]


def best_path(gains: ArrayLike, *, switch_costs: ArrayLike) -> NDArray[np.int64]:
    """The states ``[windows]`` with the largest sum of ``gains`` ``[windows, states]``.

    Each change of state costs the ``switch_costs`` ``[windows - 1]`` of its place (Viterbi's
    algorithm).
    """
    values = np.asarray(gains, dtype=np.float64)
    total, came_from = values[0], []
    for gain, cost in zip(values[1:], np.asarray(switch_costs), strict=True):
        best = int(total.argmax())
        switches = total < total[best] - cost
        came_from.append(np.where(switches, best, np.arange(len(total))))
        total = np.where(switches, total[best] - cost, total) + gain
    path = [int(total.argmax())]
    for previous in reversed(came_from):
        path.append(int(previous[path[-1]]))
    return np.asarray(path[::-1])
