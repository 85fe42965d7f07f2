"""Thinned networks of several sizes: error against time, before and after they were taught.

    python -m benchmarks.small_sizes --data DIR --networks runs/small/sizes

`--networks` holds checkpoints as `benchmarks.model.thin` writes them; the kept weights of the
accurate model and of the small one, which was taught, are measured beside them. EER over all pairs
of up to eight clips of each held-out training speaker, by corpus, and of the corpora that were left
out; the cosine to the accurate model's vectors of these clips; and the processor's milliseconds for
3 s on one core, as exported, in turn with each other. The `test` split is not touched. Two minutes
a network.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from rich.progress import Progress

from benchmarks.harness.benchmark import Benchmark, Data, Figures, File
from benchmarks.harness.whole_process import n_waiting
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, training_data
from benchmarks.pages.training_tables import small_sizes
from benchmarks.speed import in_turn
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.encoder.encoder import SpeakerEncoder
from spkid.training.checkpoint import load_encoder, weights_fingerprint
from spkid.training.data.corpora import load_corpora
from spkid.training.export import export_onnx
from spkid.training.held_out import embed_clips, errors_by_corpus, judged_clips
from spkid.training.networks.attentive_trunk import AttentiveTrunkConfig

WINDOW_SAMPLES = 3 * SAMPLE_RATE_HZ
KEPT = ("accurate", "small")


def measure(data: Data, networks: File) -> Figures:
    """Every network's figures, by its name."""
    places = {name: CHECKPOINTS / f"{name}.safetensors" for name in KEPT}
    places |= {place.stem: place for place in sorted(networks.glob("*.safetensors"))}
    left_out = LEFT_OUT.split(",")
    with Progress() as progress:
        held_out = load_corpora(replace(training_data(data), noise=""), progress).held_out
    chosen = judged_clips(held_out)
    speakers, corpora = (
        np.array([names[row] for row in chosen]) for names in (held_out.speakers, held_out.corpora)
    )
    figures: dict[str, Figures] = {}
    encoders = {}
    reference = None
    with tempfile.TemporaryDirectory() as folder:
        for name, place in places.items():
            network = load_encoder(place)
            sizes = asdict(cast(AttentiveTrunkConfig, network.config))
            vectors = embed_clips(network, held_out, chosen)
            reference = vectors if reference is None else reference
            errors = errors_by_corpus(vectors, speakers, corpora)
            aside = [errors.pop(corpus) for corpus in left_out]
            graph = Path(folder) / f"{name}.onnx"
            export_onnx(network, graph)
            encoders[name] = SpeakerEncoder(graph)
            figures[name] = {
                "fingerprint": weights_fingerprint(network),
                **{size: sizes[size] for size in ("n_image_channels", "n_layers", "n_narrow")},
                "n_weights": sum(parameter.numel() for parameter in network.parameters()),
                "cosine": float(np.einsum("ij,ij->i", vectors, reference).mean()),
                "held_out": errors,
                "left_out": dict(zip(left_out, aside, strict=True)),
            }
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # a network takes as long for noise as for speech
    window = np.random.default_rng(0).normal(0, 0.1, WINDOW_SAMPLES).astype(np.float32)
    timed = in_turn({name: partial(each.embed, window) for name, each in encoders.items()})
    for name, spent in timed.items():
        figures[name]["ms"] = spent["min_ms"]
    return {"n_waiting": n_waiting(), "networks": figures}


BENCHMARK = Benchmark("small_sizes", measure, (small_sizes,))

if __name__ == "__main__":
    BENCHMARK.main()
