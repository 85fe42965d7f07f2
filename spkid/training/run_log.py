"""What a run tells: the progress bar, the log and curves, and at the end what it was made from."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID
from torch import Tensor

from spkid import __version__
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.files import write_text
from spkid.training.checkpoint import load_encoder, save_encoder
from spkid.training.data.corpus import Corpus
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.run_state import RunState

LOG_EVERY = 50  # steps
PACKAGES = ("torch", "torchaudio", "speechbrain", "numpy", "scikit-learn")


def report(
    run: RunState,
    values: dict[str, Tensor],
    errors: dict[str, float] | None,
    progress: Progress,
    task: TaskID,
) -> None:
    """Show the step, and log it where it is due; ``errors`` are None where nobody measured."""
    if run.step % LOG_EVERY == 0 or errors is not None:
        logged: dict[str, Any] = {name: round(value.item(), 4) for name, value in values.items()}
        run.write_line(logged if errors is None else {**logged, "held_out_eer": errors})
    shown = f"training, loss {values['loss'].item():.2f}"
    if run.lowest_error is not None:
        shown += f", best held-out EER {100 * run.lowest_error:.1f} %"
    progress.update(task, completed=run.step, description=shown)


def finish(run: RunState, encoder: SpeakerNetwork, corpus: Corpus, *, with_teacher: bool) -> None:
    """Write the encoder (the best one where the run waited for it), the record and the curves."""
    if run.settings["train"]["patience"]:
        encoder = load_encoder(run.folder / "best.safetensors")
    save_encoder(run.folder / "encoder.safetensors", encoder)
    record = {
        **run.settings,
        "n_clips": len(corpus),
        "n_hours": round(len(corpus.samples) / SAMPLE_RATE_HZ / 3600, 2),
        "n_speakers": len(set(corpus.speakers) - {""}),
        "n_parameters": sum(p.numel() for p in encoder.parameters()),
        "teacher": with_teacher,
        "n_steps_done": run.step,
        "lowest_mean_held_out_eer": run.lowest_error,
        "training_s": round(run.elapsed_s),
        "commit": source_commit(),
        "spkid": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
    write_text(run.folder / "run.json", json.dumps(record, indent=2) + "\n")
    draw_curves(run.lines(), run.folder / "curves.svg")


def draw_curves(records: list[dict[str, Any]], path: Path) -> None:
    """Loss, and held-out error by corpus, over the steps of the log's ``records``."""
    from spkid.pages import new_figure, to_svg

    with new_figure(9.0, 3.2) as figure:
        left, right = figure.subplots(1, 2)
        left.plot([r["step"] for r in records], [r["loss"] for r in records], marker=".")
        left.set(xlabel="step", ylabel="loss")
        judged = [r for r in records if r.get("held_out_eer")]
        for name in sorted({name for r in judged for name in r["held_out_eer"]}):
            points = [(r["step"], 100 * r["held_out_eer"][name]) for r in judged]
            right.plot(*zip(*points, strict=True), marker=".", label=name)
        right.set(xlabel="step", ylabel="held-out EER, %")
        if judged:
            right.legend()
        curves = to_svg(figure)
    write_text(path, curves)


def source_commit() -> str | None:
    """The commit of the checkout that this package is run from; None where it is installed."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None  # installed: a repository around it is somebody else's
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
