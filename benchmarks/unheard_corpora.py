"""Encoders on speakers and on whole corpora that their training did not hear.

For every table of vectors in the folder `--vectors` (as `model/embed_clips.py` and
`model/peer_projections.py` write them): EER over all pairs of up to eight clips a speaker, of the
held-out training speakers by corpus and of the corpora that were left out, and of the trial lists.
A model is chosen by the first two alone. Seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.result_files import percent, table
from benchmarks.model.peer_projections import LEFT_OUT, all_clips
from benchmarks.model.teacher import is_known_held_out
from spkid.data.score_files import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import score_trials
from spkid.training.held_out import CLIPS_PER_SPEAKER, errors_by_corpus


@dataclass(frozen=True)
class Options:
    """What is compared."""

    data: Data
    vectors: Path = Path("runs/vectors")
    left_out: str = LEFT_OUT


def corpus_errors(clips: pd.DataFrame, vectors: EmbeddingTable) -> dict[str, float]:
    """EER of each corpus of ``clips``, over all pairs of up to eight clips a speaker."""
    own = clips[clips["speaker"] != ""].groupby("speaker").head(CLIPS_PER_SPEAKER)
    return errors_by_corpus(
        vectors.vectors[vectors.rows(own["path"])],
        own["speaker"].to_numpy(),
        own["corpus"].to_numpy(),
    )


def list_errors(data: Path, vectors: EmbeddingTable) -> dict[str, float]:
    """EER of each trial list of the data, of cosines."""
    errors = {}
    for place in sorted(data.glob("*/protocols/verify_*.txt")):
        trials = read_trials(place)
        scores, label = score_trials(trials, vectors), trials["label"].to_numpy()
        errors[place.stem] = equal_error_rate(scores[label], scores[~label])
    return errors


def measure(options: Options) -> Figures:
    """Every table's figures, by its name."""
    clips = all_clips(options.data)
    clips = clips[clips["split"] == "train"]
    left_out = clips["corpus"].isin(options.left_out.split(","))
    held_out = clips["speaker"].map(is_known_held_out) & ~left_out
    systems = {}
    for place in sorted(options.vectors.glob("*.npz")):
        vectors = EmbeddingTable.load(place)
        own = {
            "held_out": corpus_errors(clips[held_out], vectors),
            "left_out": corpus_errors(clips[left_out], vectors),
        }
        means = {f"mean_{name}": float(np.mean(list(each.values()))) for name, each in own.items()}
        lists = list_errors(options.data, vectors)
        systems[place.stem] = {"model": vectors.model, **own, **means, "lists": lists}
    return {"systems": systems}


def errors_table(figures: Figures) -> str:
    """A row a corpus or a list, a column a system."""
    systems = figures["systems"]
    first = next(iter(systems.values()))
    rows = []
    for part, words in (("held_out", "held-out speakers"), ("left_out", "left out")):
        for name in first[part]:
            rows.append(
                [f"{words}: {name}", *(percent(own[part][name]) for own in systems.values())]
            )
        means = [percent(own[f"mean_{part}"]) for own in systems.values()]
        rows.append([f"{words}, mean", *means])
    for name in first["lists"]:
        rows.append([name, *(percent(own["lists"][name]) for own in systems.values())])
    return table(["EER, %", *systems], rows)


BENCHMARK = Benchmark("unheard_corpora", Options, measure, (errors_table,))

if __name__ == "__main__":
    BENCHMARK.main()
