"""Export a trained encoder as one ONNX graph, waveform in, vector and frame weights out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from spkid.files import whole_file
from spkid.training.checkpoint import weights_fingerprint
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.networks.registry import network_settings

SMALLEST_HALVED = 2_048  # values; smaller weights stay in single precision


def export_onnx(encoder: SpeakerNetwork, path: Path) -> None:
    """Write ``encoder`` with dynamic batch and length; large weights in half precision.

    The Fourier basis stays in single precision (its rounding would be heard in quiet bands).
    Arithmetic is single precision throughout.
    """
    with whole_file(path) as file, tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.onnx"  # torch and onnx write to names
        torch.onnx.export(
            encoder.eval(),
            (torch.randn(2, 16_000),),
            str(graph),
            dynamo=False,
            opset_version=17,
            input_names=["waveform"],
            output_names=["embedding", "frame_weights"],
            dynamic_axes={
                "waveform": {0: "batch", 1: "samples"},
                "embedding": {0: "batch"},
                "frame_weights": {0: "batch", 1: "frames"},
            },
        )
        model = onnx.load(graph)
        halve_weights(model.graph, keep_shape=tuple(encoder.log_mel.get_buffer("basis").shape))
        metadata = {
            "spkid.encoder": json.dumps(network_settings(encoder.config)),
            "spkid.fingerprint": weights_fingerprint(encoder),
        }
        onnx.helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        file.write(model.SerializeToString())


def halve_weights(graph: onnx.GraphProto, *, keep_shape: tuple[int, ...]) -> None:
    """Store large float32 initialisers as float16 behind a cast back to float32."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if (
            values.dtype != np.float32
            or values.size < SMALLEST_HALVED
            or values.shape == keep_shape
        ):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT, name=f"{name}.cast"
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
