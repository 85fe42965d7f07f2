"""The tables of what the small model was made from, and of where each result comes from."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import MODELS, RESULTS, command_of, drawn, result, table


def training(first: Any, second: Any, calibration: Any) -> str:
    """What the small model was made from, and how it was taught, in two legs."""
    size_mb = (MODELS / "small.onnx").stat().st_size / 1e6
    network, legs = second["settings"]["encoder"], (first, second)
    told = [leg["settings"]["distillation"] for leg in legs]
    own = told[-1]
    n_crops = second["settings"]["n_processes"] * (2 * own["n_speakers"] + own["n_unlabelled"])
    rates = [f"{leg['settings']['schedule']['learning_rate']:g}" for leg in legs]
    rows = [
        ["fingerprint", calibration["model"]],
        ["size of the file", f"{size_mb:.1f} MB"],
        ["image channels", str(network["n_image_channels"])],
        ["layers of the dense blocks", ", ".join(map(str, network["n_layers"]))],
        [f"steps of {n_crops} crops", ", then ".join(f"{leg['step']:,}" for leg in legs)],
        ["highest learning rate", ", then ".join(rates)],
        ["seeds", ", ".join(str(each["seed"]) for each in told)],
        ["minutes on two cores", ", ".join(f"{leg['elapsed_s'] / 60:.0f}" for leg in legs)],
        ["calibration", calibration["trained_on"]],
    ]
    return table(["training", ""], rows)


def sources() -> str:
    """Which command made which file, and when."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        own = result(path.stem)
        commit = (own["commit"] or "unknown")[:10]
        rows.append([f"`{path.name}`", f"`{command_of(own)}`", commit, own["date"][:10]])
    return table(["file in `benchmarks/results/`", "command", "commit", "date"], rows)


BLOCKS = {
    "training": drawn(training, "first_leg", "second_leg", "calibration"),
    "sources": sources,
}
