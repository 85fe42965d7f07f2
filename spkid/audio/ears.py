"""What is heard every 20 ms: nobody, one voice or several at once, and where a new voice begins.

One small network, waveform in; how it was trained: ``benchmarks/model/ears``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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
# chosen on held-out training speakers by benchmarks/model/ears/several.py
SEVERAL_PROBABILITY = 0.3
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
    def is_speech(self) -> NDArray[np.bool_]:
        """Where somebody rather speaks than not, ``[frames]``."""
        return self.voices[:, 0] < 0.5

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
    n_frames = len(waveform) // FRAME_SAMPLES
    voices = np.zeros((n_frames, 3), dtype=np.float32)
    new_voice = np.zeros(n_frames, dtype=np.float32)
    for first in range(0, n_frames, WINDOW_FRAMES):
        end = min(first + WINDOW_FRAMES, n_frames)
        begin, stop = max(0, first - CONTEXT_FRAMES), min(n_frames, end + CONTEXT_FRAMES)
        heard = waveform[begin * FRAME_SAMPLES : stop * FRAME_SAMPLES]
        found = _session().run(None, {"waveform": heard[None]})
        own = slice(first - begin, end - begin)
        voices[first:end], new_voice[first:end] = found[0][0, own], found[1][0, own]
    if not (np.isfinite(voices).all() and np.isfinite(new_voice).all()):
        raise SpkidError(
            "probabilities that are NaN or infinite from the ears",
            expected="finite samples and a whole ears.onnx",
            do="check the waveform, or install spkid again",
            code="model",
        )
    return Frames(voices, new_voice)


def spans(is_there: NDArray[np.bool_], *, least_s: float = 0.0) -> tuple[Span, ...]:
    """Runs of true frames that last ``least_s`` or longer, as seconds."""
    edges = np.flatnonzero(np.diff(np.r_[False, is_there, False]))
    runs = zip(edges[::2] * FRAME_S, edges[1::2] * FRAME_S, strict=True)
    return tuple(Span(float(a), float(b)) for a, b in runs if b - a >= least_s)
