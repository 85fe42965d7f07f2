"""Fit when the small model's answer stands and when the accurate one is asked: `both.json`.

    python -m benchmarks.model.bundle_both --data DIR

To be run again whenever one of the two models or calibrations is another one. The limits are
chosen on simulated homes of held-out training speakers, whom neither network heard; the `test`
split is not touched. Homes of two, four and six members: of speechocean762 with three clips to
enroll; of Common Voice with three, and with one, which takes in all of its held-out speakers. Clips
are heard whole and cut to each length that the calibrations know. Of all limits that cost at most
a fiftieth more misses, guests and confusions than the accurate model by itself, in homes of each of
these three kinds and at both rates together, those are taken that ask it least. Ten minutes on one
core, then seconds: vectors are kept in `runs/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness.benchmark import Data, run_command
from benchmarks.harness.both_models import TIED, Floats, Trial, answers, asked_about
from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.model.bundle_model import cuts_embedded
from spkid.data.manifest import read_manifest
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
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0, 20.0)
NEVER = 1e6  # nats; an answer that must be as sure as that never stands
ROUNDING = 1e-9
LENGTHS = (SPEECH_S[-1], *SPEECH_S)  # of a whole clip, as the calibration counts it, and of cuts
SEED = 1
FITTED_ON = "simulated homes of held-out training speakers"


def held_out_clips(data: Path) -> pd.DataFrame:
    """The clips that both calibrations of held-out speakers are fitted on."""
    table = read_manifest(data / "speech" / "manifest.csv")
    held_out = table[(table["split"] == "train") & table["speaker"].map(is_held_out)]
    return clips_to_fit(held_out).reset_index(drop=True)


def embedded(data: Path, clips: pd.DataFrame, name: str) -> EmbeddingTable:
    """Vectors of whole and cut clips; ``PATH K`` is the one at place K of ``LENGTHS``."""
    encoder = SpeakerEncoder.load(name)

    def arrays() -> dict[str, NDArray[np.floating]]:
        return {"vectors": cuts_embedded(encoder, data / "speech")(clips["path"], SPEECH_S)}

    kept = kept_arrays(RUNS / f"both_{encoder.fingerprint}.npz", arrays)["vectors"]
    is_there = np.isfinite(kept[..., 0])
    rows, places = is_there.nonzero()
    names = [f"{clips['path'][row]} {place}" for row, place in zip(rows, places, strict=True)]
    row_of = {name: row for row, name in enumerate(names)}
    seconds = np.array(LENGTHS)[places]
    return EmbeddingTable(row_of, kept[is_there], encoder.fingerprint, seconds)


def drawn_homes(
    clips: pd.DataFrame, there: set[str], *, n_clips: int, size: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Homes of one corpus; every clip that is asked about is of a length drawn at random."""
    clips_of = {name: own["path"].to_numpy() for name, own in clips.groupby("speaker")}
    able = [name for name, own in clips_of.items() if len(own) > n_clips]
    rows = []

    def ask(number: int, role: str, speaker: str, paths: NDArray[np.str_]) -> None:
        for path in rng.permutation(paths)[:N_PROBES]:
            place = int(rng.choice([k for k in range(len(LENGTHS)) if f"{path} {k}" in there]))
            rows.append((number, role, speaker, f"{path} {place}"))

    for number in range(N_HOMES):
        members = rng.choice(able, size, replace=False)
        for member in members:
            order = rng.permutation(clips_of[member])
            rows += [(number, "enroll", member, f"{p} 0") for p in order[:n_clips]]
            ask(number, "member", member, order[n_clips:])
        others = [name for name in clips_of if name not in members]
        for guest in rng.choice(others, N_GUESTS, replace=False):
            ask(number, "guest", guest, clips_of[guest])
    homes = pd.DataFrame(rows, columns=["household", "role", "speaker", "path"])
    return homes.assign(size=size, kind=f"{n_clips} clips")


def trials(data: Path, small: Model, accurate: Model) -> list[list[Trial]]:
    """For each of ``KINDS``, one for each rate."""
    clips = held_out_clips(data)
    by_small, by_accurate = embedded(data, clips, "small"), embedded(data, clips, "accurate")
    there, rng = set(by_small.row_of), np.random.default_rng(SEED)
    found = []
    for corpus, n_clips in KINDS:
        own = clips[clips["corpus"] == corpus]
        homes = []
        for size in SIZES:
            drawn = drawn_homes(own, there, n_clips=n_clips, size=size, rng=rng)
            homes.append(drawn.assign(household=f"{size} " + drawn["household"].astype(str)))
        table = pd.concat(homes, ignore_index=True)
        is_guest = (asked_about(table)["role"] == "guest").to_numpy()
        found.append(
            [
                Trial(
                    is_guest,
                    answers(table, by_small, small.to_decide(), rate),
                    answers(table, by_accurate, accurate.to_decide(), rate),
                    np.ones(len(is_guest), dtype=bool),
                )
                for rate in RATES
            ]
        )
    return found


def mean_rates(found: list[list[Trial]], limits: Limits | None) -> Floats:
    """Figures ``[kinds, 4]``, first what is asked; of the accurate model alone without limits."""
    return np.array(
        [
            np.mean([list(each.rates(each.stands(limits)).values()) for each in own], axis=0)
            for own in found
        ]
    )


def fitted(
    found: list[list[Trial]], small: str, accurate: str, tolerances: Sequence[float]
) -> dict[float, Limits]:
    """By tolerance, the limits that ask least and cost at most so much more of every error.

    Raises
    ------
    SpkidError
        If no limits keep within one of the ``tolerances``.
    """

    def limits_of(above: float, below: float, apart: float) -> Limits:
        return Limits(above, below, apart, small, accurate, FITTED_ON)

    alone = mean_rates(found, None)
    # what names and what "nobody" cost are of different clips, and add up
    aparts = [step for step in STEPS if step >= TIED]
    named = {
        (above, apart): mean_rates(found, limits_of(above, NEVER, apart)) - alone
        for above, apart in product((*STEPS, NEVER), aparts)
    }
    nobody = {b: mean_rates(found, limits_of(NEVER, b, NEVER)) - alone for b in (*STEPS, NEVER)}
    best: dict[float, tuple[float, Limits]] = {}
    for ((above, apart), by_name), (below, by_nobody) in product(named.items(), nobody.items()):
        own = alone + by_name + by_nobody
        asked = float(own[:, 0].mean())
        for tolerance in tolerances:
            fits = (own[:, 1:] <= (1 + tolerance) * alone[:, 1:] + ROUNDING).all()
            if fits and asked < best.get(tolerance, (1.0, None))[0]:
                best[tolerance] = asked, limits_of(above, below, apart)
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
    for kind, alone, both in zip(
        KINDS, mean_rates(found, None), mean_rates(found, own), strict=True
    ):
        print(f"{kind}: accurate alone {alone.round(4)}, both {both.round(4)}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
