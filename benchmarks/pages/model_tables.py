"""The tables of what the small model was made from, and of where each result comes from."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import MODELS, RESULTS, command_of, drawn, result, table


def training(legs: Any, calibration: Any) -> str:
    """What the small model was made from."""
    size_mb = (MODELS / "small.onnx").stat().st_size / 1e6
    run = legs[-1]
    crops = [
        f"{leg['train']['n_steps']} of {2 * leg['train']['n_speakers']} + "
        f"{leg['train']['n_unlabelled']} crops"
        for leg in legs
    ]
    minutes = [f"{leg['training_s'] / 60:.0f}" for leg in legs]
    rows = [
        ["fingerprint", calibration["model"]],
        ["parameters", f"{run['n_parameters'] / 1e6:.2f} million; the file has {size_mb:.1f} MB"],
        ["audio heard", f"{run['n_hours']:.1f} h in {run['n_clips']} clips"],
        ["labelled speakers", str(run["n_speakers"])],
        ["steps", ", then ".join(crops)],
        ["seeds", ", ".join(str(leg["train"]["seed"]) for leg in legs)],
        ["minutes on two cores, shared with other work", ", ".join(minutes)],
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
    "training": drawn(training, "training", "calibration"),
    "sources": sources,
}
