"""Both models in one home: how seldom the accurate one is asked, and what that costs.

    python -m benchmarks.both --data DIR

Nothing here is tuned: the speakers are those of the split `test`, the models, calibrations and
limits as they are shipped; the other points of the curve have limits that were fitted in the same
way (`benchmarks/model/bundle_both.py`) for other shares of more errors. Homes are those of
`benchmarks/homes.py` with two, four and six members of three clips each, every clip heard as `spkid
identify` hears it, by both models. `ms` is processor time of a clip on one core from the file to
the vectors, with the ears; `encoder_ms` is without them. A whisper, or a clip in which the small
model hears somebody else, is always asked of the accurate one. A quarter of an hour on one core.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.both_models import Trial, answers, asked_about
from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.homes import CORPUS, KINDS, LEAST_CLIPS, simulated, usable
from benchmarks.model.bundle_both import TOLERANCE, fitted, trials
from benchmarks.pages.both_tables import both_by_kind, both_curve
from enrollment.company import voices_in
from spkid.audio.voicing import doubt_of
from spkid.data.manifest import read_manifest
from spkid.encoder.hearing import Heard, listened_to
from spkid.encoder.vectors import EmbeddingTable
from spkid.files import whole_file
from spkid.pages import new_figure, picture
from spkid.scoring.limits import Limits
from spkid.scoring.model import LIMITS, Model

SIZES = (2, 4, 6)
N_CLIPS = 3
RATES = (0.05, 0.01)
TOLERANCES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of more errors, beside that of the shipped limits
N_DRAWS = 1000
SEED = 0
COLUMNS = ("path", "speech_s", "is_narrowband", "may_stand", "ms", "by_small", "by_accurate")

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


def heard(speech: Path, paths: list[str], small: Model, accurate: Model) -> dict[str, NDArray[Any]]:
    """The clips that are not refused: milliseconds, vectors, whether the small one may answer."""
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for path in track(paths, "hearing"):
        times = [time.process_time()]
        sound = listened_to(speech / path)
        times.append(time.process_time())
        by_small = sound.by(small.encoder)
        times.append(time.process_time())
        by_accurate = sound.by(accurate.encoder)
        times.append(time.process_time())
        if isinstance(by_small, Heard) and isinstance(by_accurate, Heard):
            others = voices_in(by_small.company, small.to_decide()).others
            may_stand = not others and not doubt_of(sound.quality.voiced_share)
            said = sound.quality.speech_s, sound.quality.is_narrowband
            values = path, *said, may_stand, 1000 * np.diff(times)
            for own, value in zip(
                rows.values(), (*values, by_small.vector, by_accurate.vector), strict=True
            ):
                own.append(value)
    return {name: np.array(own) for name, own in rows.items()}


def table_of(kept: dict[str, NDArray[Any]], vectors: str, model: Model) -> EmbeddingTable:
    """One model's vectors by path, and what the ears say of the clips."""
    row_of = {path: row for row, path in enumerate(kept["path"].tolist())}
    said = kept["speech_s"], kept["is_narrowband"]
    return EmbeddingTable(row_of, kept[vectors], model.fingerprint, *said)


def homes_of(clips: pd.DataFrame) -> pd.DataFrame:
    """Homes of every kind and size, each with a name of its own."""
    drawn = []
    for kind in KINDS:
        own = clips[clips["corpus"] == CORPUS.get(kind, "speechocean762")]
        for size in SIZES:
            rng = np.random.default_rng([SEED, KINDS.index(kind), size])
            homes = simulated(own, kind, size, N_CLIPS, rng)
            names = f"{kind} {size} " + homes["household"].astype(str)
            drawn.append(homes.assign(household=names))
    return pd.concat(drawn, ignore_index=True)


def point(trial: Trial, stands: Booleans, ms: Floats) -> dict[str, float]:
    """Rates and mean milliseconds where the small model's answers ``stand``.

    ``ms`` is ``[clips, 3]``: the ears, the small model and the accurate one.
    """
    encoder = ms[:, 1] + np.where(stands, 0.0, ms[:, 2])
    return {
        **trial.rates(stands),
        "ms": float((ms[:, 0] + encoder).mean()),
        "encoder_ms": float(encoder.mean()),
    }


def accurate_alone(trial: Trial, ms: Floats) -> dict[str, float]:
    """The same where the small one is not there."""
    return {
        **trial.rates(np.zeros_like(trial.is_guest)),
        "ms": float((ms[:, 0] + ms[:, 2]).mean()),
        "encoder_ms": float(ms[:, 2].mean()),
    }


def more_missed(trial: Trial, stands: Booleans, speakers: NDArray[np.str_]) -> list[float]:
    """95 % interval of how many more of 100 members' clips are missed, drawing speakers anew."""
    hits = [answer.is_named & answer.is_right for answer in (trial.small, trial.accurate)]
    more = np.where(stands, hits[1].astype(int) - hits[0], 0)[~trial.is_guest]
    names, code = np.unique(speakers[~trial.is_guest], return_inverse=True)
    sums, sizes = np.bincount(code, weights=more), np.bincount(code)
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(names), size=(N_DRAWS, len(names)))
    shares = 100 * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [float(edge) for edge in np.quantile(shares, [0.025, 0.975])]


def measure(data: Data) -> Figures:
    """The curve at each rate, and the shipped limits by kind of home."""
    small, accurate, limits = Model.load("small"), Model.load("accurate"), Limits.load(LIMITS)
    manifest = read_manifest(data / "speech" / "manifest.csv")
    manifest = manifest[
        (manifest["split"] == "test") & manifest["corpus"].isin(["speechocean762", "commonvoice"])
    ]
    manifest = manifest[manifest.groupby("speaker")["path"].transform("size") >= LEAST_CLIPS]
    place = RUNS / f"both_heard_{small.fingerprint}_{accurate.fingerprint}.npz"
    paths = manifest["path"].tolist()
    kept = kept_arrays(place, lambda: heard(data / "speech", paths, small, accurate))
    columns = {name: kept[name] for name in ("path", "speech_s", "may_stand")}
    clips = usable(pd.DataFrame(columns).merge(manifest, on="path"))
    homes = homes_of(clips)
    probes = asked_about(homes)
    rows = pd.Series(range(len(kept["path"])), index=kept["path"])[probes["path"]].to_numpy()
    ms, may_stand = kept["ms"][rows], kept["may_stand"][rows]
    is_guest, kinds = (probes["role"] == "guest").to_numpy(), probes["kind"].to_numpy(dtype=str)
    by_tolerance = fitted(trials(data, small, accurate), limits.small, limits.accurate, TOLERANCES)
    by_tolerance |= {TOLERANCE: limits}
    figures: Figures = {
        "small": small.fingerprint,
        "accurate": accurate.fingerprint,
        "limits": {"above": limits.above, "below": limits.below, "apart": limits.apart},
        "n_homes": homes["household"].nunique(),
        "n_speakers": probes["speaker"].nunique(),
        "n_clips_asked_about": len(probes),
        "may_stand": float(may_stand.mean()),
        "rates": {},
    }
    for rate in RATES:
        trial = Trial(
            is_guest,
            answers(homes, table_of(kept, "by_small", small), small.to_decide(), rate),
            answers(homes, table_of(kept, "by_accurate", accurate), accurate.to_decide(), rate),
            may_stand,
        )
        stands = trial.stands(limits)
        figures["rates"][f"{rate:g}"] = {
            "accurate": accurate_alone(trial, ms),
            "small": point(trial, np.ones_like(is_guest), ms),
            "curve": [
                {"tolerance": tolerance, **point(trial, trial.stands(own), ms)}
                for tolerance, own in sorted(by_tolerance.items())
            ],
            "both": {
                **point(trial, stands, ms),
                "more_missed": more_missed(trial, stands, probes["speaker"].to_numpy(dtype=str)),
            },
            "kinds": {
                kind: {
                    "accurate": accurate_alone(trial.part(kinds == kind), ms[kinds == kind]),
                    "both": point(
                        trial.part(kinds == kind), stands[kinds == kind], ms[kinds == kind]
                    ),
                }
                for kind in KINDS
            },
        }
    return figures


def draw(figures: Figures, path: Path) -> None:
    """Members missed and guests named, against milliseconds a clip.

    A square is what ships, the triangles are the accurate model alone and the small one alone.
    """
    shown = {"missed": "members missed, %", "guests": "guests named, %"}
    with new_figure(9, 3.2) as figure:
        all_axes = figure.subplots(1, len(shown))
        for axes, (name, words) in zip(all_axes, shown.items(), strict=True):
            for rate, at_rate in figures["rates"].items():
                points = [at_rate["small"], *at_rate["curve"][::-1]]
                (line,) = axes.plot(
                    [own["ms"] for own in points],
                    [100 * own[name] for own in points],
                    "o-",
                    label=f"both, threshold for {100 * float(rate):g} % of guests",
                )
                for marked, mark in (("both", "s"), ("small", "v"), ("accurate", "^")):
                    own = at_rate[marked]
                    axes.plot(own["ms"], 100 * own[name], mark, ms=9, color=line.get_color())
            axes.set_xlabel("ms a clip")
            axes.set_ylabel(words)
            axes.grid(alpha=0.3)
        all_axes[0].legend(fontsize="small")
        with whole_file(path) as file:
            file.write(picture(figure, path.suffix[1:]))


BENCHMARK = Benchmark("both", measure, (both_curve, both_by_kind), seed=SEED, draw=draw)

if __name__ == "__main__":
    BENCHMARK.main()
