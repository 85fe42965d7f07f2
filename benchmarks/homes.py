"""What homes of two to ten members live with, before and after their own calibration.

    python -m benchmarks.homes --data DIR

Nothing here is tuned: the speakers are those of the split `test`, the bundled model and its
calibration as they are shipped.

The rules. Every clip is heard as `spkid identify` hears it (kept in `runs/homes.npz`); clips that
it refuses are left out, and clips of less than two seconds of speech are not enrolled, as in
`spkid enroll`. Speakers need five clips to enroll and nine in all. A home draws its members and
four guests (fewer where the corpus is spent) without replacement, of each member 1, 3 or 5
clips to enroll and three more to speak, of each guest three. Kinds of home:

mixed
    anybody of speechocean762;
same-gender
    members and guests of one gender, homes of either in turn;
family
    half children, half adults (an odd one is an adult), guests of both;
languages
    anybody of Common Voice's test speakers, whatever they speak; up to six members.

A cell is 200 homes of one kind, size and number of clips.

Two kinds of figure. `at_rate`: members missed at the one threshold over all homes of the cell
that accepts exactly the stated share of guests' clips. `shipped` and `own`: guests named and
members not named rightly by the whole decision as a home has it, at the threshold shipped for
that share and at the one that `spkid calibrate --far` chooses for each home from its enrollment
clips; homes that it refuses keep the shipped one. Intervals (95 %) resample speakers, whose
clips then count as often as they were drawn. Three minutes on two cores.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.pages.accuracy_tables import homes_sizes
from enrollment.home_rate import OwnTrials, choose_rate, own_trials
from enrollment.profile import ENROLL_SPEECH_S, Exemplar, Member
from spkid.data.manifest import read_manifest
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.hearing import Refused, hear
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.metrics import threshold_at_false_match_rate
from spkid.scoring.posterior import AMBIGUOUS_ODDS
from spkid.scoring.simulated_homes import score_homes

SIZES = (2, 3, 4, 6, 8, 10)
LARGEST = {"languages": 6}  # too few speakers for more
CLIPS = (1, 3, 5)
RATES = (0.05, 0.01)
KINDS = ("mixed", "same-gender", "family", "languages")
CORPUS = {"languages": "commonvoice"}  # all others: speechocean762
N_HOMES = 200
N_GUESTS = 4
N_PROBES = 3
ENROLABLE_CLIPS = 5
LEAST_CLIPS = 9
N_DRAWS = 400
SEED = 0
KEPT = RUNS / "homes.npz"
Booleans = NDArray[np.bool_]  # [clips]


def heard_clips(speech: Path, paths: list[str]) -> pd.DataFrame:
    """``path`` and ``speech_s`` of each clip that is not refused; its vector is in ``KEPT``."""
    encoder = SpeakerEncoder.load()
    if KEPT.exists() and EmbeddingTable.load(KEPT).model != encoder.fingerprint:
        KEPT.unlink()

    def arrays() -> dict[str, NDArray[Any]]:
        with ThreadPoolExecutor() as pool:
            hearing = pool.map(partial(hear, encoder=encoder), [speech / path for path in paths])
            clips = list(track(hearing, "hearing", len(paths)))
        heard = zip(paths, clips, strict=True)
        good = [(path, clip) for path, clip in heard if not isinstance(clip, Refused)]
        return {
            "paths": np.array([path for path, _ in good]),
            "embeddings": np.stack([clip.vector for _, clip in good]),
            "speech_s": np.array([clip.quality.speech_s for _, clip in good]),
            "is_narrowband": np.array([clip.quality.is_narrowband for _, clip in good]),
            "model": np.array(encoder.fingerprint),
        }

    file = kept_arrays(KEPT, arrays)
    return pd.DataFrame({"path": file["paths"], "speech_s": file["speech_s"]})


def usable(clips: pd.DataFrame) -> pd.DataFrame:
    """Clips of the speakers who have enough to enroll and to speak."""
    by_speaker = clips.groupby("speaker")
    n_long = by_speaker["speech_s"].transform(lambda seconds: (seconds >= ENROLL_SPEECH_S).sum())
    n_all = by_speaker["path"].transform("size")
    return clips[(n_long >= ENROLABLE_CLIPS) & (n_all >= LEAST_CLIPS)]


def household(
    people: pd.DataFrame, kind: str, size: int, number: int, rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Members and guests drawn from ``people``, one row a speaker."""
    if kind == "same-gender":
        people = people[people["gender"] == ("female", "male")[number % 2]]
    if kind == "family":
        is_child = people["age_group"] == "child"
        children = rng.permutation(people["speaker"][is_child]).tolist()
        adults = rng.permutation(people["speaker"][~is_child]).tolist()
        members = children[: size // 2] + adults[: size - size // 2]
    else:
        members = rng.permutation(people["speaker"])[:size].tolist()
    others = people["speaker"][~people["speaker"].isin(members)]
    return members, rng.permutation(others)[:N_GUESTS].tolist()


def simulated(
    clips: pd.DataFrame, kind: str, size: int, n_clips: int, rng: np.random.Generator
) -> pd.DataFrame:
    """``N_HOMES`` homes, as :func:`spkid.scoring.simulated_homes.score_homes` wants them."""
    people = clips.drop_duplicates("speaker")
    clips_of = {
        name: (own["path"].to_numpy(), (own["speech_s"] >= ENROLL_SPEECH_S).to_numpy())
        for name, own in clips.groupby("speaker")
    }
    rows = []
    for number in range(N_HOMES):
        members, guests = household(people, kind, size, number, rng)
        for member in members:
            paths, is_long = clips_of[member]
            enrolled = rng.choice(paths[is_long], n_clips, replace=False)
            spoken = rng.choice(paths[~np.isin(paths, enrolled)], N_PROBES, replace=False)
            rows += [(number, "enroll", member, path) for path in enrolled]
            rows += [(number, "member", member, path) for path in spoken]
        for guest in guests:
            spoken = rng.choice(clips_of[guest][0], N_PROBES, replace=False)
            rows += [(number, "guest", guest, path) for path in spoken]
    table = pd.DataFrame(rows, columns=["household", "role", "speaker", "path"])
    table = table.assign(size=size, kind=kind)
    return table.merge(clips[["path", "speech_s"]], on="path", how="left", validate="many_to_one")


def own_rates(
    table: pd.DataFrame, embeddings: EmbeddingTable, calibration: Calibration
) -> tuple[pd.DataFrame, int]:
    """The shipped rate that each home goes by, a column a stated rate, and refusals of 5 %."""
    row_of, is_narrowband = embeddings.row_of, embeddings.by_telephone(slice(None))
    chosen, n_refused = {}, 0
    for name, home in table[table["role"] == "enroll"].groupby("household"):
        members = [
            Member(
                household=str(name),
                name=speaker,
                model=calibration.model,
                consent_at="",
                exemplars=tuple(
                    Exemplar(
                        embeddings.vectors[row_of[path]],
                        digest=path,
                        speech_s=speech_s,
                        snr_db=0.0,
                        is_narrowband=bool(is_narrowband[row_of[path]]),
                    )
                    for path, speech_s in zip(own["path"], own["speech_s"], strict=True)
                ),
            )
            for speaker, own in home.groupby("speaker")
        ]
        trials = own_trials(members, calibration)
        chosen[name] = {far: rate_or_shipped(trials, far) for far in RATES}
        n_refused += chosen[name][RATES[0]] is None
    rates = pd.DataFrame.from_dict(chosen, orient="index").astype(float)
    return rates.fillna(dict(zip(RATES, RATES, strict=True))), n_refused


def rate_or_shipped(trials: OwnTrials, far: float) -> float | None:
    """What `spkid calibrate` chooses, None where it refuses."""
    try:
        return choose_rate(trials, far)
    except SpkidError:
        return None


@dataclass(frozen=True)
class Heard:
    """The clips that were asked about in a cell, and whom each decision would name; ``[clips]``.

    ``named[decision]`` is true where a guest is named, and where a member is named rightly.
    """

    is_guest: Booleans
    log_odds: NDArray[np.float64]
    is_right: Booleans
    named: dict[str, Booleans]

    def figures(self, weights: NDArray[np.intp]) -> dict[str, float]:
        """Every figure, each clip counting ``weights`` (int) times."""
        guest, member = weights * self.is_guest, weights * ~self.is_guest

        def missed(named: Booleans) -> float:
            return float(1 - (member @ named) / member.sum())

        figures = {"closed_set_error": missed(self.is_right)}
        for far in RATES:
            strangers = np.repeat(self.log_odds[self.is_guest], weights[self.is_guest])
            reached = self.log_odds >= threshold_at_false_match_rate(strangers, far)
            figures[f"at_rate_{far:g}_fnir"] = missed(reached & self.is_right)
        for name, named in self.named.items():
            figures[f"{name}_fpir"] = float(guest @ named / guest.sum())
            figures[f"{name}_fnir"] = missed(named)
        return figures


def with_intervals(
    heard: Heard, speakers: NDArray[np.str_], rng: np.random.Generator
) -> dict[str, float]:
    """Figures with the 95 % interval of ``N_DRAWS`` draws of speakers."""
    names, code = np.unique(speakers, return_inverse=True)
    draws = []
    for _ in range(N_DRAWS):
        drawn = rng.integers(len(names), size=len(names))
        draws.append(heard.figures(np.bincount(drawn, minlength=len(names))[code]))
    result: dict[str, float] = {}
    for name, value in heard.figures(np.ones(len(code), dtype=int)).items():
        low, high = np.quantile([draw[name] for draw in draws], [0.025, 0.975])
        result |= {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
    return result


def cell(clips: pd.DataFrame, *, kind: str, size: int, n_clips: int) -> dict[str, float | str]:
    """Figures of one kind, size and number of clips."""
    rng = np.random.default_rng([SEED, KINDS.index(kind), size, n_clips])
    calibration, embeddings = Calibration.load(), EmbeddingTable.load(KEPT)
    clips = clips[clips["corpus"] == CORPUS.get(kind, "speechocean762")]
    table = simulated(clips, kind, size, n_clips, rng)
    probes = score_homes(table, embeddings, calibration)
    rates, n_refused = own_rates(table, embeddings, calibration)
    said = probes[["speech_s", "narrowband_share"]]
    log_odds = probes["known_log_odds"].to_numpy()
    is_guest, is_right = (probes["role"] == "guest").to_numpy(), probes["right"].to_numpy()
    can_be_named = (probes["llr_margin"].to_numpy() >= np.log(AMBIGUOUS_ODDS)) & (
        is_guest | is_right
    )
    named = {}
    for far in RATES:
        by_rate = {"shipped": np.full(len(probes), far)}
        by_rate["own"] = probes["household"].map(rates[far]).to_numpy()
        for decision, own in by_rate.items():
            threshold = np.empty(len(probes))
            for rate in np.unique(own):
                rows = own == rate
                threshold[rows] = calibration.household_threshold(rate, **said[rows])
            named[f"{decision}_{far:g}"] = can_be_named & (log_odds >= threshold)
    heard = Heard(is_guest, log_odds, is_right, named)
    speakers = probes["speaker"].to_numpy(dtype=str)
    return {
        "kind": kind,
        "size": size,
        "n_clips": n_clips,
        "n_homes": int(table["household"].nunique()),
        "n_speakers": len(set(speakers)),
        "n_member_probes": int((~is_guest).sum()),
        "n_guest_probes": int(is_guest.sum()),
        "n_refused_calibrations": n_refused,
        **with_intervals(heard, speakers, rng),
    }


def measure(data: Data) -> Figures:
    """Figures of every cell."""
    speech = data / "speech"
    manifest = read_manifest(speech / "manifest.csv")
    manifest = manifest[
        (manifest["split"] == "test") & manifest["corpus"].isin(["speechocean762", "commonvoice"])
    ]
    n_clips = manifest.groupby("speaker")["path"].transform("size")
    manifest = manifest[n_clips >= LEAST_CLIPS]
    heard = heard_clips(speech, manifest["path"].tolist())
    clips = usable(heard.merge(manifest, on="path"))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        asked = [
            pool.submit(cell, clips, kind=kind, size=size, n_clips=n_clips)
            for kind in KINDS
            for size in SIZES
            if size <= LARGEST.get(kind, SIZES[-1])
            for n_clips in CLIPS
        ]
        cells = [future.result() for future in track(asked, "cells")]
    return {"model": Calibration.load().model, "cells": cells}


BENCHMARK = Benchmark("homes", measure, (homes_sizes,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
