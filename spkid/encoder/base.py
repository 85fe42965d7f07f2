"""What every speaker encoder is: a waveform in, a unit vector out.

A child says how a batch is run; lengths, windows and checks are the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, as_waveform, load_audio, without_offset
from spkid.encoder.unit import are_unit
from spkid.errors import BadAudio, SpkidError

SHORTEST_SAMPLES = 3_200  # 0.2 s
REPEAT_SAMPLES = 2 * SAMPLE_RATE_HZ
WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ  # attention is quadratic: longer clips are read in windows

Vector = NDArray[np.float32]


class Encoder(ABC):
    """A speaker encoder ready to embed.

    Attributes
    ----------
    path : Path
        Where it was loaded from.
    fingerprint : str
        Names the weights; vectors of different fingerprints must not be compared.
    dim : int
        Length of a vector.
    runs_code : bool
        Whether what is loaded may hold code that runs; true where a kind does not say.
    """

    runs_code: ClassVar[bool] = True  # a kind whose files are data alone says so
    path: Path
    fingerprint: str
    dim: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fingerprint!r}, dim={self.dim})"

    @abstractmethod
    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        """Unit vectors ``[batch, dim]`` and frame weights of ``[batch, samples]``.

        A network that does not say which frames counted gives weights ``[batch, 0]``.
        """

    def embed(self, waveform: ArrayLike) -> Vector:
        """Unit vector ``[dim]`` of ``[samples]``, or ``[batch, dim]`` of ``[batch, samples]``.

        Parameters
        ----------
        waveform : float array
            16 kHz, finite, 0.2 s or longer. Shorter than 2 s is repeated; longer than 10 s is
            read in equal windows whose vectors are averaged.

        Raises
        ------
        BadAudio
            If the waveform has another shape, is too short, silent or not finite.
        SpkidError
            If the model gives anything but unit vectors ``[dim]``: it is damaged, or no encoder.
        """
        batch = np.asarray(waveform, dtype=np.float32)
        if batch.ndim != 2:
            return self._embed_blocks([as_waveform(batch)])
        rows = [as_waveform(row) for row in batch]
        if not rows or batch.shape[1] > WINDOW_SAMPLES or not batch.any(axis=1).all():
            vectors = [self._embed_blocks([row]) for row in rows]
            return np.asarray(vectors, dtype=np.float32).reshape(len(rows), self.dim)
        return self._unit_vectors(repeated(batch))

    def embed_file(self, path: str | Path) -> Vector:
        """Unit vector ``[dim]`` of an audio file of at most ten minutes, without its offset.

        Errors as in ``embed``.
        """
        return self.embed_read(path, load_audio(path))

    def embed_read(self, path: str | Path, waveform: Waveform) -> Vector:
        """:meth:`embed_file`, of the ``[samples]`` that ``load_audio`` read from ``path``."""
        try:
            return self._embed_blocks([without_offset(waveform)])
        except SpkidError as error:
            raise type(error)(
                f"{path}: {error.got}", expected=error.expected, do=error.do, code=error.code
            ) from error

    def begin(self) -> RunningEmbedding:
        """A vector that is made while the sound comes in."""
        return RunningEmbedding(self)

    def frame_weights(self, waveform: ArrayLike) -> NDArray[np.float32]:
        """How much each 20 ms frame of ``[samples]`` counts; ``[frames]``, sums to one.

        At most 10 s; frame ``i`` is centred on ``i * 0.02 + 0.0125`` s.

        Raises
        ------
        BadAudio
            As :meth:`embed`, or if the waveform is longer.
        SpkidError
            If the encoder does not say which frames counted.
        """
        samples = as_waveform(waveform)
        if len(samples) > WINDOW_SAMPLES:
            raise BadAudio(
                f"{len(samples) / SAMPLE_RATE_HZ:.1f} s of audio",
                expected="at most ten seconds",
                do="cut the clip",
                code="too_long",
            )
        _, weights = self._checked_run(samples[None])
        if not np.isfinite(weights).all():
            raise self._damaged("frame weights that are not finite")
        if not weights.size:
            raise SpkidError(
                f"{self.path}: tells no frame weights",
                expected="an encoder that spkid trained",
                do="use embed alone",
                code="model",
            )
        return np.asarray(weights[0])

    def _embed_blocks(self, blocks: Iterable[Waveform]) -> Vector:
        running = self.begin()
        for block in blocks:
            running.add(block)
        return running.vector()

    def _checked_run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        n_samples = batch.shape[1]
        if n_samples < SHORTEST_SAMPLES:
            raise BadAudio(
                f"{n_samples / SAMPLE_RATE_HZ:.2f} s of audio",
                expected=f"at least {SHORTEST_SAMPLES / SAMPLE_RATE_HZ:.1f} s",
                do="give a longer clip",
                code="too_short",
            )
        return self._run(batch)

    def _unit_vectors(self, batch: NDArray[np.float32]) -> Vector:
        """Vectors ``[batch, dim]``; a damaged model's must not come near a decision."""
        vectors, _ = self._checked_run(batch)
        if np.shape(vectors)[:-1] != (len(batch),) or not are_unit(vectors, dim=self.dim):
            raise self._damaged(f"a vector that is not finite, of unit length and of {self.dim}")
        return vectors

    def _damaged(self, what: str) -> SpkidError:
        return SpkidError(
            f"{self.path}: a model that gives {what}",
            expected="a model file as it was exported",
            do="fetch or export it again",
            code="model",
        )


class RunningEmbedding:
    """The mean vector of a clip's windows, as blocks come in; at most 20 s of sound are held."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rest = np.empty(0, dtype=np.float32)
        self._total = np.zeros(encoder.dim, dtype=np.float64)

    def add(self, block: Waveform) -> None:
        """The next samples, float32 ``[samples]``."""
        self._rest = np.concatenate([self._rest, block])
        # more than one window is kept back, so that the last is never a short remainder
        while len(self._rest) >= 2 * WINDOW_SAMPLES:
            self._take(self._rest[:WINDOW_SAMPLES])
            self._rest = self._rest[WINDOW_SAMPLES:]

    def vector(self) -> Vector:
        """Unit vector ``[dim]`` of all that came in; ends the run.

        Raises
        ------
        BadAudio
            If it was too short or silent.
        """
        n_windows = max(1, -(-len(self._rest) // WINDOW_SAMPLES))
        for window in np.array_split(self._rest, n_windows):
            self._take(window)
        if not self._total.any():
            raise BadAudio(
                "only zeros", expected="sound", do="check the recording", code="no_speech"
            )
        return np.asarray(self._total / np.linalg.norm(self._total), dtype=np.float32)

    def _take(self, window: Waveform) -> None:
        if window.any() or not len(window):
            self._total += self._encoder._unit_vectors(repeated(window[None]))[0] * len(window)


def repeated(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[batch, samples]``, repeated to two seconds where shorter, as in training.

    Shorter than 0.2 s stays as it is, to be refused.
    """
    n_samples = batch.shape[1]
    if not SHORTEST_SAMPLES <= n_samples < REPEAT_SAMPLES:
        return batch
    return np.tile(batch, (1, -(-REPEAT_SAMPLES // n_samples)))
