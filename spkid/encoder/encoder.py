"""The encoder that ships: one ONNX graph, waveform in, vector and frame weights out."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.config import fingerprint
from spkid.encoder.base import Encoder, Vector
from spkid.errors import ModelMismatch, NotFound, SpkidError
from spkid.files import open_regular, why_unreadable

BUNDLED_MODEL = Path(__file__).parents[1] / "models" / "spkid.onnx"
LOADERS = "spkid.encoders"  # entry points: other kinds of encoder by name
# Models that were given out before a model was named by its file, by the digest of that file.
# Profiles and calibrations made with them hold the name of their weights, which they keep.
NAMED_BY_WEIGHTS = {"1881205639fae0f9": "36ec17f3e4124240"}


class SpeakerEncoder(Encoder):
    """An ONNX file that spkid exported. Make one with :meth:`load`.

    Its fingerprint is that of the file's bytes, the very ones that are run: with one bit changed
    it is another model, which no profile and no calibration belongs to. The model bundled since
    before that rule keeps the name that its file was given then, for those bytes alone.
    """

    def __init__(self, path: Path, *, n_threads: int = 1) -> None:
        import onnxruntime

        try:
            with open_regular(path) as file:
                content = file.read()
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            raise (NotFound if is_missing else SpkidError)(
                f"no model {path}"
                if is_missing
                else f"{path}: not a usable model ({why_unreadable(error)})",
                expected="an ONNX file written by spkid's export",
                do="check the path",
                code="model",
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # weights in a second file would not be part of the fingerprint: there is no such folder
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(path / "none")
        )
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            digest = fingerprint(content)
            self.fingerprint = NAMED_BY_WEIGHTS.get(digest, digest)
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.config: dict[str, Any] = json.loads(metadata["spkid.encoder"])
            self.dim = int(self.config["embedding_dim"])
        except Exception as error:  # onnxruntime raises many types of its own
            raise SpkidError(
                f"{path}: not a usable model",
                expected="an ONNX file written by spkid's export",
                do="check the path",
                code="model",
            ) from error
        self.path, self._n_threads = path, n_threads

    @staticmethod
    def load(source: str | Path | None = None, *, n_threads: int = 1) -> Encoder:
        """The bundled model, or the one at ``source``: an ONNX file that spkid exported.

        Neither needs a network or torch. Encoders of another kind are named by it:
        ``speechbrain:FOLDER``, or ``speechbrain:OWNER/NAME`` of a hub, takes the train extra.
        What such a folder says is run as code: load what you trust.

        Raises
        ------
        NotFound
            If there is no such file, or no such kind.
        SpkidError
            If it is no such model, or the extra that it takes is not installed.
        """
        kind, name = kind_and_place(source or "")
        if not kind:
            return SpeakerEncoder(
                BUNDLED_MODEL if source is None else Path(source), n_threads=n_threads
            )
        loaders = entry_points(group=LOADERS)
        if kind not in loaders.names:
            raise NotFound(
                f"no kind of encoder {kind!r}",
                expected=f"one of: {', '.join(sorted(loaders.names))}",
                do=f"write it as in speechbrain:FOLDER, or check the path {source}",
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
        encoder: Encoder = load(name)
        return encoder

    def __reduce__(self) -> tuple[Any, ...]:
        """A process pool's workers open the file again; it must be the same model."""
        return _reopened, (self.path.resolve(), self._n_threads, self.fingerprint)

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        vectors, weights = self._session.run(None, {"waveform": batch})
        return vectors, weights


def kind_and_place(source: str | Path) -> tuple[str, str]:
    """``speechbrain:FOLDER`` in two; the kind is empty for an ONNX file."""
    kind, colon, place = str(source).partition(":")
    if not colon or len(kind) == 1:  # a drive's letter is no kind
        return "", str(source)
    return kind, place


def _reopened(path: Path, n_threads: int, fingerprint: str) -> SpeakerEncoder:
    encoder = SpeakerEncoder(path, n_threads=n_threads)
    if encoder.fingerprint != fingerprint:
        raise ModelMismatch(
            f"{path}: model {encoder.fingerprint}",
            expected=f"{fingerprint}, as it was when it was pickled",
            do="load the model again",
            code="other_model",
        )
    return encoder
