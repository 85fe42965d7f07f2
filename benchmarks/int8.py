"""The accurate model with 8-bit integers in its trunk: how much faster it is, and who pays for it.

    python -m benchmarks.int8 --data DIR

Weights, and what they are multiplied with, become 8-bit integers (`onnxruntime.quantization`:
static, weights by channel), with ranges from clips of training speakers. The filterbank, pooling
and head stay in float32, and so does what is small or delicate (`IN_FLOAT32`). Both graphs are
optimised by onnxruntime and timed in turn on one core. For every list and every group of ten
speakers or more in it stands by how much the EER of cosines changes, relative to that of float32,
with a 95 % interval from resampled speakers. Vectors are kept in `runs/`, so that a stopped run
goes on. Twenty minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.gaps import REGION_OF, change_of, section_of
from benchmarks.harness.kept import RUNS, bundled_embeddings
from benchmarks.harness.protocols import Protocols
from benchmarks.harness.resampled_rates import weighted_equal_error_rates
from benchmarks.harness.whole_process import n_waiting
from benchmarks.pages.system_tables import int8
from benchmarks.speed import in_turn
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.encoder.batch import embed_manifest
from spkid.encoder.encoder import BUNDLED_MODEL, SpeakerEncoder, loud_enough
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.trials import score_trials

SEED = 0
CLIPS_A_CORPUS = 12  # of training speakers, for the ranges
CLIP_SAMPLES = 3 * SAMPLE_RATE_HZ
MOST_RELATIVE = 0.02  # of its EER, a group may pay
QUANTISED = ("Conv", "MatMul")
SIDES = ("enroll", "test")
# parts of names of nodes; chosen by how little the vectors of training speakers turn
ENDS = ("log_mel", "pooling", "head", "weighting", "mask", "enter", "halve")
IN_FLOAT32 = {"trunk": (*ENDS, "image/body/body.0/"), "trunk, not its image": (*ENDS, "image")}


class Clips:
    """Clips of training speakers, one after the other, as the encoder hears them."""

    def __init__(self, data: Path, manifest: pd.DataFrame) -> None:
        of_corpus = manifest[manifest["split"] == "train"].groupby("corpus")
        paths = of_corpus.sample(CLIPS_A_CORPUS, random_state=SEED).index
        self._left = (load_audio(data / "speech" / path) for path in paths)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next input of the graph; None after the last."""
        clip = next(self._left, None)
        return (
            None if clip is None else {"waveform": loud_enough(np.resize(clip, (1, CLIP_SAMPLES)))}
        )


def quantise(source: Path, target: Path, clips: Clips, in_float32: tuple[str, ...]) -> None:
    """Write ``source`` to ``target``, in 8-bit integers but for the nodes of these names."""
    whole = target.with_suffix(".float32.onnx")  # its weights are no halves that are to be cast
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath, options.log_severity_level = str(whole), 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(whole).graph
    weights = {weight.name for weight in graph.initializer}
    kept = [
        node.name
        for node in graph.node
        if not weights & set(node.input) or any(part in node.name for part in in_float32)
    ]
    quantize_static(
        whole,
        target,
        clips,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=list(QUANTISED),
        nodes_to_exclude=kept,
    )
    written = onnx.load(target)
    named = {each.key: each.value for each in onnx.load(source).metadata_props}
    onnx.helper.set_model_props(written, named)
    onnx.save(written, target)
    whole.unlink()


def embedded(data: Path, paths: list[str], encoder: SpeakerEncoder, out: Path) -> EmbeddingTable:
    """Vectors of the clips, from ``out`` where they are there already."""
    embed_manifest(paths, data / "speech", out, encoder, report=print)
    return EmbeddingTable.load(out)


def grouped(protocols: Protocols) -> Iterator[tuple[str, str, dict[str, str]]]:
    """List, column and the group of each speaker, for all of them and for every way to group."""
    clips = protocols.manifest.drop_duplicates("speaker").set_index("speaker")
    columns = {
        "all": dict.fromkeys(clips.index, "all"),
        **{name: clips[name].to_dict() for name in ("age_group", "gender")},
        "region": clips["language"].map(REGION_OF).fillna("").to_dict(),
    }
    for name in protocols.verify:
        for column, group_of in columns.items():
            yield name, column, group_of


def changes(protocols: Protocols, base: EmbeddingTable, own: EmbeddingTable) -> list[Figures]:
    """Errors and their relative change, a row for each list and each of its groups."""
    rows = []
    for name, column, group_of in grouped(protocols):
        trials = protocols.verify[name]
        speakers = {f"{s}_speaker": trials[s].map(protocols.manifest["speaker"]) for s in SIDES}
        section = section_of(trials.assign(**speakers), np.arange(len(trials)), group_of)
        if column != "all" and len(section.rows) < 2:  # everybody again
            continue
        scores = [score_trials(trials, table) for table in (base, own)]
        for group, at in section.rows.items():
            before, after = (
                weighted_equal_error_rates(score[at], section.label[at], section.weights[:, at])
                for score in scores
            )
            row: Figures = {"list": name, "column": column, "group": group}
            row |= {"n_targets": int(section.label[at].sum())}
            row |= {"float32": float(before[0]), "int8": float(after[0])}
            if before[0] > 0:
                ratio = after / np.where(before > 0, before, np.nan)
                row["relative"] = change_of(ratio, np.ones_like(ratio))
            rows.append(row)
    return rows


def costs(protocols: Protocols, base: EmbeddingTable, own: EmbeddingTable) -> Figures:
    """How far the vectors turn, the rows of :func:`changes`, and how many groups pay too much."""
    rows = changes(protocols, base, own)
    told = [row["relative"]["change"] for row in rows if "relative" in row]
    same = base.vectors[[base.row_of[path] for path in own.row_of]]
    return {
        "mean_cosine": float(np.einsum("ij,ij->i", own.vectors, same).mean()),
        "rows": rows,
        "n_over": sum(change > MOST_RELATIVE for change in told),
    }


def measure(data: Data) -> Figures:
    """Milliseconds for 3 s, and the errors of every list and group, by what is in integers."""
    protocols, folder = Protocols.read(data / "speech"), RUNS / "int8"
    paths = protocols.paths()
    folder.mkdir(parents=True, exist_ok=True)
    base = bundled_embeddings(data / "speech", paths)
    encoders = {"float32": SpeakerEncoder(BUNDLED_MODEL)}
    systems = {}
    for name, in_float32 in IN_FLOAT32.items():
        target = folder / f"{base.model} {name}.onnx"
        if not target.exists():
            quantise(BUNDLED_MODEL, target, Clips(data, protocols.manifest), in_float32)
        encoders[name] = SpeakerEncoder(target)
        own = embedded(data, paths, encoders[name], target.with_suffix(".npz"))
        megabytes = round(target.stat().st_size / 1e6, 1)
        systems[name] = {"megabytes": megabytes, **costs(protocols, base, own)}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    window = np.resize(load_audio(data / "speech" / paths[0]), CLIP_SAMPLES)
    timed = in_turn({name: partial(each.embed, window) for name, each in encoders.items()})
    return {
        "model": base.model,
        "n_waiting": n_waiting(),
        "three_seconds": timed,
        "systems": systems,
    }


BENCHMARK = Benchmark("int8", measure, (int8,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
