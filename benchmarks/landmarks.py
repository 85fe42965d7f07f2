"""How to count the crowd around two clips: by how many landmarks, or by a cohort of people.

    python -m benchmarks.landmarks --data DIR

Training speakers, in two halves: each half is judged by landmarks, or by a cohort, of the other
one. EER over all pairs of clips within a corpus, the mean of both halves. A score is the cosine
less a share of the mean crowding of both clips, as the calibration has it; the share, and the
cohort's number of nearest, are those with the least mean EER in the half that is not judged. The
`test` split is not touched. A minute; the first time, three more for the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.harness.protocols import labelled_pairs, list_error
from benchmarks.harness.small_runs import mean_of
from benchmarks.model.bundle_model import clips_of_one_kind
from benchmarks.model.peer_projections import all_clips
from benchmarks.pages.accuracy_tables import landmarks
from spkid.encoder.vectors import EmbeddingTable, mean_vectors, spherical_k_means
from spkid.scoring.s_norm import Cohort, normalized_trials
from spkid.scoring.scale import CLIP_COUNTS, Floats, raw_cosines
from spkid.scoring.trials import calibrated_trials

N_LANDMARKS = (16, 32, 64, 128)
SHARES = (0.0, 0.2, 0.35, 0.5, 0.75, 1.0)  # of the crowding that is taken off
TOPS = (25, 50, 100, 200)
Errors = dict[str, float]  # by corpus


@dataclass(frozen=True)
class Half:
    """Half of the speakers: mean vectors ``[speakers, dim]``, and pairs of clips by corpus."""

    means: Floats
    trials: dict[str, pd.DataFrame]


def halves(clips: pd.DataFrame, embeddings: EmbeddingTable, seed: int) -> list[Half]:
    """Both halves of the speakers of ``clips``, drawn at random."""
    speakers = np.random.default_rng(seed).permutation(sorted(set(clips["speaker"])))
    found = []
    for drawn in (speakers[::2], speakers[1::2]):
        own = clips[clips["speaker"].isin(drawn)].reset_index(drop=True)
        trials = {corpus: labelled_pairs(rows) for corpus, rows in own.groupby("corpus")}
        vectors = embeddings.vectors[embeddings.rows(own["path"])]
        found.append(Half(mean_vectors(own, vectors)[1], trials))
    return found


def errors_less_crowding(
    trials: Mapping[str, pd.DataFrame], embeddings: EmbeddingTable, around: Floats
) -> dict[str, Errors]:
    """EER of each corpus, by the share taken off of how near ``around`` ``[n, dim]`` comes."""
    places = tuple(map(tuple, around.tolist()))
    found = {}
    for share in SHARES:
        scale = replace(
            raw_cosines(embeddings.model),
            scale=(1.0,) * len(CLIP_COUNTS),
            landmarks=places,
            crowding_scale=-share,
        )
        found[f"{share:g}"] = {
            corpus: list_error(pairs, calibrated_trials(pairs, embeddings, scale))
            for corpus, pairs in trials.items()
        }
    return found


def errors_normalized(
    trials: Mapping[str, pd.DataFrame], embeddings: EmbeddingTable, cohort: Floats
) -> dict[str, Errors]:
    """EER of each corpus with s-norm, by the number of nearest that count."""
    return {
        f"{n_top}": {
            corpus: list_error(pairs, normalized_trials(pairs, embeddings, Cohort(cohort, n_top)))
            for corpus, pairs in trials.items()
        }
        for n_top in TOPS
    }


def least(errors: dict[str, Errors]) -> str:
    """The key with the least mean over corpora."""
    return min(errors, key=lambda key: float(np.mean(list(errors[key].values()))))


def measure(data: Data, seed: Seed = 1) -> Figures:
    """EER of each corpus, by the way in which the crowd is counted."""
    table = all_clips(data)
    table["path"] = [str(place.relative_to(data)) for place in table["place"]]
    clips = clips_of_one_kind(table)
    embeddings = bundled_embeddings(data, list(clips["path"]), name="landmarks")
    clips = clips[clips["path"].isin(list(embeddings.row_of))]
    both = halves(clips, embeddings, seed)
    ways: dict[str, list[dict[str, Errors]]] = {}
    for half, other in (both, both[::-1]):
        for n_landmarks in N_LANDMARKS:
            around = spherical_k_means(other.means, n_landmarks, seed=seed)
            own = errors_less_crowding(half.trials, embeddings, around)
            ways.setdefault(f"{n_landmarks} landmarks", []).append(own)
        own = errors_less_crowding(half.trials, embeddings, other.means)
        ways.setdefault("every speaker's mean", []).append(own)
        ways.setdefault("s-norm", []).append(
            errors_normalized(half.trials, embeddings, other.means)
        )
    none = [errors["0"] for errors in ways["64 landmarks"]]
    return {
        "model": embeddings.model,
        "n_speakers": [len(half.means) for half in both],
        "errors": {"cosines alone": mean_of(none)}
        | {
            way: mean_of([one[least(other)], other[least(one)]])
            for way, (one, other) in ways.items()
        },
    }


BENCHMARK = Benchmark("landmarks", measure, (landmarks,))

if __name__ == "__main__":
    BENCHMARK.main()
