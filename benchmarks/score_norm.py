"""What judging a score by how near strangers come changes: the shipped way, and adaptive s-norm.

    python -m benchmarks.score_norm --data DIR

EER on every verify list, misses in the protocols' homes: of raw cosines, of the shipped
calibration, which weighs how crowded it is by landmarks, and of adaptive s-norm against a cohort.
The cohort is the mean vector of up to three clips of each
training speaker, but for the tenth that the encoder never heard. On these, `n_top` is chosen:
the least EER, averaged over corpora, over all pairs of clips within a corpus. No list and no
home is held against its own speakers: those of the lists of known speakers leave the cohort.
Some minutes; with the vectors that the accuracy study keeps under `runs/`, one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.harness.protocols import Protocols, labelled_pairs, list_error
from benchmarks.pages.accuracy_tables import score_norm
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.calibration import Calibration
from spkid.scoring.posterior import profile_vector
from spkid.scoring.s_norm import Cohort, normalized_trials
from spkid.scoring.scale import Scale, raw_cosines
from spkid.scoring.simulated_homes import home_figures, score_homes
from spkid.scoring.trials import calibrated_trials, score_trials
from spkid.training.data.corpus import is_held_out

CLIPS_PER_SPEAKER = 3
TOPS = (25, 50, 100, 200, 400, 800)
LEAST_TARGETS = 50


def held_out_trials(clips: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All pairs of clips of a corpus's held-out speakers, with ``label``, by corpus."""
    held_out = clips[clips["speaker"].map(is_held_out)]
    trials = {corpus: labelled_pairs(own) for corpus, own in held_out.groupby("corpus")}
    return {
        corpus: pairs for corpus, pairs in trials.items() if pairs["label"].sum() >= LEAST_TARGETS
    }


@dataclass(frozen=True)
class Cohorts:
    """The mean vector of each training speaker, ``means``, without those who are held out."""

    means: dict[str, NDArray[np.float64]]

    def without(self, speakers: set[str], n_top: int) -> Cohort:
        """Everybody but ``speakers``."""
        others = [mean for name, mean in self.means.items() if name not in speakers]
        return Cohort(np.stack(others), n_top)


def home_errors(
    table: pd.DataFrame, embeddings: EmbeddingTable, calibration: Scale, norm: Cohort | None
) -> Figures:
    """Members missed at two rates of guests accepted, and taken for another."""
    probes = score_homes(table, embeddings, calibration, cohort=norm)
    found = {fpir: home_figures(probes, calibration, fpir=fpir) for fpir in (0.05, 0.01)}
    return {
        **{f"fnir_at_{fpir:g}": own.fnir for fpir, own in found.items()},
        "closed_set_error": found[0.05].closed_set_error,
    }


def measure(data: Data) -> Figures:
    """Errors of the three ways, and how many of the cohort were chosen to count."""
    speech = data / "speech"
    protocols = Protocols.read(speech)
    clips = protocols.manifest.reset_index()
    clips = clips[clips["split"] == "train"].groupby("speaker").head(CLIPS_PER_SPEAKER)
    embeddings = bundled_embeddings(speech, protocols.paths() + clips["path"].tolist())
    clips = clips[clips["path"].isin(list(embeddings.row_of))]
    cohorts = Cohorts(
        {
            speaker: profile_vector(embeddings.vectors[embeddings.rows(paths)])
            for speaker, paths in clips.groupby("speaker")["path"]
            if not is_held_out(speaker)
        }
    )

    dev = held_out_trials(clips)
    chosen_from = {
        n_top: {
            corpus: list_error(
                trials, normalized_trials(trials, embeddings, cohorts.without(set(), n_top))
            )
            for corpus, trials in dev.items()
        }
        for n_top in TOPS
    }
    n_top = min(TOPS, key=lambda n: float(np.mean(list(chosen_from[n].values()))))
    calibration, raw = Calibration.load(), raw_cosines(embeddings.model)
    speaker, verify, households = protocols.manifest["speaker"], {}, {}
    for name, trials in protocols.verify.items():
        own = set(speaker[trials["enroll"]]) | set(speaker[trials["test"]])
        cohort = cohorts.without(own, n_top)
        scores = {
            "calibrated": calibrated_trials(trials, embeddings, calibration),
            "raw_cosines": score_trials(trials, embeddings),
            "normalized": normalized_trials(trials, embeddings, cohort),
        }
        verify[name] = {
            "n_cohort": len(cohort.vectors),
            "equal_error_rate": {way: list_error(trials, own) for way, own in scores.items()},
        }
    for name, table in protocols.households.items():
        cohort = cohorts.without(set(speaker[table["path"]]), n_top)
        households[name] = {
            "n_cohort": len(cohort.vectors),
            "calibrated": home_errors(table, embeddings, calibration, None),
            "raw_cosines": home_errors(table, embeddings, raw, None),
            "normalized": home_errors(table, embeddings, raw, cohort),
        }
    return {
        "model": embeddings.model,
        "n_top": n_top,
        "n_cohort": len(cohorts.means),
        "held_out": {
            "before": {
                corpus: list_error(trials, score_trials(trials, embeddings))
                for corpus, trials in dev.items()
            },
            "normalized": chosen_from,
            "n_targets": {corpus: int(trials["label"].sum()) for corpus, trials in dev.items()},
        },
        "verify": verify,
        "households": households,
    }


BENCHMARK = Benchmark("score_norm", measure, (score_norm,))

if __name__ == "__main__":
    BENCHMARK.main()
