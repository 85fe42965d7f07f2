"""Encoders of others as their users run them, on one core: for time alone.

Resemblyzer brings its weights (`pip install resemblyzer sherpa-onnx`). ECAPA-TDNN of speechbrain
and CAM++, exported for sherpa-onnx, have random weights of the published sizes: as much work.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig


@dataclass(frozen=True)
class Peer:
    """``million_products`` are multiplications with weights; None where they are not counted."""

    embed: Callable[[], object]
    million_products: float | None


def peers(waveform: Waveform, folder: Path) -> dict[str, Peer]:
    """Each by its name, ready to embed ``[samples]`` at 16 kHz; ``folder`` takes a graph."""
    torch.set_num_threads(1)
    return {
        "Resemblyzer": Peer(resemblyzer(waveform), None),
        "ECAPA-TDNN 1024 (speechbrain)": ecapa_tdnn(waveform),
        "CAM++ (sherpa-onnx)": cam_plus_plus(waveform, folder),
    }


def resemblyzer(waveform: Waveform) -> Callable[[], object]:
    """Its network, an LSTM."""
    from resemblyzer import VoiceEncoder

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda: encoder.embed_utterance(waveform)


def ecapa_tdnn(waveform: Waveform) -> Peer:
    """The network of `spkrec-ecapa-voxceleb`."""
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    fbank, network = Fbank(n_mels=80), ECAPA_TDNN(80, channels=[1024] * 4 + [3072]).eval()
    samples = torch.from_numpy(waveform)[None]

    @torch.inference_mode()
    def embed() -> object:
        return network(fbank(samples))

    return Peer(embed, _million_products(embed))


class _OfFeatures(nn.Module):
    """CAM++ as sherpa-onnx runs it: its filterbank ``[batch, frames, mels]`` in, vectors out."""

    def __init__(self) -> None:
        super().__init__()
        self.network = CamPlusPlus(CamPlusPlusConfig())

    def forward(self, features: Tensor) -> Tensor:
        return self.network.unscaled(features.transpose(1, 2))


def cam_plus_plus(waveform: Waveform, folder: Path) -> Peer:
    """CAM++ in sherpa-onnx."""
    import sherpa_onnx

    network, path = _OfFeatures().eval(), folder / "cam_plus_plus.onnx"
    features = torch.randn(
        1, len(waveform) * 100 // SAMPLE_RATE_HZ - 2, network.network.config.n_mels
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, on shapes that it holds constant
        torch.onnx.export(
            network,
            (features,),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["embedding"],
            dynamic_axes={"x": {0: "batch", 1: "frames"}},
        )
    graph = onnx.load(path)
    told = {"framework": "3d-speaker", "language": "none", "url": "", "comment": "random weights"}
    told |= {"sample_rate": str(SAMPLE_RATE_HZ), "output_dim": "192", "normalize_samples": "1"}
    onnx.helper.set_model_props(graph, {**told, "feature_normalize_type": "global-mean"})
    onnx.save(graph, path)
    config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(path), num_threads=1)
    extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)

    def embed() -> object:
        stream = extractor.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, waveform)
        stream.input_finished()
        return extractor.compute(stream)

    with torch.inference_mode():
        return Peer(embed, _million_products(lambda: network(features)))


def _million_products(run: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops()) / 2e6
