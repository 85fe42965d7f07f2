"""Which network? Ours in four forms against four baselines, in the same harness.

    python -m benchmarks.architecture --data DIR [--steps N]

Every system has about a million parameters (said in the result) and takes the same number of
steps over the same batches: the same clips, crops, augmentation and losses. Two seeds each.
Reported, as the mean over seeds: EER of every list; over the simulated homes of known and of new
speakers the closed-set error (a member taken for another) and FNIR at FPIR 5 % (members missed
while 5 % of guests are let in); parameters; and milliseconds for a clip of three seconds, as an
exported graph on one core. Beside ours stands the claim of the paper it follows (Li et al.,
Interspeech 2020): 12 % lower identification error than the best baseline on known and 30 % on new
speakers. Writes `benchmarks/results/architecture.json`.

Sixteen runs, each kept under `runs/small/`, so that a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import protocol_figures
from benchmarks.harness.small_runs import (
    N_STEPS,
    SMALL_ENCODER,
    SmallStudy,
    mean_of,
    run_facts,
    small_recipe,
    small_run,
)
from benchmarks.pages.training_tables import architecture, architecture_paper
from spkid.encoder.encoder import SpeakerEncoder
from spkid.scoring.scale import raw_cosines
from spkid.training.checkpoint import load_encoder
from spkid.training.export import export_onnx
from spkid.training.networks.backbones import EcapaConfig, LstmConfig, ResNetConfig, XvectorConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.registry import network_settings

SEEDS = (1, 2)
OURS = SMALL_ENCODER
BASELINES: dict[str, NetworkConfig] = {
    "xvector": XvectorConfig(n_channels=240, n_pooled_channels=720),
    "ecapa": EcapaConfig(n_channels=176, n_pooled_channels=528, n_attention_channels=64),
    "lstm": LstmConfig(n_hidden=208),
    "resnet": ResNetConfig(n_channels=(16, 24, 48, 96), n_blocks=(2, 2, 2, 2)),
}
# without attention two more convolutions keep the size
FORMS: dict[str, NetworkConfig] = {
    "ours": OURS,
    "ours, frame mean": replace(OURS, pooling="mean"),
    "ours, no self-attention": replace(OURS, n_attention_blocks=0, n_conv_blocks=5),
    "ours, neither": replace(OURS, n_attention_blocks=0, n_conv_blocks=5, pooling="mean"),
}
SYSTEMS = {**BASELINES, **FORMS}
PAPER = {"known": 0.12, "new": 0.30}  # relative reduction of the identification error
HOMES = {"known": "households_known_speechocean762", "new": "households_new_speechocean762"}
N_TIMED = 30


def milliseconds(encoder: SpeakerNetwork) -> float:
    """Median for three seconds of sound, exported, on one core."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, on shapes that it holds constant
        export_onnx(encoder, Path(folder) / "m.onnx")
        exported = SpeakerEncoder.load(Path(folder) / "m.onnx")
    clip = np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    times = []
    for _ in range(5 + N_TIMED):
        start = time.perf_counter()
        exported.embed(clip)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[5:])


def run_figures(study: SmallStudy, folder: Path) -> Figures:
    """One run's figures on every list and home."""
    encoder = load_encoder(folder / "encoder.safetensors")
    embeddings = study.vectors(folder)
    figures = protocol_figures(study.protocols, embeddings, raw_cosines(embeddings.model))
    homes = {speakers: figures["households"][name]["all"] for speakers, name in HOMES.items()}
    return {
        "eer": {name: row["equal_error_rate"] for name, row in figures["verify"].items()},
        "closed_set_error": {name: row["closed_set_error"] for name, row in homes.items()},
        "fnir": {name: row["fnir"] for name, row in homes.items()},
        "n_parameters": sum(p.numel() for p in encoder.parameters()),
        "training_s": run_facts(folder)["training_s"],
    }


def against_baselines(means: dict[str, Figures], figure: str) -> Figures:
    """Relative reduction of our ``figure`` against the best baseline, beside the paper's."""
    compared = {}
    for speakers, claim in PAPER.items():
        best = min(BASELINES, key=lambda name: means[name][figure][speakers])
        lowest = means[best][figure][speakers]
        compared[speakers] = {
            "best_baseline": best,
            "paper": claim,
            **{
                name: 1 - means[name][figure][speakers] / lowest if lowest else None
                for name in FORMS
            },
        }
    return compared


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """Figures of every system, and how ours compares with the best baseline."""
    study = SmallStudy(data, steps)
    systems: dict[str, Figures] = {}
    for name, network in SYSTEMS.items():
        runs, folder = [], Path()
        for seed in SEEDS:
            recipe = small_recipe(seed=seed, n_steps=steps, n_speakers=16, crop_s=(1.5,))
            label = f"architecture-{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            folder = small_run(label, replace(recipe, encoder=network), study.clips)
            runs.append(run_figures(study, folder))
        systems[name] = {
            "network": network_settings(network),
            "ms_a_clip": milliseconds(load_encoder(folder / "encoder.safetensors")),
            "mean": mean_of(runs),
            "seeds": dict(zip(map(str, SEEDS), runs, strict=True)),
        }
    means = {name: system["mean"] for name, system in systems.items()}
    return {
        "steps": steps,
        "same_for_all": "steps, batches of 32 crops of 1.5 s, losses, augmentation",
        "systems": systems,
        "reduction_against_best_baseline": {
            figure: against_baselines(means, figure) for figure in ("closed_set_error", "fnir")
        },
    }


TABLES = (architecture, architecture_paper)
BENCHMARK = Benchmark("architecture", measure, TABLES, seed=SEEDS[0])

if __name__ == "__main__":
    BENCHMARK.main()
