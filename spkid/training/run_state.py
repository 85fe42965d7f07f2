"""The state of a run and its folder: how far it has come, its checkpoint and its log."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spkid import files
from spkid.errors import BadConfig, SpkidError
from spkid.training.checkpoint import load_tensors, save_tensors


@dataclass
class RunState:
    """All that a run needs to be resumed: what it keeps, and how far it has come.

    ``settings`` must be the same when it is resumed. ``lowest_error`` is the lowest mean held-out
    error so far and ``n_stale`` the number of evaluations since.
    """

    folder: Path
    settings: dict[str, Any]
    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    step: int = 0
    elapsed_s: float = 0.0
    lowest_error: float | None = None
    n_stale: int = 0

    def __post_init__(self) -> None:
        self.settings = json.loads(json.dumps(self.settings))
        self._clock_s = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """All that is kept, in one file."""
        return self.folder / "checkpoint.safetensors"

    def tick(self) -> None:
        """One more step is done."""
        now_s = time.monotonic()
        self.step, self.elapsed_s = self.step + 1, self.elapsed_s + now_s - self._clock_s
        self._clock_s = now_s

    def judge(self, errors: dict[str, float]) -> bool:
        """Count an evaluation by the mean of its errors; whether it is the best so far."""
        error = float(np.mean(list(errors.values())))
        best = self.lowest_error is None or error < self.lowest_error
        self.lowest_error = error if best else self.lowest_error
        self.n_stale = 0 if best else self.n_stale + 1
        return best

    def save(self) -> None:
        """Write everything into one safetensors file."""
        tensors = {
            f"{name}/{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}/{index}/{key}": value for key, value in moments.items()}
        metadata = {
            "settings": self.settings,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "lowest_error": self.lowest_error,
            "n_stale": self.n_stale,
        }
        save_tensors(self.checkpoint, tensors, metadata)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of the same settings.

        Raises
        ------
        SpkidError
            If it is of other settings or other clips, or damaged.
        """
        if not self.checkpoint.exists():
            return
        tensors, metadata = load_tensors(self.checkpoint)
        stated = metadata["settings"]
        different = sorted(
            key for key in {*stated, *self.settings} if stated.get(key) != self.settings.get(key)
        )
        if different:
            raise BadConfig(
                f"{self.checkpoint}: a checkpoint of another configuration "
                f"({', '.join(different)})",
                expected="the configuration and the clips that started this run",
                do="choose an empty folder or restore the configuration",
            )
        for name, module in self.modules.items():
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            module.load_state_dict(own, strict=True)
        for name, optimiser in self.optimisers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"{name}/"):
                    _, index, moment = key.split("/")
                    moments.setdefault(int(index), {})[moment] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        self.step, self.elapsed_s = metadata["step"], metadata["elapsed_s"]
        self.lowest_error, self.n_stale = metadata["lowest_error"], metadata["n_stale"]

    @property
    def log(self) -> Path:
        """A JSON object a line, for one step each."""
        return self.folder / "log.jsonl"

    def lines(self) -> list[dict[str, Any]]:
        """The log up to the present step: what a stopped run logged beyond it comes again."""
        if not self.log.exists():
            return []
        records = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                break  # the line at which the run was killed
        return [record for record in records if record["step"] <= self.step]

    def begin(self) -> None:
        """Make the folder, and drop what the log has beyond the present step."""
        files.made_folder(self.folder)
        files.write_text(self.log, "".join(json.dumps(record) + "\n" for record in self.lines()))

    def write_line(self, values: dict[str, Any]) -> None:
        """Append one step's figures to the log."""
        record = {"step": self.step, "elapsed_s": round(self.elapsed_s), **values}
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise SpkidError(
                f"{self.log}: {files.why_unreadable(error)}",
                expected="room on the disk and leave to write",
                do="make room and start again; the last checkpoint is kept",
                code="unwritable",
            ) from error
