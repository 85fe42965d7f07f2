"""The bundled model, or any table of embeddings, on every protocol list.

    python -m benchmarks.accuracy --data DIR
    python -m benchmarks.accuracy --data DIR --name resemblyzer --embeddings FILE.npz
    python -m benchmarks.accuracy --data DIR --name NAME --embeddings FILE.npz --calibrate

`DIR` (default: $SPKID_DATA) holds `speech/manifest.csv` and `speech/protocols/`. Writes
`benchmarks/results/accuracy_NAME.json`. The bundled model's vectors are kept in
`runs/accuracy.npz`, so that a stopped run goes on. About four minutes on two cores. Another
system's scores are raw cosines; with `--calibrate`, it gets a calibration of its own from the
same held-out training speakers as ours, landmarks and all, but for the length of clips.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from benchmarks.harness.protocols import Protocols, protocol_figures
from benchmarks.harness.record import RESULTS, write_result
from benchmarks.model.bundle_model import fitted_calibration
from spkid.cli.evaluation import calibration_for
from spkid.cli.output import to_json
from spkid.encoder.batch import embed_manifest
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.vectors import EmbeddingTable

SEED = 1  # of a calibration that is fitted here


def bundled_embeddings(speech: Path, paths: list[str]) -> EmbeddingTable:
    """Vectors of the bundled model, from ``runs/accuracy.npz`` where they are there already."""
    encoder = SpeakerEncoder.load()
    out = Path("runs") / "accuracy.npz"
    out.parent.mkdir(exist_ok=True)
    if out.exists() and EmbeddingTable.load(out).model != encoder.fingerprint:
        out.unlink()
    with Progress() as progress:
        task = progress.add_task("embedding", total=len(paths))
        embed_manifest(
            paths, speech, out, encoder, advance=lambda n: progress.advance(task, n), report=print
        )
    return EmbeddingTable.load(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    parser.add_argument("--name", default="bundled")
    parser.add_argument("--embeddings", type=Path, help="vectors of another system (.npz)")
    parser.add_argument("--calibrate", action="store_true", help="fit a calibration to them")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set SPKID_DATA")
    if arguments.calibrate and not arguments.embeddings:
        parser.error("--calibrate is for --embeddings: the bundled model has its calibration")
    speech = Path(arguments.data) / "speech"
    protocols = Protocols.read(speech)
    if arguments.embeddings:
        embeddings = EmbeddingTable.load(arguments.embeddings)
    else:
        embeddings = bundled_embeddings(speech, protocols.paths())
    calibration = calibration_for(embeddings)
    if arguments.calibrate:

        def embed(path: str, cuts_s: Sequence[float]) -> np.ndarray:
            vector = embeddings.vectors[embeddings.row_of[path]].astype(np.float64)
            return np.tile(vector, (1 + len(cuts_s), 1))

        calibration = fitted_calibration(speech, embed, model=embeddings.model, seed=SEED)

    figures = protocol_figures(protocols, embeddings, calibration)
    figures["model"] = embeddings.model
    command = f"python -m benchmarks.accuracy --name {arguments.name}"
    if arguments.embeddings:
        command += f" --embeddings {arguments.embeddings}"
    if arguments.calibrate:
        command += " --calibrate"
    plain = json.loads(to_json(figures))  # NaN becomes null
    write_result(RESULTS / f"accuracy_{arguments.name}.json", plain, command=command, seed=None)
    for name, row in figures["verify"].items():
        groups = {group: round(100 * value, 2) for group, value in row["group_eer"].items()}
        print(f"{name}: EER {100 * row['equal_error_rate']:.2f} % {groups}")
    for name, rows in figures["households"].items():
        print(f"{name}: misses {100 * rows['all']['fnir']:.2f} %")


if __name__ == "__main__":
    main()
