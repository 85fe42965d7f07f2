"""The sound of an utterance as it passes by, held up to a limit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LOWEST_HZ, HIGHEST_HZ = 8_000, 96_000
MOST_CHANNELS = 8
WIDTHS = (2, 4)  # bytes of a sample: int16 and int32
LARGEST_BYTES = 6 * 2**20  # half a minute at 48 kHz, stereo


@dataclass(frozen=True)
class Sound:
    """Little-endian integer samples, channel by channel; ``width`` in bytes."""

    rate_hz: int
    width: int
    n_channels: int
    pcm: bytes = field(repr=False)


class Recording:
    """What is held of a stream of sound: its beginning, or its end.

    Parameters
    ----------
    longest_s : float
        Seconds that are held; the rest is let go.
    keeps_end : bool
        Whether the last seconds are held, and not the first.
    """

    def __init__(self, longest_s: float, *, keeps_end: bool = False) -> None:
        self.longest_s, self.keeps_end = longest_s, keeps_end
        self._format: tuple[int, int, int] | None = None
        self._pieces: deque[bytes] = deque()
        self._n_bytes = 0

    def add(self, pcm: bytes, *, rate_hz: int, width: int, n_channels: int) -> None:
        """Hold a piece; one of another format begins anew.

        Raises
        ------
        ValueError
            If the format is none that can be heard.
        """
        if not (
            LOWEST_HZ <= rate_hz <= HIGHEST_HZ
            and width in WIDTHS
            and 1 <= n_channels <= MOST_CHANNELS
        ):
            raise ValueError(f"sound at {rate_hz} Hz, {width} bytes, {n_channels} channels")
        if self._format != (rate_hz, width, n_channels):
            self.clear()
            self._format = rate_hz, width, n_channels
        frame = width * n_channels
        most = min(int(self.longest_s * rate_hz) * frame, LARGEST_BYTES)
        if not self.keeps_end:
            pcm = pcm[: most - self._n_bytes]
        self._pieces.append(pcm)
        self._n_bytes += len(pcm)
        while self._n_bytes - len(self._pieces[0]) >= most:
            self._n_bytes -= len(self._pieces.popleft())

    def sound(self) -> Sound | None:
        """What is held, or None where that is nothing."""
        if self._format is None or not self._n_bytes:
            return None
        return Sound(*self._format, b"".join(self._pieces))

    def clear(self) -> None:
        """Let all go."""
        self._pieces.clear()
        self._n_bytes = 0
