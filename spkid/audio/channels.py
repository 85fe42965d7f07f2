"""Several channels -> one, so that no dead or phase-turned channel costs the voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEAD_BELOW_DB = 60.0  # so far below the loudest channel there is nothing to hear
STEADY_DB = 6.0  # the level of hum and hiss moves less than this, that of speech far more
CHUNK_S = 0.032
SHORTEST_S = 1.0  # in less sound the channels are not judged anew
TURNED = -0.2  # correlation with the loudest channel

Floats = NDArray[np.float32]


class ChannelMixer:
    """Mixes consecutive blocks of one recording, each judged by itself.

    Each channel's offset is left aside. Silent channels are left out, and so are those in which
    nothing but a steady noise is heard while another one has more. Of the others, those that run
    against the loudest one are turned round; their mean is taken.
    """

    def __init__(self, n_channels: int, rate_hz: float) -> None:
        self._n_chunk = max(1, round(CHUNK_S * rate_hz))
        self._n_shortest = SHORTEST_S * rate_hz
        self._weights = np.full(n_channels, 1 / n_channels, dtype=np.float32)
        self._is_judged = False

    def mono(self, block: Floats) -> Floats:
        """``[samples, channels]`` as ``[samples]``."""
        if block.shape[1] == 1:
            return block[:, 0]
        if len(block) >= self._n_shortest or not self._is_judged:
            self._weights = self._judge(block)
            self._is_judged = bool(block.any())
        return block @ self._weights

    def _judge(self, block: Floats) -> Floats:
        centred = (block - block.mean(axis=0)).astype(np.float64)
        powers = np.square(centred).mean(axis=0)
        if not powers.any():
            return np.full(len(powers), 1 / len(powers), dtype=np.float32)
        kept = powers > powers.max() * 10 ** (-DEAD_BELOW_DB / 10)
        is_steady = self._swing_db(centred) < STEADY_DB
        if (kept & ~is_steady).any():
            kept &= ~is_steady
        loudest = int(np.argmax(np.where(kept, powers, 0.0)))
        together = centred.T @ centred[:, loudest] / len(centred)
        correlation = together / np.sqrt(np.maximum(powers * powers[loudest], 1e-30))
        weights = np.where(correlation < TURNED, -1.0, 1.0) * kept / kept.sum()
        return np.asarray(weights, dtype=np.float32)

    def _swing_db(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the level of each channel goes up and down, from chunk to chunk."""
        n_chunks = len(centred) // self._n_chunk
        if n_chunks < 2:
            return np.zeros(centred.shape[1])
        chunks = centred[: n_chunks * self._n_chunk].reshape(n_chunks, self._n_chunk, -1)
        levels_db = 10 * np.log10(np.square(chunks).mean(axis=1) + 1e-12)
        high, low = np.quantile(levels_db, (0.95, 0.2), axis=0)
        return np.asarray(high - low)
