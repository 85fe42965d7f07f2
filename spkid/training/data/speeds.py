"""Speech played faster or slower, with its pitch."""

from __future__ import annotations

import torchaudio
from torch import Tensor

SPEEDS = (1.0, 0.9, 1.1, 0.8, 1.2)


def resample(waveforms: Tensor, speed: float, n_samples: int) -> Tensor:
    """Play ``[batch, n_samples * speed]`` at ``speed``: ``[batch, n_samples]``, with the pitch."""
    if speed == 1.0:
        return waveforms
    faster: Tensor = torchaudio.functional.resample(
        waveforms, round(10 * speed), 10, lowpass_filter_width=6
    )
    return faster[:, :n_samples]
