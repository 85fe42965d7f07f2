"""PCM frames of any size, one after another -> 16 kHz samples, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.audio.events import BadFrame, DeadMicrophone, Fault, Gap, LiveMicrophone
from spkid.audio.reading import RATES_HZ, SAMPLE_RATE_HZ, Waveform
from spkid.audio.sources import opened
from spkid.errors import BadAudio, SpkidError

SAMPLE_BYTES = 2  # bytes are int16, the lower byte first
BLOCK_S = 1.0  # larger frames are taken in pieces
TOLERANCE_S = 0.02  # by which a frame's time may be off
DEAD_S = 5.0  # digital silence for less is a pause: some programs send it while nobody speaks


@dataclass(frozen=True)
class Piece:
    """Samples at 16 kHz that follow the last piece's; the first ones since ``origin_s`` are new.

    ``ends`` where what comes later does not follow these.
    """

    origin_s: float
    samples: Waveform = field(repr=False)
    ends: bool = False


class PcmReader:
    """One stream's sound, in the order in which it comes; nothing is joined over a fault.

    Memory does not grow. One thread at a time.

    Parameters
    ----------
    rate_hz : float
        Of the frames.

    Raises
    ------
    SpkidError
        If no sound has that rate.
    """

    def __init__(self, rate_hz: float) -> None:
        is_number = isinstance(rate_hz, int | float | np.number) and not isinstance(rate_hz, bool)
        if not is_number or not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
            raise SpkidError(
                f"rate_hz={rate_hz!r}",
                expected=f"a rate from {RATES_HZ[0]:,} to {RATES_HZ[1]:,} Hz",
                do="say at which rate the frames were recorded",
                code="no_rate",
            )
        self._rate_hz = float(rate_hz)
        self._last_code = ""
        self._stillness = _Stillness()
        self._is_dead = False
        self._origin_s, self._n_taken = 0.0, 0  # sound began anew there; samples since
        self._half = b""  # of a sample whose other byte is in the next frame
        self._begin(0.0)

    @property
    def position_s(self) -> float:
        """Where the next sample stands, in seconds from the beginning of the stream."""
        return self._origin_s + self._n_taken / self._rate_hz

    def take(self, frame: object, at_s: float | None = None) -> Iterator[Piece | Fault]:
        """The next samples at 16 kHz, and faults where they are.

        Parameters
        ----------
        frame : bytes, or an array
            The next samples of one channel: bytes of int16, the lower byte first, or an array
            ``[samples]`` of int16, int32 or floats with full scale at 1.
        at_s : float, optional
            Where the first of them stands, by the clock that counts the samples. Where it is
            left out, nothing is missing.
        """
        n_lost = len(frame) if isinstance(frame, np.ndarray) and frame.ndim else 0
        try:
            samples = self._samples(frame)
        except BadAudio as error:
            yield self._end()
            fault = self._bad(error)
            self._begin(self.position_s + n_lost / self._rate_hz)
            yield from fault
            return
        if at_s is not None and not abs(at_s - self.position_s) <= TOLERANCE_S:
            if not (math.isfinite(at_s) and at_s > self.position_s):
                yield from self._bad(out_of_order(at_s, self.position_s))
                return
            yield self._end()
            missing = Gap(self.position_s, at_s - self.position_s)
            self._begin(at_s)
            yield missing
        n_block = round(BLOCK_S * self._rate_hz)
        for start in range(0, len(samples), n_block):
            self._last_code = ""
            yield from self._block(samples[start : start + n_block])

    def finish(self) -> Piece:
        """What the resampler still holds; what comes later follows nothing."""
        return self._end()

    def _samples(self, frame: object) -> NDArray[np.float32]:
        """``frame`` as floats ``[samples]``; ``BadAudio`` where it is no sound."""
        if isinstance(frame, bytes | bytearray | memoryview):
            content = self._half + bytes(frame)
            n_bytes = len(content) // SAMPLE_BYTES * SAMPLE_BYTES
            self._half = content[n_bytes:]
            frame = np.frombuffer(content[:n_bytes], dtype="<i2")
        with opened((frame, self._rate_hz)) as sound:  # type: ignore[arg-type]
            samples: NDArray[np.float32] = sound.samples  # type: ignore[union-attr]
        if samples.shape[1] != 1:
            raise BadAudio(
                f"a frame of shape {samples.shape}",
                expected="one channel, [samples]",
                do="mix the channels down first",
                code="bad_shape",
            )
        return samples[:, 0]

    def _bad(self, error: BadAudio) -> list[BadFrame]:
        """The event for a frame that is not heard; none where the one before had the same fault."""
        is_new, self._last_code = error.code != self._last_code, error.code
        return [BadFrame(self.position_s, error.code, str(error))] if is_new else []

    def _block(self, block: NDArray[np.float32]) -> Iterator[Piece | Fault]:
        start_s = self.position_s
        self._n_taken += len(block)
        still_s = self._stillness.after(block) / self._rate_hz
        if still_s >= DEAD_S:
            if not self._is_dead:
                self._is_dead = True
                yield self._end()
                yield DeadMicrophone(max(0.0, self.position_s - still_s))
            return
        if self._is_dead:
            self._is_dead = False
            self._begin(start_s)
            self._n_taken = len(block)
            yield LiveMicrophone(start_s)
        yield Piece(self._origin_s, self._resampled(block))

    def _begin(self, at_s: float) -> None:
        """What comes next stands ``at_s`` and follows nothing."""
        import soxr

        self._origin_s, self._n_taken = at_s, 0
        self._resampler = (
            soxr.ResampleStream(self._rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
            if self._rate_hz != SAMPLE_RATE_HZ
            else None
        )

    def _end(self) -> Piece:
        rest = self._resampled(np.empty(0, dtype=np.float32), last=True)
        piece = Piece(self._origin_s, rest, ends=True)
        self._begin(self.position_s)
        return piece

    def _resampled(self, samples: NDArray[np.float32], *, last: bool = False) -> Waveform:
        if self._resampler is None:
            return samples
        heard: Waveform = self._resampler.resample_chunk(samples, last=last)
        return heard


def out_of_order(at_s: float, expected_s: float) -> BadAudio:
    """A frame that stands before what was heard already, or nowhere."""
    return BadAudio(
        f"a frame at {at_s:.3f} s",
        expected=f"the next one, at {expected_s:.3f} s or later",
        do="send frames in order, each once",
        code="out_of_order",
    )


class _Stillness:
    """For how many samples nothing has moved."""

    def __init__(self) -> None:
        self._before = np.empty(0, dtype=np.float32)
        self._n_constant = self._n_repeated = 0

    def after(self, block: NDArray[Any]) -> int:
        """The number of samples up to the end of ``block``, which is not empty."""
        changes = np.flatnonzero(block[1:] != block[:-1])
        if len(changes):
            self._n_constant = len(block) - 1 - int(changes[-1])
        else:
            goes_on = bool((block[:1] == self._before[-1:]).all()) and len(self._before) > 0
            self._n_constant = len(block) + goes_on * self._n_constant
        is_repeated = np.array_equal(block, self._before)
        self._n_repeated = self._n_repeated + len(block) if is_repeated else 0
        self._before = block.copy()
        return max(self._n_constant, self._n_repeated)
