"""How much of the speech has a pitch, beside a plain loop over frames and lags."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audio.reading import load_audio
from spkid.audio.voicing import FRAME, HOP, LOUD, VOICED, voiced_share


def plain_share(waveform: np.ndarray) -> float:
    frames = [waveform[at : at + FRAME] for at in range(0, len(waveform) - FRAME + 1, HOP)]
    levels = [frame.std() for frame in frames]
    floor = LOUD * np.quantile(levels, 0.9)
    loud = [frame - frame.mean() for frame, level in zip(frames, levels, strict=True)]
    loud = [frame for frame, level in zip(loud, levels, strict=True) if level > floor]
    n_voiced = 0
    for frame in loud:
        come_back = [
            frame[:-lag] @ frame[lag:] / (frame @ frame) / (1 - lag / FRAME)
            for lag in range(16_000 // 500, 16_000 // 70)
        ]
        n_voiced += max(come_back) > VOICED
    return n_voiced / len(loud)


def test_a_clips_share_is_that_of_the_plain_loop(clips):
    waveform = load_audio(clips["096160018"]).astype(np.float64)
    assert voiced_share(waveform.astype(np.float32)) == pytest.approx(plain_share(waveform))


@pytest.mark.parametrize("period", [33, 100, 227])  # samples: 485, 160 and 70.5 Hz
def test_the_shares_of_bursts_are_those_of_the_plain_loop(period):
    """Noise that comes back after one period, and goes on as other noise, frame by frame."""
    rng = np.random.default_rng(period)
    frames = []
    for strength in np.linspace(0, 1, 60):
        frame = rng.standard_normal(FRAME)
        frame[period:] = strength * frame[:-period] + (1 - strength) * frame[period:]
        frames.append(0.1 * frame)
    waveform = np.concatenate(frames)
    share = voiced_share(waveform.astype(np.float32))
    assert share == pytest.approx(plain_share(waveform))
    assert 0.1 < share < 0.9
