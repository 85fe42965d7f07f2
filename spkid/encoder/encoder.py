"""The encoder that ships: one ONNX graph, waveform in, vector and frame weights out."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.encoder.base import Encoder, Vector
from spkid.encoder.graph import open_graph, reopened, unusable
from spkid.errors import NotFound, SpkidError

MODELS = Path(__file__).parents[1] / "models"
BUNDLED = {name: MODELS / f"{name}.onnx" for name in ("accurate", "small")}
BUNDLED_MODEL = BUNDLED["accurate"]  # the default
BOTH = "both"  # the small one, and the accurate one where that is not sure: see Model.load
OWN_GRAPH = "an ONNX file written by spkid's export"
LEAST_PEAK = 0.1  # of what a network hears; full scale is 1
SILENT_PEAK = 1e-6  # less than this is not raised any further
LOADERS = "spkid.encoders"  # entry points: other kinds of encoder by name
HUB = "hub:"  # before the name of a model that is to be fetched


class SpeakerEncoder(Encoder):
    """An ONNX file that spkid exported. Make one with :meth:`load`.

    Its fingerprint is that of the file's bytes, the very ones that are run: with one bit changed
    it is another model, which no profile and no calibration belongs to.
    """

    runs_code = False

    def __init__(self, path: Path, *, n_threads: int = 1) -> None:
        self._session, self.fingerprint = open_graph(path, n_threads=n_threads, expected=OWN_GRAPH)
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.config: dict[str, Any] = json.loads(metadata["spkid.encoder"])
            self.dim = int(self.config["embedding_dim"])
        except (KeyError, TypeError, ValueError) as error:
            raise unusable(path, OWN_GRAPH) from error
        self.path, self._n_threads = path, n_threads

    @staticmethod
    def load(
        source: str | Path | None = None, *, n_threads: int = 1, trust_code: bool = False
    ) -> Encoder:
        """The ``"accurate"`` model (the default), the ``"small"`` one, or the file at ``source``.

        A file is an ONNX graph that spkid exported. None of them needs a network or torch.
        Encoders of another kind are named by it: ``onnx:FILE``
        for a graph that others published (:mod:`spkid.encoder.published`);
        ``speechbrain:FOLDER`` takes the train extra, and ``speechbrain:hub:OWNER/NAME``
        a network too; without ``hub:``, nothing is ever fetched.

        Parameters
        ----------
        trust_code : bool
            Let what is loaded run as code, where it is of a kind that may hold some, as
            speechbrain's folders: they can then do whatever you can.

        Raises
        ------
        NotFound
            If there is no such file, or no such kind.
        SpkidError
            If it is no such model, the extra that it takes is not installed, or it may hold
            code that is not trusted.
        """
        if str(source) == BOTH:
            raise NotFound(
                f"{BOTH} models where one encoder is used",
                expected="one model",
                do="give 'accurate' or 'small'",
                code="model",
            )
        kind, name = kind_and_place(BUNDLED_MODEL if source is None else source)
        if not kind:
            return SpeakerEncoder(Path(name), n_threads=n_threads)
        loaders = entry_points(group=LOADERS)
        if kind not in loaders.names:
            raise NotFound(
                f"no kind of encoder {kind!r}",
                expected=f"one of: {', '.join(sorted(loaders.names))}",
                do=f"write it as in speechbrain:FOLDER, or check the path {source}",
                code="model",
            )
        if not name.startswith(HUB) and not Path(name).exists():
            raise NotFound(
                f"no model {name}",
                expected="a file or folder that is there",
                do=f"check the path; to fetch one from a hub, write {kind}:{HUB}OWNER/NAME",
                code="model",
            )
        try:
            load = loaders[kind].load()
        except ImportError as error:
            raise SpkidError(
                f"{source}: a model of {kind}, which is not installed",
                expected="the train extra",
                do="run: pip install 'spkid[train]'",
                code="no_torch",
            ) from error
        if getattr(load, "runs_code", True) and not trust_code:
            raise SpkidError(
                f"{source}: a model whose files may run as code",
                expected="trust_code=True, where you trust who made it",
                do="give it, or an exported model, which is data alone",
                code="untrusted_code",
            )
        encoder: Encoder = load(name)
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:
        """A process pool's workers open the file again; it must be the same model."""
        return reopened, (SpeakerEncoder, self.path.resolve(), self._n_threads, self.fingerprint)

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        vectors, weights = self._session.run(None, {"waveform": loud_enough(batch)})
        return vectors, weights


def loud_enough(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """``[batch, samples]``, each row raised to a peak of ``LEAST_PEAK``; louder ones as they are.

    The filter banks of CAM++ have a floor, in which quiet speech would drown.
    """
    peaks = np.abs(batch).max(axis=1, keepdims=True, initial=0.0)
    gains = np.maximum(1.0, LEAST_PEAK / np.maximum(peaks, SILENT_PEAK))
    return np.asarray(batch * gains, dtype=np.float32)


def kind_and_place(source: str | Path) -> tuple[str, str]:
    """``speechbrain:FOLDER`` in two; the kind is empty for an ONNX file, also a bundled one."""
    if str(source) in BUNDLED:
        return "", str(BUNDLED[str(source)])
    kind, colon, place = str(source).partition(":")
    if not colon or len(kind) == 1:  # a drive's letter is no kind
        return "", str(source)
    return kind, place
