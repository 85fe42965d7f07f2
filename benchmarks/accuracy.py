"""The bundled model, or any table of embeddings, on every protocol list.

    python benchmarks/accuracy.py --data DIR
    python benchmarks/accuracy.py --data DIR --name resemblyzer --embeddings FILE.npz

`DIR` (default: $SPKID_DATA) holds `speech/manifest.csv` and `speech/protocols/`. Writes
`benchmarks/results/accuracy_NAME.json`. The bundled model's vectors are kept in
`runs/accuracy.npz`, so that a stopped run goes on. About four minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from record import RESULTS, write_result
from rich.progress import Progress

from spkid.calibration import BUNDLED_CALIBRATION, Calibration, raw_cosines
from spkid.cli.output import to_json
from spkid.embedder import SpeakerEncoder
from spkid.embedding_run import embed_manifest
from spkid.evaluation import evaluate_scores
from spkid.homes import figures_by_row, score_homes
from spkid.manifest import read_manifest
from spkid.metrics import equal_error_rate
from spkid.trials import EmbeddingTable, read_trials, score_trials

GROUP_COLUMNS = ("age_group", "gender")
LEAST_TARGETS = 50  # same-speaker trials under which a group's EER says nothing


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


def group_errors(trials: pd.DataFrame, manifest: pd.DataFrame) -> dict[str, float]:
    """EER of the trials whose two sides are in the same group, by group."""
    errors = {}
    for column in GROUP_COLUMNS:
        enroll, test = trials["enroll"].map(manifest[column]), trials["test"].map(manifest[column])
        for group in sorted(set(enroll) - {""}):
            part = trials[(enroll == group) & (test == group)]
            target, impostor = part[part["label"]]["score"], part[~part["label"]]["score"]
            if len(target) >= LEAST_TARGETS and len(impostor) >= LEAST_TARGETS:
                errors[group] = equal_error_rate(target, impostor)
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    parser.add_argument("--name", default="bundled")
    parser.add_argument("--embeddings", type=Path, help="vectors of another system (.npz)")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set SPKID_DATA")
    speech = Path(arguments.data) / "speech"
    manifest = read_manifest(speech / "manifest.csv").set_index("path")
    lists = sorted((speech / "protocols").glob("verify_*.txt"))
    homes = sorted((speech / "protocols").glob("households_*.csv"))
    trials = {path.stem: read_trials(path) for path in lists}
    protocols = {path.stem: read_manifest(path) for path in homes}
    named = [table[side] for table in trials.values() for side in ("enroll", "test")]
    named += [table["path"] for table in protocols.values()]
    paths = sorted(set().union(*named))
    if arguments.embeddings:
        embeddings = EmbeddingTable.load(arguments.embeddings)
    else:
        embeddings = bundled_embeddings(speech, paths)
    calibration = raw_cosines(embeddings.model)
    if BUNDLED_CALIBRATION.exists() and Calibration.load().model == embeddings.model:
        calibration = Calibration.load()

    figures: dict[str, dict] = {"verify": {}, "households": {}}
    for name, table in trials.items():
        table["score"] = calibration.log_likelihood_ratio(score_trials(table, embeddings), 1)
        groups = group_errors(table, manifest)
        figures["verify"][name] = {**asdict(evaluate_scores(table)), "group_eer": groups}
    for name, table in protocols.items():
        probes = score_homes(table, embeddings, calibration)
        for fpir, suffix in ((0.05, ""), (0.01, " at 1 %")):
            rows = figures_by_row(probes, calibration, fpir=fpir)
            figures["households"][name + suffix] = {row: asdict(value) for row, value in rows}
    figures["model"] = embeddings.model
    command = f"python benchmarks/accuracy.py --name {arguments.name}"
    if arguments.embeddings:
        command += f" --embeddings {arguments.embeddings}"
    plain = json.loads(to_json(figures))  # NaN becomes null
    write_result(RESULTS / f"accuracy_{arguments.name}.json", plain, command=command, seed=None)
    for name, row in figures["verify"].items():
        groups = {group: round(100 * value, 2) for group, value in row["group_eer"].items()}
        print(f"{name}: EER {100 * row['equal_error_rate']:.2f} % {groups}")
    for name, rows in figures["households"].items():
        print(f"{name}: misses {100 * rows['all']['fnir']:.2f} %")


if __name__ == "__main__":
    main()
