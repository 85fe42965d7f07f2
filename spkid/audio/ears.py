"""What is heard every 20 ms: nobody, one voice or several at once, and where a new voice begins.

One small network, waveform in; how it was trained: ``benchmarks/model/ears``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import SpkidError

EARS = Path(__file__).parents[1] / "models" / "ears.onnx"
FRAME_SAMPLES = 320
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
WINDOW_FRAMES = 1_500  # longer sound is listened to in windows of 30 s
CONTEXT_FRAMES = 150  # heard on each side of a window, and left to its neighbours
SPEECH_PROBABILITY = 0.5
SURELY_SPEECH = 0.7  # reached somewhere in each run of speech: what never is so sure is noise
BRIDGED_FRAMES = 10  # silence of up to 0.2 s within what is said
MARGIN_FRAMES = 2  # soft beginnings and ends of what is said
# chosen on held-out training speakers by benchmarks/model/ears/several.py
SEVERAL_PROBABILITY = 0.4
NEW_VOICE_PROBABILITY = 0.35
NEW_VOICE_FRAMES = 12  # two changes of voice are at least a quarter of a second apart


@dataclass(frozen=True)
class Span:
    """Seconds from the beginning of the clip."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Frames:
    """Probabilities for each frame of 20 ms.

    ``voices`` is float32 ``[frames, 3]``: nobody, one voice, several at once. ``new_voice`` is
    float32 ``[frames]``: that another voice than the last one begins.
    """

    voices: NDArray[np.float32]
    new_voice: NDArray[np.float32]

    @property
    def speech(self) -> NDArray[np.float32]:
        """The probability that somebody speaks, ``[frames]``."""
        return 1 - self.voices[:, 0]

    @cached_property
    def is_speech(self) -> NDArray[np.bool_]:
        """Where somebody rather speaks than not, and surely does close by, ``[frames]``."""
        likely = self.speech >= SPEECH_PROBABILITY
        firsts, ends = runs(likely)
        n_sure = np.diff(np.cumsum(np.r_[0, self.speech >= SURELY_SPEECH])[np.c_[firsts, ends]])
        is_sure = n_sure[:, 0] > 0
        return painted(firsts[is_sure], ends[is_sure], len(likely))

    @cached_property
    def is_said(self) -> NDArray[np.bool_]:
        """Speech with the short silences in it, its beginnings and ends, ``[frames]``."""
        found = runs(self.is_speech, longest_gap=BRIDGED_FRAMES, margin=MARGIN_FRAMES)
        return painted(*found, len(self.voices))

    @property
    def speech_s(self) -> float:
        """Seconds in which something is said."""
        return float(self.is_said.sum()) * FRAME_S

    @property
    def is_several(self) -> NDArray[np.bool_]:
        """Where several speak at once, ``[frames]``."""
        return self.voices[:, 2] >= SEVERAL_PROBABILITY

    def new_voices(self, probability: float = NEW_VOICE_PROBABILITY) -> NDArray[np.int64]:
        """The frames at which another voice begins, with at least that ``probability``.

        The likeliest frame within a quarter of a second to each side.
        """
        padded = np.pad(self.new_voice, (NEW_VOICE_FRAMES, NEW_VOICE_FRAMES + 1))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEW_VOICE_FRAMES + 1)
        is_peak = self.new_voice == windows[: len(self.new_voice)].max(axis=1)
        return np.flatnonzero(is_peak & (self.new_voice >= probability))


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(EARS), options, providers=["CPUExecutionProvider"])


def listen(waveform: Waveform) -> Frames:
    """What is heard in ``[samples]`` at 16 kHz, at any level; a last, incomplete frame is not.

    Threads may call it at once.

    Raises
    ------
    SpkidError
        If something is heard that is no number: of it, nobody could be refused.
    """
    return joined(listen_to([waveform]))


def joined(parts: Iterable[Frames]) -> Frames:
    """Consecutive frames as one."""
    own = [Frames(np.zeros((0, 3), np.float32), np.zeros(0, np.float32)), *parts]
    voices = np.concatenate([part.voices for part in own])
    return Frames(voices, np.concatenate([part.new_voice for part in own]))


def listen_to(blocks: Iterable[Waveform]) -> Iterator[Frames]:
    """The same of consecutive ``blocks``, about half a minute at a time.

    Memory does not grow. Errors as in :func:`listen`.
    """
    for heard, own in _windows(blocks):
        voices, new_voice = (each[0, own] for each in _session().run(None, {"waveform": heard}))
        if not (np.isfinite(voices).all() and np.isfinite(new_voice).all()):
            raise SpkidError(
                "probabilities that are NaN or infinite from the ears",
                expected="finite samples and a whole ears.onnx",
                do="check the waveform, or install spkid again",
                code="model",
            )
        yield Frames(voices, new_voice)


def _windows(blocks: Iterable[Waveform]) -> Iterator[tuple[Waveform, slice]]:
    """Samples ``[1, samples]`` to hear at once, and which of their frames are not context."""
    whole = (WINDOW_FRAMES + CONTEXT_FRAMES) * FRAME_SAMPLES
    held, n_before = np.empty(0, dtype=np.float32), 0  # frames of context come first
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= n_before * FRAME_SAMPLES + whole:
            yield held[None, : n_before * FRAME_SAMPLES + whole], _own(n_before, WINDOW_FRAMES)
            begin = n_before + WINDOW_FRAMES - CONTEXT_FRAMES
            held, n_before = held[begin * FRAME_SAMPLES :], CONTEXT_FRAMES
    n_left = len(held) // FRAME_SAMPLES - n_before
    for first in range(0, n_left, WINDOW_FRAMES):
        begin = max(0, n_before + first - CONTEXT_FRAMES)
        own = _own(n_before + first - begin, min(WINDOW_FRAMES, n_left - first))
        stop = begin + own.stop + CONTEXT_FRAMES
        yield held[None, begin * FRAME_SAMPLES : stop * FRAME_SAMPLES], own


def _own(first: int, n_frames: int) -> slice:
    return slice(first, first + n_frames)


def runs(
    is_there: NDArray[np.bool_], *, longest_gap: int = 0, margin: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame and end of each run of true frames; gaps of ``longest_gap`` do not end one.

    Each begins and ends ``margin`` frames earlier and later, within what is there.
    """
    edges = np.flatnonzero(np.diff(np.r_[False, is_there, False]))
    firsts, ends = edges[::2], edges[1::2]
    is_apart = firsts[1:] - ends[:-1] > longest_gap
    n_runs = len(firsts)
    firsts, ends = firsts[np.r_[True, is_apart][:n_runs]], ends[np.r_[is_apart, True][:n_runs]]
    return np.maximum(firsts - margin, 0), np.minimum(ends + margin, len(is_there))


def painted(firsts: NDArray[np.int64], ends: NDArray[np.int64], n_frames: int) -> NDArray[np.bool_]:
    """True from each first frame to its end, ``[n_frames]``."""
    steps = np.zeros(n_frames + 1, dtype=np.int64)
    np.add.at(steps, firsts, 1)
    np.add.at(steps, ends, -1)
    return np.cumsum(steps[:-1]) > 0


def spans(is_there: NDArray[np.bool_], *, least_s: float = 0.0) -> tuple[Span, ...]:
    """Runs of true frames that last ``least_s`` or longer, as seconds."""
    both = (edges * FRAME_S for edges in runs(is_there))
    return tuple(Span(float(a), float(b)) for a, b in zip(*both, strict=True) if b - a >= least_s)
