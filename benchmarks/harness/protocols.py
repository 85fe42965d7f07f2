"""The protocol lists of the data folder, and any system's figures on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.data.manifest import read_manifest
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.evaluation import evaluate_scores
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.scale import Scale
from spkid.scoring.simulated_homes import figures_by_row, score_homes
from spkid.scoring.trials import calibrated_trials

GROUP_COLUMNS = ("age_group", "gender")
LEAST_TARGETS = 50  # same-speaker trials under which a group's EER says nothing


@dataclass(frozen=True)
class Protocols:
    """Trial lists and homes by name, and the manifest by path."""

    manifest: pd.DataFrame
    verify: dict[str, pd.DataFrame]
    households: dict[str, pd.DataFrame]

    @classmethod
    def read(cls, speech: Path) -> Protocols:
        """All lists and homes in ``speech/protocols``."""
        lists = sorted((speech / "protocols").glob("verify_*.txt"))
        homes = sorted((speech / "protocols").glob("households_*.csv"))
        return cls(
            manifest=read_manifest(speech / "manifest.csv").set_index("path"),
            verify={path.stem: read_trials(path) for path in lists},
            households={path.stem: read_manifest(path) for path in homes},
        )

    def paths(self) -> list[str]:
        """Every clip that a list or a home names."""
        named = [table[side] for table in self.verify.values() for side in ("enroll", "test")]
        named += [table["path"] for table in self.households.values()]
        return sorted(set().union(*named))


def heard_as(clean: EmbeddingTable, heard: EmbeddingTable) -> EmbeddingTable:
    """Clean vectors by path, and those of the same clips as heard under ``heard:path``."""
    rows = {f"heard:{path}": len(clean.vectors) + row for path, row in heard.row_of.items()}
    vectors = np.concatenate([clean.vectors, heard.vectors])
    return EmbeddingTable({**clean.row_of, **rows}, vectors, clean.model)


def labelled_pairs(clips: pd.DataFrame) -> pd.DataFrame:
    """Every two of ``clips``, once, as ``enroll`` and ``test``, with ``label``."""
    first, second = np.triu_indices(len(clips), k=1)
    paths, speakers = clips["path"].to_numpy(), clips["speaker"].to_numpy()
    label = speakers[first] == speakers[second]
    return pd.DataFrame({"enroll": paths[first], "test": paths[second], "label": label})


def list_error(trials: pd.DataFrame, scores: NDArray[np.float64]) -> float:
    """EER of a trial list."""
    label = trials["label"].to_numpy(dtype=bool)
    return equal_error_rate(scores[label], scores[~label])


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


def protocol_figures(
    protocols: Protocols, embeddings: EmbeddingTable, scale: Scale
) -> dict[str, Any]:
    """``verify`` and ``households``: every figure of every list, by name."""
    figures: dict[str, Any] = {"verify": {}, "households": {}}
    for name, trials in protocols.verify.items():
        table = trials.assign(score=calibrated_trials(trials, embeddings, scale))
        groups = group_errors(table, protocols.manifest)
        figures["verify"][name] = {**asdict(evaluate_scores(table)), "group_eer": groups}
    for name, table in protocols.households.items():
        probes = score_homes(table, embeddings, scale)
        for fpir, suffix in ((0.05, ""), (0.01, " at 1 %")):
            rows = figures_by_row(probes, scale, fpir=fpir)
            figures["households"][name + suffix] = {row: asdict(value) for row, value in rows}
    return figures
