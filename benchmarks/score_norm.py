"""What judging a score by how near strangers come changes: the shipped way, and adaptive s-norm.

    python -m benchmarks.score_norm --data DIR

EER on every verify list, misses in the protocols' homes: of raw cosines, of the shipped
calibration, which weighs how crowded it is by landmarks, and of adaptive s-norm against a cohort.
`DIR` (default: $SPKID_DATA) holds `speech/manifest.csv` and `speech/protocols/`. Writes
`benchmarks/results/score_norm.json`. The cohort is the mean vector of up to three clips of each
training speaker, but for the tenth that the encoder never heard. On these, `n_top` is chosen:
the least EER, averaged over corpora, over all pairs of clips within a corpus. No list and no
home is held against its own speakers: those of the lists of known speakers leave the cohort.
Vectors are kept in `runs/accuracy.npz`, as `benchmarks/accuracy.py` keeps them.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import bundled_embeddings
from benchmarks.harness.protocols import Protocols
from benchmarks.harness.record import RESULTS, write_result
from spkid.cli.output import to_json
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.calibration import Calibration, raw_cosines
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.posterior import profile_vector
from spkid.scoring.s_norm import Cohort, normalized_trials
from spkid.scoring.simulated_homes import home_figures, score_homes
from spkid.scoring.trials import calibrated_trials, score_trials
from spkid.training.data.corpus import is_held_out

CLIPS_PER_SPEAKER = 3
TOPS = (25, 50, 100, 200, 400, 800)
LEAST_TARGETS = 50


def held_out_trials(clips: pd.DataFrame, embeddings: EmbeddingTable) -> dict[str, pd.DataFrame]:
    """All pairs of clips of a corpus's held-out speakers, with ``label``, by corpus."""
    trials = {}
    for corpus, own in clips[clips["speaker"].map(is_held_out)].groupby("corpus"):
        first, second = np.triu_indices(len(own), 1)
        paths, speakers = own["path"].to_numpy(), own["speaker"].to_numpy()
        label = speakers[first] == speakers[second]
        if label.sum() >= LEAST_TARGETS:
            trials[corpus] = pd.DataFrame(
                {"enroll": paths[first], "test": paths[second], "label": label}
            )
    return trials


def error(trials: pd.DataFrame, scores: np.ndarray) -> float:
    label = trials["label"].to_numpy()
    return equal_error_rate(scores[label], scores[~label])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set SPKID_DATA")
    speech = Path(arguments.data) / "speech"
    protocols = Protocols.read(speech)
    clips = protocols.manifest.reset_index()
    clips = clips[clips["split"] == "train"].groupby("speaker").head(CLIPS_PER_SPEAKER)
    embeddings = bundled_embeddings(speech, protocols.paths() + clips["path"].tolist())
    clips = clips[clips["path"].isin(list(embeddings.row_of))]
    means = {
        speaker: profile_vector(embeddings.vectors[embeddings.rows(paths)])
        for speaker, paths in clips.groupby("speaker")["path"]
        if not is_held_out(speaker)
    }

    dev = held_out_trials(clips, embeddings)
    before = {
        corpus: error(trials, score_trials(trials, embeddings)) for corpus, trials in dev.items()
    }
    chosen_from = {}
    for n_top in TOPS:
        cohort = Cohort(np.stack(list(means.values())), n_top)
        chosen_from[n_top] = {
            corpus: error(trials, normalized_trials(trials, embeddings, cohort))
            for corpus, trials in dev.items()
        }
        print(n_top, before, chosen_from[n_top], flush=True)
    n_top = min(chosen_from, key=lambda n: np.mean(list(chosen_from[n].values())))

    def cohort_for(paths: pd.Series) -> Cohort:
        own = set(protocols.manifest["speaker"].reindex(paths.unique()))
        return Cohort(
            np.stack([own_mean for name, own_mean in means.items() if name not in own]), n_top
        )

    calibration, raw = Calibration.load(), raw_cosines(embeddings.model)
    verify = {}
    for name, trials in protocols.verify.items():
        cohort = cohort_for(pd.concat([trials["enroll"], trials["test"]]))
        verify[name] = {
            "n_cohort": len(cohort.vectors),
            "equal_error_rate": {
                "calibrated": error(trials, calibrated_trials(trials, embeddings, calibration)),
                "raw_cosines": error(trials, score_trials(trials, embeddings)),
                "normalized": error(trials, normalized_trials(trials, embeddings, cohort)),
            },
        }
        print(name, verify[name], flush=True)
    households = {}
    for name, table in protocols.households.items():
        cohort = cohort_for(table["path"])
        systems = {
            "calibrated": (calibration, None),
            "raw_cosines": (raw, None),
            "normalized": (raw, cohort),
        }
        households[name] = {"n_cohort": len(cohort.vectors)}
        for system, (own, norm) in systems.items():
            probes = score_homes(table, embeddings, own, cohort=norm)
            figures = {
                f"fnir_at_{fpir:g}": home_figures(probes, own, fpir=fpir).fnir
                for fpir in (0.05, 0.01)
            }
            figures["closed_set_error"] = home_figures(probes, own).closed_set_error
            households[name][system] = figures
        print(name, households[name], flush=True)
    figures = {
        "model": embeddings.model,
        "n_top": n_top,
        "n_cohort": len(means),
        "held_out": {
            "before": before,
            "normalized": chosen_from,
            "n_targets": {corpus: int(trials["label"].sum()) for corpus, trials in dev.items()},
        },
        "verify": verify,
        "households": households,
    }
    plain = json.loads(to_json(figures))
    command = "python -m benchmarks.score_norm"
    write_result(RESULTS / "score_norm.json", plain, command=command, seed=None)


if __name__ == "__main__":
    main()
