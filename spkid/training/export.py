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


def export_onnx(encoder: SpeakerNetwork, path: Path, *, in_bytes: bool = False) -> None:
    """Write ``encoder`` with dynamic batch and length; large weights in half precision.

    With ``in_bytes``, as 8-bit integers with a scale for each row. The Fourier basis stays in
    single precision (its rounding would be heard in quiet bands). Arithmetic is single precision
    throughout.
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
        shrink = round_weights if in_bytes else halve_weights
        shrink(model.graph, keep_shape=tuple(encoder.log_mel.get_buffer("basis").shape))
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
    for tensor in _large(graph, keep_shape):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(_cast(f"{name}.half", name))
    _put_first(graph, casts)


def round_weights(graph: onnx.GraphProto, *, keep_shape: tuple[int, ...]) -> None:
    """Store large float32 initialisers as integers of -127 to 127, each row with its own scale.

    Runtimes multiply them once, when a graph is loaded.
    """
    products = []
    for tensor in _large(graph, keep_shape):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scale = np.maximum(largest, np.finfo(np.float32).tiny) / np.float32(127)
        integers = np.rint(values / scale).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(integers, f"{name}.integers"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        products += [
            _cast(f"{name}.integers", f"{name}.rounded"),
            onnx.helper.make_node(
                "Mul", [f"{name}.rounded", f"{name}.scale"], [name], name=f"{name}.product"
            ),
        ]
    _put_first(graph, products)


def _large(graph: onnx.GraphProto, keep_shape: tuple[int, ...]) -> list[onnx.TensorProto]:
    return [
        tensor
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and np.prod(tensor.dims) >= SMALLEST_HALVED
        and tuple(tensor.dims) != keep_shape
    ]


def _cast(source: str, target: str) -> onnx.NodeProto:
    to = onnx.TensorProto.FLOAT
    return onnx.helper.make_node("Cast", [source], [target], to=to, name=f"{target}.cast")


def _put_first(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    nodes = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
