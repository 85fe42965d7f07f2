"""Cohorts by voice, and two calibrations that may help them: by group, and by membership.

    python -m benchmarks.voice_cohorts --vectors FILE --data DIR

FILE is a table of vectors of clips of the data, `.npz`, as `spkid embed` writes it; every speaker
with two clips or more takes part, with trials inside the speaker's corpus. For several halvings
into searched and read speakers: the cohorts that voices agree on, and those taken further apart,
the worst tenth of each against all others. Then, for children by their label, for women by theirs
and for the worst cohort by voice: no calibration, one by group, and one by soft membership in
cohorts that were found on the searched half without any label; changes are paired over
resampled speakers of the other half. A few minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Data, Figures, File, Seed
from benchmarks.pages.audit_tables import voice_calibrations, voice_cohorts
from spkid.audit.cohorts.discovery import Discovery, discover
from spkid.data.manifest import read_manifest
from spkid.encoder.vectors import EmbeddingTable, Floats
from spkid.errors import SpkidError
from spkid.mitigation.groupwise import CALIBRATION, groupwise_calibration
from spkid.mitigation.membership import MEMBERSHIP, membership_calibration, trial_membership
from spkid.mitigation.trade import BEFORE, trade_off
from spkid.scoring.metrics import threshold_at_false_match_rate

N_OWN, N_STRANGERS = 12, 24  # trials a speaker
FALSE_MATCH_RATE = 0.05
SHARE = 0.1
KNOWN = {"child": ("age_group", "child"), "female": ("gender", "female")}


def clips_of(data: Data, table: EmbeddingTable) -> pd.DataFrame:
    """The clips that have a vector, of speakers with two or more, a row each."""
    parts = [
        read_manifest(data / folder / "manifest.csv")
        for folder in ("speech", "extra")
        if (data / folder / "manifest.csv").exists()
    ]
    clips = pd.concat(parts, ignore_index=True)
    clips = clips[clips["path"].isin(table.row_of) & (clips["speaker"] != "")]
    several = clips["speaker"].map(clips["speaker"].value_counts()) > 1
    return clips[several].reset_index(drop=True)


def trials_of(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Trials of every speaker with own clips and with others of the same corpus."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for _, corpus in clips.groupby("corpus"):
        speakers = corpus["speaker"].to_numpy()
        paths = corpus["path"].to_numpy()
        for speaker in np.unique(speakers):
            own, others = np.flatnonzero(speakers == speaker), np.flatnonzero(speakers != speaker)
            for _ in range(N_OWN):
                one, other = rng.choice(own, 2, replace=False)
                rows.append((paths[one], paths[other], speaker, speaker, True))
            for _ in range(N_STRANGERS if len(others) else 0):
                one, other = rng.choice(own), rng.choice(others)
                rows.append((paths[one], paths[other], speaker, speakers[other], False))
    names = ["enroll", "test", "enroll_speaker", "test_speaker", "label"]
    return pd.DataFrame(rows, columns=names).drop_duplicates(["enroll", "test"], ignore_index=True)


def told(found: Discovery) -> Figures:
    """A discovery in figures."""
    return {
        "n_cohorts": len(found.table),
        "n_stable": int(found.stability["n_cohorts"][found.stability["mean"].idxmax()]),
        "share": found.share,
        "read": asdict(found.read),
        "naive": asdict(found.naive),
        "certain": found.read.low > 0,
        "relative_gap": found.read.relative,
    }


def traded(
    trials: pd.DataFrame,
    membership: Floats,
    cohorts: dict[str, set[str]],
    choosing: set[str],
    seed: int,
) -> Iterator[Figures]:
    """What both calibrations do to each cohort, a row a cohort, system and figure."""
    scores = trials["score"].to_numpy(np.float64)
    by_voice = membership_calibration(trials, scores, membership, choosing=choosing)
    for name, cohort in cohorts.items():
        systems = {BEFORE: scores, MEMBERSHIP: by_voice}
        try:
            systems[CALIBRATION] = groupwise_calibration(
                trials, scores, cohort=cohort, choosing=choosing
            )
            trade = trade_off(
                trials,
                systems,
                cohort=cohort,
                choosing=choosing,
                may_be_chosen=(),
                false_match_rate=FALSE_MATCH_RATE,
                seed=seed,
            )
        except SpkidError as error:
            yield {"cohort": name, "refused": str(error)}
            continue
        for row in trade.table.to_dict("records"):
            yield {"cohort": name, "n_read_cohort": trade.n_read_cohort, **row}


def measure(vectors: File, data: Data, halvings: int = 4, seed: Seed = 0) -> Figures:
    """Cohorts and trades of each halving."""
    table = EmbeddingTable.load(vectors)
    clips = clips_of(data, table)
    trials = trials_of(clips, seed)
    own = table.vectors[table.rows(clips["path"])]
    enroll, test = (
        table.vectors[table.rows(trials[side])].astype(np.float64) for side in ("enroll", "test")
    )
    trials["score"] = np.einsum("ij,ij->i", enroll, test)
    strangers = trials["score"][~trials["label"]].to_numpy()
    threshold = threshold_at_false_match_rate(strangers, FALSE_MATCH_RATE)
    described = clips.drop_duplicates("speaker").set_index("speaker")
    results = []
    for number in range(seed, seed + halvings):
        apart, whole = (
            discover(trials, threshold, clips, own, share=share, seed=number)
            for share in (SHARE, 0.5)
        )
        members = apart.members
        choosing = set(members["speaker"][members["searched"]])
        membership = trial_membership(trials, table, choosing=choosing, seed=number)
        cohorts = {
            name: set(described.index[described[column] == value])
            for name, (column, value) in KNOWN.items()
        }
        cohorts["worst by voice"] = set(apart.worst_speakers)
        trade = list(traded(trials, membership, cohorts, choosing, number))
        results.append(
            {
                "halving": number,
                "worst_tenth": told(apart),
                "worst_half": told(whole),
                "trade": trade,
            }
        )
    return {
        "model": table.model,
        "n_speakers": len(described),
        "n_clips": len(clips),
        "n_trials": len(trials),
        "corpora": clips.groupby("corpus")["speaker"].nunique().to_dict(),
        "threshold": threshold,
        "paper": {"relative_gap": 0.65, "share": 0.10},
        "halvings": results,
    }


BENCHMARK = Benchmark("voice_cohorts", measure, (voice_cohorts, voice_calibrations))

if __name__ == "__main__":
    BENCHMARK.main()
