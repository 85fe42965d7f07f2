"""Waveform -> unit speaker vector, by one ONNX graph that holds the log-mel too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, as_waveform, audio_blocks
from spkid.errors import SpkidError

BUNDLED_MODEL = Path(__file__).parents[1] / "models" / "spkid.onnx"
SHORTEST_SAMPLES = 3_200  # 0.2 s
REPEAT_SAMPLES = 2 * SAMPLE_RATE_HZ
WINDOW_SAMPLES = 10 * SAMPLE_RATE_HZ  # attention is quadratic: longer clips are read in windows

Vector = NDArray[np.float32]


class SpeakerEncoder:
    """A speaker encoder ready to embed. Make one with :meth:`load`.

    Attributes
    ----------
    fingerprint : str
        Names the weights; vectors of different fingerprints must not be compared.
    dim : int
        Length of a vector.
    """

    def __init__(self, path: Path, *, n_threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.fingerprint: str = metadata["spkid.fingerprint"]
            self.config: dict = json.loads(metadata["spkid.encoder"])
            self.dim: int = self.config["embedding_dim"]
        except Exception as error:  # onnxruntime raises many types of its own
            raise SpkidError(
                f"{path}: not a usable model",
                expected="an ONNX file written by spkid's export",
                do="check the path",
                code="model",
            ) from error
        self.path = path

    @classmethod
    def load(cls, path: str | Path | None = None, *, n_threads: int = 1) -> SpeakerEncoder:
        """The bundled model, or the one at ``path``: an ONNX file that spkid exported.

        Neither needs a network or torch. With the train extra, ``path`` may also be a folder of
        speechbrain (with ``hyperparams.yaml``) or the name of such a model on the hub, such as
        ``speechbrain/spkrec-ecapa-voxceleb``. What it says there is run: load what you trust.

        Raises
        ------
        SpkidError
            If there is no such model, or the train extra or the network that it takes.
        """
        source = BUNDLED_MODEL if path is None else Path(path)
        if not is_speechbrain(source):
            return cls(source, n_threads=n_threads)
        try:
            # by name: this floor stands without the one above
            foreign = import_module("spkid.training.networks.speechbrain")
        except ImportError as error:
            raise SpkidError(
                f"{source}: a model of speechbrain, which is not installed",
                expected="the train extra",
                do="run: pip install 'spkid[train]'",
                code="no_torch",
            ) from error
        return foreign.SpeechBrainEncoder(source)

    def embed(self, waveform: ArrayLike) -> Vector:
        """Unit vector ``[dim]`` of ``[samples]``, or ``[batch, dim]`` of ``[batch, samples]``.

        Parameters
        ----------
        waveform : float array
            16 kHz, finite, 0.2 s or longer. Shorter than 2 s is repeated; longer than 10 s is
            read in equal windows whose vectors are averaged.

        Raises
        ------
        SpkidError
            If the waveform has another shape, is too short, silent or not finite.
        """
        batch = np.asarray(waveform, dtype=np.float32)
        if batch.ndim != 2:
            return self._embed_blocks([as_waveform(batch)])
        rows = [as_waveform(row) for row in batch]
        if not rows or batch.shape[1] > WINDOW_SAMPLES or not batch.any(axis=1).all():
            vectors = [self._embed_blocks([row]) for row in rows]
            return np.asarray(vectors, dtype=np.float32).reshape(len(rows), self.dim)
        return self._run(repeated(batch))[0]

    def embed_file(self, path: str | Path) -> Vector:
        """Unit vector ``[dim]`` of an audio file of any length; errors as in ``embed``."""
        try:
            return self._embed_blocks(audio_blocks(path))
        except SpkidError as error:
            if error.code == "unreadable":
                raise
            raise SpkidError(
                f"{path}: {error.got}", expected=error.expected, do=error.do, code=error.code
            ) from error

    def frame_weights(self, waveform: ArrayLike) -> NDArray[np.float32]:
        """How much each 20 ms frame of ``[samples]`` counts; ``[frames]``, sums to one.

        At most 10 s; frame ``i`` is centred on ``i * 0.02 + 0.0125`` s.
        """
        samples = as_waveform(waveform)
        if len(samples) > WINDOW_SAMPLES:
            raise SpkidError(
                f"{len(samples) / SAMPLE_RATE_HZ:.1f} s of audio",
                expected="at most ten seconds",
                do="cut the clip",
                code="too_long",
            )
        return self._run(samples[None])[1][0]

    def _embed_blocks(self, blocks: Iterable[Waveform]) -> Vector:
        total = np.zeros(self.dim, dtype=np.float64)
        for window in windows(blocks):
            if window.any() or not len(window):
                total += self._run(repeated(window[None]))[0][0] * len(window)
        if not total.any():
            raise SpkidError(
                "only zeros", expected="sound", do="check the recording", code="no_speech"
            )
        return (total / np.linalg.norm(total)).astype(np.float32)

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        self._check_length(batch)
        vectors, weights = self._session.run(None, {"waveform": batch})
        return vectors, weights

    def _check_length(self, batch: NDArray[np.float32]) -> None:
        n_samples = batch.shape[1]
        if n_samples < SHORTEST_SAMPLES:
            raise SpkidError(
                f"{n_samples / SAMPLE_RATE_HZ:.2f} s of audio",
                expected=f"at least {SHORTEST_SAMPLES / SAMPLE_RATE_HZ:.1f} s",
                do="give a longer clip",
                code="too_short",
            )


def is_speechbrain(source: Path) -> bool:
    """A folder of speechbrain's, or ``owner/name`` of a hub where no such folder is here."""
    if source.is_dir():
        return (source / "hyperparams.yaml").exists()
    is_name = len(source.parts) == 2 and source.suffix != ".onnx"
    return is_name and not source.exists() and not source.parent.exists()


def repeated(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[batch, samples]``, repeated to two seconds where shorter, as in training.

    Shorter than 0.2 s stays as it is, to be refused.
    """
    n_samples = batch.shape[1]
    if not SHORTEST_SAMPLES <= n_samples < REPEAT_SAMPLES:
        return batch
    return np.tile(batch, (1, -(-REPEAT_SAMPLES // n_samples)))


def windows(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
    """Cut consecutive ``blocks`` into windows of 5 to 10 s; a shorter whole is one window."""
    rest = np.empty(0, dtype=np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        # keep more than one window back, so that the last is never a short remainder
        while len(rest) >= 2 * WINDOW_SAMPLES:
            yield rest[:WINDOW_SAMPLES]
            rest = rest[WINDOW_SAMPLES:]
    n_windows = max(1, -(-len(rest) // WINDOW_SAMPLES))
    yield from np.array_split(rest, n_windows)
