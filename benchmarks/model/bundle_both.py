"""Fit when the small model's answer stands and when the accurate one is asked: `both.json`.

    python -m benchmarks.model.bundle_both --data DIR

To be run again whenever one of the two models or calibrations is another one. The limits are
chosen on simulated homes of held-out training speakers, whom neither network heard; the `test`
split is not touched. Homes of two, four and six members: of speechocean762 with three clips to
enroll; of Common Voice with three, and with one, which takes in all of its held-out speakers. Clips
are heard whole and cut to each length that the calibrations know. Of all limits that cost at most
a fiftieth more misses, guests and confusions than the accurate model by itself, at both rates
together, those are taken that ask it least. Ten minutes on one core, then seconds: vectors are kept
in `runs/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.harness.both_models import Trial, answers, asked_about, grid
from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.model.bundle_model import cuts_embedded, training_clips
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.limits import Limits
from spkid.scoring.model import LIMITS, Model
from spkid.scoring.pools import clips_to_fit
from spkid.scoring.scale import SPEECH_S
from spkid.training.data.corpus import is_held_out

KINDS = (("speechocean762", 3), ("commonvoice", 3), ("commonvoice", 1))  # corpus, enrolled clips
SIZES = (2, 4, 6)
N_HOMES = 200
N_GUESTS = 4
N_PROBES = 3
RATES = (0.05, 0.01)
TOLERANCE = 1 / 50
ERRORS = ("missed", "guests", "confused")
LENGTHS = (SPEECH_S[-1], *SPEECH_S)  # of a whole clip, as the calibration counts it, and of cuts
SEED = 1
FITTED_ON = "simulated homes of held-out training speakers"


def held_out_clips(data: Path) -> pd.DataFrame:
    """The clips that both calibrations of held-out speakers are fitted on."""
    table = training_clips(data / "speech")
    held_out = table[(table["split"] == "train") & table["speaker"].map(is_held_out)]
    return clips_to_fit(held_out).reset_index(drop=True)


def embedded(data: Path, clips: pd.DataFrame, name: str) -> EmbeddingTable:
    """Vectors of whole and cut clips; ``PATH K`` is the one at place K of ``LENGTHS``."""
    encoder = SpeakerEncoder.load(name)

    def arrays() -> dict[str, NDArray[np.floating]]:
        return {"vectors": cuts_embedded(encoder, data / "speech")(clips["path"], SPEECH_S)}

    kept = kept_arrays(RUNS / f"both_{encoder.fingerprint}.npz", arrays)["vectors"]
    is_there = np.isfinite(kept[..., 0])
    names = [
        f"{clips['path'][row]} {place}" for row, place in zip(*is_there.nonzero(), strict=True)
    ]
    row_of = {name: row for row, name in enumerate(names)}
    return EmbeddingTable(row_of, kept[is_there], encoder.fingerprint)


def drawn_homes(
    clips: pd.DataFrame, there: set[str], *, n_clips: int, size: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Homes of one corpus; every clip that is asked about is of a length drawn at random."""
    clips_of = {name: own["path"].to_numpy() for name, own in clips.groupby("speaker")}
    able = [name for name, own in clips_of.items() if len(own) > n_clips]
    rows = []

    def ask(number: int, role: str, speaker: str, paths: NDArray[np.str_]) -> None:
        for path in rng.permutation(paths)[:N_PROBES]:
            places = [k for k in range(len(LENGTHS)) if f"{path} {k}" in there]
            place = int(rng.choice(places))
            rows.append((number, role, speaker, f"{path} {place}", LENGTHS[place]))

    for number in range(N_HOMES):
        members = rng.choice(able, size, replace=False)
        for member in members:
            order = rng.permutation(clips_of[member])
            rows += [(number, "enroll", member, f"{p} 0", LENGTHS[0]) for p in order[:n_clips]]
            ask(number, "member", member, order[n_clips:])
        others = [name for name in clips_of if name not in members]
        for guest in rng.choice(others, N_GUESTS, replace=False):
            ask(number, "guest", guest, clips_of[guest])
    columns = ["household", "role", "speaker", "path", "speech_s"]
    return pd.DataFrame(rows, columns=columns).assign(size=size, kind=f"{n_clips} clips")


def trials(data: Path, small: Model, accurate: Model) -> list[Trial]:
    """One for each rate, over homes of all kinds."""
    clips = held_out_clips(data)
    tables = {
        "small": embedded(data, clips, "small"),
        "accurate": embedded(data, clips, "accurate"),
    }
    rng = np.random.default_rng(SEED)
    homes = []
    for corpus, n_clips in KINDS:
        own = clips[clips["corpus"] == corpus]
        there = set(tables["small"].row_of)
        for size in SIZES:
            drawn = drawn_homes(own, there, n_clips=n_clips, size=size, rng=rng)
            homes.append(
                drawn.assign(
                    household=f"{corpus} {n_clips} {size} " + drawn["household"].astype(str)
                )
            )
    table = pd.concat(homes, ignore_index=True)
    is_guest = (asked_about(table)["role"] == "guest").to_numpy()
    return [
        Trial(
            is_guest,
            answers(table, tables["small"], small.to_decide(), rate),
            answers(table, tables["accurate"], accurate.to_decide(), rate),
            np.ones(len(is_guest), dtype=bool),
        )
        for rate in RATES
    ]


def mean_rates(found: list[Trial], limits: Limits | None) -> dict[str, float]:
    """Means over the ``found`` trials; of the accurate model by itself without ``limits``."""
    rates = [
        trial.rates(np.zeros_like(trial.is_guest) if limits is None else trial.stands(limits))
        for trial in found
    ]
    return {name: float(np.mean([own[name] for own in rates])) for name in rates[0]}


def fitted(
    found: list[Trial], small: str, accurate: str, tolerances: Sequence[float]
) -> dict[float, Limits]:
    """By tolerance, the limits that ask least and cost at most so much more of every error.

    Raises
    ------
    SpkidError
        If no limits keep within one of the ``tolerances``.
    """
    alone = mean_rates(found, None)
    best: dict[float, tuple[float, Limits]] = {}
    for limits in grid(small, accurate, FITTED_ON):
        own = mean_rates(found, limits)
        for tolerance in tolerances:
            fits = all(own[error] <= (1 + tolerance) * alone[error] for error in ERRORS)
            if fits and own["asked"] < best.get(tolerance, (1.0, limits))[0]:
                best[tolerance] = own["asked"], limits
    if len(best) < len(tolerances):
        raise SpkidError(
            f"limits for {len(best)} of {len(tolerances)} tolerances",
            expected="a small model that is sure and right about some clips",
            do="train it further",
        )
    return {tolerance: limits for tolerance, (_, limits) in best.items()}


def main(data: Data) -> None:
    """Fit and write the limits."""
    small, accurate = Model.load("small"), Model.load("accurate")
    found = trials(data, small, accurate)
    own = fitted(found, small.fingerprint, accurate.fingerprint, [TOLERANCE])[TOLERANCE]
    own.save(LIMITS)
    print(own)
    print(f"accurate alone: {mean_rates(found, None)}")
    print(f"both: {mean_rates(found, own)}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
