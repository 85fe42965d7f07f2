"""How much a graph multiplies, and how fast one core does: the least time that it can take."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 512  # of the square matrices that the rate is measured with
N_RUNS = 60


def million_products(path: Path, waveform: NDArray[np.float32]) -> float:
    """Multiplications of ``[samples]`` with weights and of matrices with each other, in millions.

    Counted from the shapes of a run; what is done element by element is left out.
    """
    graph = onnx.load(str(path))
    named = {weight.name: numpy_helper.to_array(weight) for weight in graph.graph.initializer}
    outputs = [name for node in graph.graph.node for name in node.output if name]
    del graph.graph.output[:]
    graph.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    session = one_core(graph.SerializeToString(), is_optimised=False)
    named |= dict(zip(outputs, session.run(None, {"waveform": waveform[None]}), strict=True))
    total = 0
    for node in graph.graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm"):
            continue
        first, second = (named[name].shape for name in node.input[:2])
        of_each = math.prod(second[1:]) if node.op_type == "Conv" else first[-1]
        total += named[node.output[0]].size * of_each
    return total / 1e6


def billion_products_per_s() -> float:
    """How many of them one core does in a second at best: of large matrices, in float32."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, SIZE, SIZE)).astype(np.float32)
    shape = [SIZE, SIZE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "rate",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = one_core(model.SerializeToString())
    taken_s = []
    for _ in range(N_RUNS):
        started = time.process_time()
        session.run(None, {"left": left})
        taken_s.append(time.process_time() - started)
    return SIZE**3 / min(taken_s) / 1e9


def one_core(graph: bytes, *, is_optimised: bool = True) -> Any:
    """A session that runs ``graph`` in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not is_optimised:
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
