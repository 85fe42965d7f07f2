"""When somebody speaks in a clean clip, by its level alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import Waveform

Activity = NDArray[np.int8]  # of each frame of 20 ms
SILENT, UNSURE, SPOKEN = 0, 1, 2
SPEECH_WITHIN_DB = 15.0  # of the 95th percentile of the frames' levels
SILENCE_BELOW_DB = 25.0
LEAST_RANGE_DB = 28.0  # of a clip quiet enough between words to tell
LONGEST_STOP_FRAMES = 3  # silence within a word


def frame_levels_db(waveform: Waveform) -> NDArray[np.float64]:
    """The level of each whole frame, its mean removed."""
    n_frames = len(waveform) // FRAME_SAMPLES
    frames = waveform[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
    levels: NDArray[np.float64] = 10 * np.log10(frames.var(axis=1, dtype=np.float64) + 1e-10)
    return levels


def is_clean(waveform: Waveform) -> bool:
    """Whether loud and quiet are far enough apart in a clip to tell speech from the rest."""
    low_db, high_db = np.quantile(frame_levels_db(waveform), (0.05, 0.95))
    return bool(high_db - low_db >= LEAST_RANGE_DB)


def activity(waveform: Waveform) -> Activity:
    """SPOKEN, SILENT, or UNSURE where the level is between the two or the stretch very short.

    Silence of up to 60 ms within speech and single loud frames within silence are UNSURE.
    """
    levels_db = frame_levels_db(waveform)
    below_db = np.quantile(levels_db, 0.95) - levels_db
    found = np.full(len(levels_db), UNSURE, dtype=np.int8)
    found[below_db <= SPEECH_WITHIN_DB] = SPOKEN
    found[below_db > SILENCE_BELOW_DB] = SILENT
    edges = np.flatnonzero(np.diff(found)) + 1
    for first, end in zip(np.r_[0, edges], np.r_[edges, len(found)], strict=True):
        is_inside = first > 0 and end < len(found)
        stop = found[first] == SILENT and end - first <= LONGEST_STOP_FRAMES
        click = found[first] == SPOKEN and end - first == 1
        if is_inside and (stop or click):
            found[first:end] = UNSURE
    return found
