"""Encoders on speakers and on whole corpora that their training did not hear.

For every table of vectors in the folder `--vectors` (as `model/embed_clips.py` and
`model/peer_projections.py` write them): EER over all pairs of up to eight clips a speaker, of the
held-out training speakers by corpus and of the corpora that were left out, and of the trial lists.
A model is chosen by the first two alone. Seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import list_error
from benchmarks.model.peer_projections import LEFT_OUT, all_clips
from benchmarks.model.teacher import is_known_held_out
from benchmarks.pages.training_tables import unheard_corpora
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.trials import score_trials
from spkid.training.held_out import CLIPS_PER_SPEAKER, errors_by_corpus

SIDES = ("enroll", "test")
VECTORS = Path("runs") / "vectors"


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
        errors[place.stem] = list_error(trials, score_trials(trials, vectors))
    return errors


def compared_paths(data: Path) -> set[str]:
    """The paths of every clip that :func:`measure` compares."""
    parts = _compared(all_clips(data), LEFT_OUT)
    lists = [read_trials(place) for place in data.glob("*/protocols/verify_*.txt")]
    own = [part[part["speaker"] != ""].groupby("speaker").head(CLIPS_PER_SPEAKER) for part in parts]
    named = [part["path"] for part in own] + [each[side] for each in lists for side in SIDES]
    return set(pd.concat(named))


def _compared(clips: pd.DataFrame, left_out: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    clips = clips[clips["split"] == "train"]
    unheard = clips["corpus"].isin(left_out.split(","))
    return clips[clips["speaker"].map(is_known_held_out) & ~unheard], clips[unheard]


def measure(data: Data, vectors: Path = VECTORS, left_out: str = LEFT_OUT) -> Figures:
    """Every table's figures, by its name."""
    held_out, unheard = _compared(all_clips(data), left_out)
    systems = {}
    for place in sorted(vectors.glob("*.npz")):
        heard = EmbeddingTable.load(place)
        own = {
            "held_out": corpus_errors(held_out, heard),
            "left_out": corpus_errors(unheard, heard),
        }
        means = {f"mean_{name}": float(np.mean(list(each.values()))) for name, each in own.items()}
        lists = list_errors(data, heard)
        systems[place.stem] = {"model": heard.model, **own, **means, "lists": lists}
    return {"systems": systems}


BENCHMARK = Benchmark("unheard_corpora", measure, (unheard_corpora,))

if __name__ == "__main__":
    BENCHMARK.main()
