"""Which network? Ours in four forms against four baselines, in the same harness.

    python -m benchmarks.architecture --data DIR [--only ecapa] [--steps N]

Every system has about a million parameters (said in the result) and takes the same number of
steps over the same batches: the same clips, crops, augmentation and losses. Two seeds each.
Reported, as the mean over seeds: EER of every list; over the simulated homes of known and of new
speakers the closed-set error (a member taken for another) and FNIR at FPIR 5 % (members missed
while 5 % of guests are let in); parameters; and milliseconds for a clip of three seconds, as an
exported graph on one core. Beside ours stands the claim of the paper it follows (Li et al.,
Interspeech 2020): 12 % lower identification error than the best baseline on known and 30 % on new
speakers. Writes `benchmarks/results/architecture.json`.

Sixteen runs, each kept under `runs/small/`, so that a stopped benchmark goes on where it was.
`--only NAME` trains and measures that system alone and writes no result.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.harness import small_runs
from benchmarks.harness.protocols import Protocols, protocol_figures
from benchmarks.harness.record import RESULTS, write_result
from spkid.cli.output import to_json
from spkid.encoder.encoder import SpeakerEncoder
from spkid.scoring.calibration import raw_cosines
from spkid.training.checkpoint import load_encoder
from spkid.training.export import export_onnx
from spkid.training.networks.backbones import EcapaConfig, LstmConfig, ResNetConfig, XvectorConfig
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork
from spkid.training.networks.registry import network_settings

SEEDS = (1, 2)
OURS = small_runs.SMALL_ENCODER
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


def measure(folder: Path, protocols: Protocols, clips: small_runs.Corpus) -> dict:
    """One run's figures on every list and home."""
    encoder = load_encoder(folder / "encoder.safetensors")
    embeddings = small_runs.run_embeddings(folder, clips)
    figures = protocol_figures(protocols, embeddings, raw_cosines(embeddings.model))
    homes = {speakers: figures["households"][name]["all"] for speakers, name in HOMES.items()}
    record = json.loads((folder / "run.json").read_text())
    return {
        "eer": {name: row["equal_error_rate"] for name, row in figures["verify"].items()},
        "closed_set_error": {name: row["closed_set_error"] for name, row in homes.items()},
        "fnir": {name: row["fnir"] for name, row in homes.items()},
        "n_parameters": sum(p.numel() for p in encoder.parameters()),
        "training_s": record["training_s"],
    }


def mean_of(runs: list[dict]) -> dict:
    """The mean over seeds of every figure, at any depth."""
    if isinstance(runs[0], dict):
        return {key: mean_of([run[key] for run in runs]) for key in runs[0]}
    return float(np.mean(runs))


def against_baselines(means: dict[str, dict], figure: str) -> dict[str, dict]:
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


def main() -> None:
    options = small_runs.parser(__doc__)
    options.add_argument("--only", choices=SYSTEMS, help="one system, no result")
    arguments = small_runs.parsed(options)
    chosen = [arguments.only] if arguments.only else list(SYSTEMS)
    protocols = Protocols.read(arguments.data / "speech")
    training = small_runs.training_clips(arguments.data)
    clips = small_runs.protocol_clips(arguments.data, protocols)
    systems: dict[str, dict] = {}
    for name in chosen:
        runs, folder = [], Path()
        for seed in SEEDS:
            recipe = small_runs.small_recipe(
                seed=seed, n_steps=arguments.steps, n_speakers=16, crop_s=(1.5,)
            )
            recipe = replace(recipe, encoder=SYSTEMS[name])
            label = f"architecture-{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            folder = small_runs.small_run(label, recipe, training)
            runs.append(measure(folder, protocols, clips))
        systems[name] = {
            "network": network_settings(SYSTEMS[name]),
            "ms_a_clip": milliseconds(load_encoder(folder / "encoder.safetensors")),
            "mean": mean_of(runs),
            "seeds": dict(zip(map(str, SEEDS), runs, strict=True)),
        }
        mean = systems[name]["mean"]
        print(
            f"{name}: {mean['n_parameters'] / 1e6:.2f} M parameters, "
            f"{systems[name]['ms_a_clip']:.1f} ms, {mean['training_s']:.0f} s of training"
        )
        for speakers in HOMES:
            print(
                f"  {speakers}: members confused {100 * mean['closed_set_error'][speakers]:.2f} %, "
                f"missed at 5 % of guests {100 * mean['fnir'][speakers]:.2f} %"
            )
    if arguments.only:
        return
    means = {name: system["mean"] for name, system in systems.items()}
    compared = {figure: against_baselines(means, figure) for figure in ("closed_set_error", "fnir")}
    for speakers, row in compared["closed_set_error"].items():
        ours = "undefined" if row["ours"] is None else f"{100 * row['ours']:.0f} % lower"
        print(
            f"{speakers} speakers: ours {ours} than {row['best_baseline']}; "
            f"the paper's {100 * row['paper']:.0f} % lower, on its own data"
        )
    figures = {
        "steps": arguments.steps,
        "same_for_all": "steps, batches of 32 crops of 1.5 s, losses, augmentation",
        "systems": systems,
        "reduction_against_best_baseline": compared,
    }
    path = arguments.out or RESULTS / "architecture.json"
    plain = json.loads(to_json(figures))
    command = small_runs.command("architecture", arguments)
    write_result(path, plain, command=command, seed=SEEDS[0])


if __name__ == "__main__":
    main()
