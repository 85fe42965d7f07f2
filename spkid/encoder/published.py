"""Speaker encoders that others published as ONNX, behind the face of ours.

WeSpeaker, 3D-Speaker and NeMo take log filterbanks, ReDimNet2 and others the waveform. What a
graph wants is not always in the file, so it stands in a small JSON file beside it,
``mine.features.json`` of ``mine.onnx``; a graph that was converted for sherpa-onnx says itself
whose it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.config import canonical_json, fingerprint, from_mapping
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.graph import open_graph, reopened
from spkid.errors import SpkidError
from spkid.files import parse_json, read_text

FRAME_MS, HOP_MS = 25.0, 10.0
INT16 = 32_768.0


@dataclass(frozen=True)
class Features:
    """What a graph takes. ``kind`` is ``"waveform"`` or ``"fbank"``; the rest is of the latter.

    ``scale`` is what samples of -1 to 1 are multiplied with. ``window`` and ``librosa_mel`` are
    those of kaldi-native-fbank. ``normalise`` takes each band's ``"mean"`` over time away, or
    divides by its deviation too (``"mean_and_deviation"``), or does ``"nothing"``. ``mels_first``
    is the order of the axes behind the batch.
    """

    kind: str = "fbank"
    n_mels: int = 80
    window: str = "povey"
    lowest_hz: float = 20.0
    scale: float = 1.0
    librosa_mel: bool = False
    normalise: str = "mean"
    mels_first: bool = False

    def __post_init__(self) -> None:
        choices = {"kind": ("waveform", "fbank"), "window": ("povey", "hamming", "hann")}
        choices["normalise"] = ("mean", "mean_and_deviation", "nothing")
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise SpkidError(
                    f"{name} {getattr(self, name)!r}",
                    expected=f"one of {', '.join(known)}",
                    do="correct the file of features",
                    code="model",
                )


# as each project computes them; 3D-Speaker's are torchaudio's Kaldi features as they come
FAMILIES = {
    "wespeaker": Features(window="hamming", scale=INT16),
    "3d-speaker": Features(),
    "nemo": Features(
        window="hann",
        lowest_hz=0.0,
        librosa_mel=True,
        normalise="mean_and_deviation",
        mels_first=True,
    ),
    "waveform": Features(kind="waveform"),
}


class PublishedEncoder(Encoder):
    """An ONNX file that others published, as ``Model.load("onnx:FILE")`` reads it.

    One input, or a second one for the number of frames or samples; the first output of shape
    ``[batch, dim]`` is the vector. It needs a calibration of its own before it can decide:
    ``spkid fit``.

    Raises
    ------
    SpkidError
        If the file is not such a graph, or it is not known which features it takes.
    """

    runs_code = False

    def __init__(self, source: str | Path, *, n_threads: int = 1) -> None:
        self.path, self._n_threads = Path(source), n_threads
        self._session, digest = open_graph(
            self.path, n_threads=n_threads, expected="an ONNX file of a speaker encoder"
        )
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.features = features_of(self.path, metadata.get("framework", ""))
        inputs = self._session.get_inputs()
        self._input, self._more_inputs = inputs[0].name, inputs[1:]
        self._output = 0
        self._output, self.dim = self._find_vector()
        self.config = {"onnx": self.path.name, **asdict(self.features)}
        self.fingerprint = fingerprint(canonical_json(asdict(self.features)), digest.encode())

    def __reduce__(self) -> tuple[Any, ...]:
        """A process pool's workers open the file again; it must be the same model."""
        return reopened, (PublishedEncoder, self.path.resolve(), self._n_threads, self.fingerprint)

    def _find_vector(self) -> tuple[int, int]:
        """Which output is the vector, and its length: the first of shape ``[batch, dim]``."""
        silence = np.zeros((1, SAMPLE_RATE_HZ), dtype=np.float32)
        silence[0, ::200] = 0.1
        for number, found in enumerate(self._outputs(silence)):
            if found.ndim == 2 and found.shape[0] == 1:
                return number, found.shape[1]
        raise SpkidError(
            f"{self.path}: no output of shape [batch, dim]",
            expected="an encoder that gives one vector a clip",
            do="export the encoder without its classifier",
            code="model",
        )

    def _outputs(self, batch: NDArray[np.float32]) -> list[NDArray[Any]]:
        own = batch if self.features.kind == "waveform" else filterbanks(batch, self.features)
        feed: dict[str, NDArray[Any]] = {self._input: own}
        for further in self._more_inputs:  # NeMo asks how many frames there are
            length = own.shape[-1] if self.features.mels_first else own.shape[1]
            feed[further.name] = np.full(len(own), length, dtype=np.int64)
        try:
            found: list[NDArray[Any]] = self._session.run(None, feed)
        except Exception as error:  # onnxruntime raises many types of its own
            reason = str(error).strip().splitlines()[-1]
            raise SpkidError(
                f"{self.path}: the model does not take features of the shape {list(own.shape)} "
                f"({reason})",
                expected="the features that it was trained on",
                do=f"correct {sidecar(self.path).name}",
                code="model",
            ) from error
        return found

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        vectors = self._outputs(batch)[self._output].astype(np.float32)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors, np.empty((len(batch), 0), dtype=np.float32)


def sidecar(path: Path) -> Path:
    """Where the features of a graph are told: ``mine.features.json`` of ``mine.onnx``."""
    return path.with_suffix(".features.json")


def features_of(path: Path, framework: str) -> Features:
    """From the file beside the graph, or from what the graph says of its ``framework``.

    The file holds ``{"like": FAMILY}``, with the keys of :class:`Features` that differ from it.

    Raises
    ------
    SpkidError
        If neither is there, or the file is not as it should be.
    """
    place = sidecar(path)
    if not place.exists():
        if framework.lower() in FAMILIES:
            return FAMILIES[framework.lower()]
        raise SpkidError(
            f"{path}: nothing says which features it takes",
            expected=f"{place.name} beside it",
            do=f'write it, such as {{"like": "wespeaker"}}; families are {", ".join(FAMILIES)}',
            code="model",
        )
    try:
        told = parse_json(read_text(place))
        family = FAMILIES[told.pop("like", "3d-speaker")]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SpkidError(
            f"{place}: not the features of a model",
            expected=f'JSON such as {{"like": "wespeaker"}}; families are {", ".join(FAMILIES)}',
            do="correct the file",
            code="model",
        ) from error
    return from_mapping(Features, {**asdict(family), **told})


def filterbanks(batch: NDArray[np.float32], features: Features) -> NDArray[np.float32]:
    """Log filterbanks of ``[batch, samples]``: ``[batch, frames, mels]``, or mels first."""
    found = np.stack([_filterbank(row, features) for row in batch])
    if features.normalise != "nothing":
        found = found - found.mean(axis=1, keepdims=True)
    if features.normalise == "mean_and_deviation":
        found = found / (found.std(axis=1, keepdims=True) + 1e-5)
    return np.ascontiguousarray(found.transpose(0, 2, 1) if features.mels_first else found)


def _filterbank(waveform: NDArray[np.float32], features: Features) -> NDArray[np.float32]:
    try:
        import kaldi_native_fbank
    except ImportError as error:
        raise SpkidError(
            "a model that takes filterbanks, without kaldi-native-fbank",
            expected="the encoders extra",
            do="run: pip install 'spkid[encoders]'",
            code="model",
        ) from error
    options = kaldi_native_fbank.FbankOptions()
    frames, mels = options.frame_opts, options.mel_opts
    frames.samp_freq, frames.dither = SAMPLE_RATE_HZ, 0.0
    frames.frame_length_ms, frames.frame_shift_ms = FRAME_MS, HOP_MS
    frames.window_type, frames.snip_edges = features.window, True
    frames.remove_dc_offset = not features.librosa_mel
    mels.num_bins, mels.low_freq, mels.high_freq = features.n_mels, features.lowest_hz, 0.0
    mels.is_librosa = features.librosa_mel
    options.use_energy = False
    online = kaldi_native_fbank.OnlineFbank(options)
    online.accept_waveform(SAMPLE_RATE_HZ, (waveform * np.float32(features.scale)).tolist())
    online.input_finished()
    return np.stack([online.get_frame(index) for index in range(online.num_frames_ready)])
