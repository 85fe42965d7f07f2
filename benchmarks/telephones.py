"""Homes in which clips come by telephone: who lets strangers in, and who is missed.

    python -m benchmarks.telephones --data DIR

Homes of four test speakers, of speechocean762 and of many languages in Common Voice, each member
with four clips. Two, all or none of these were enrolled by telephone (8 kHz, mu-law), and clips are
asked about as recorded or by telephone. Both bundled models, by the decision as shipped and with
no margin for telephones, at both stated rates. Also how many of the clips, and of real telephone
calls (`extra/protocols/households_sessions_phone.csv`), are taken for narrowband. Nothing here is
tuned. Vectors are kept in `runs/telephones_MODELS.npz`. Twenty minutes on one core.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.both import table_of
from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.carriers import at_half_scale, by_telephone
from benchmarks.harness.kept import RUNS, kept_arrays
from benchmarks.homes import CORPUS, LEAST_CLIPS, simulated, usable
from benchmarks.pages.condition_tables import telephones
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.data.manifest import read_manifest
from spkid.encoder.hearing import Heard, listened_to
from spkid.scoring.model import Model
from spkid.scoring.simulated_homes import home_figures, score_homes

SEED = 0
KINDS = ("mixed", "languages")
SIZE, N_CLIPS = 4, 4
RATES = (0.05, 0.01)
# of a member's clips by telephone, and whether clips are asked about so
HOMES = {
    "as recorded, asked about by telephone": (0, True),
    "half by telephone, asked about by telephone": (N_CLIPS // 2, True),
    "by telephone, asked about as recorded": (N_CLIPS, False),
    "by telephone, asked about by telephone": (N_CLIPS, True),
}
CALL = " by telephone"  # after the path of a clip
COLUMNS = ("path", "speech_s", "is_narrowband", "small", "accurate")


def heard(speech: Path, paths: list[str], models: dict[str, Model]) -> dict[str, NDArray[Any]]:
    """The clips that are refused neither as recorded nor by telephone, each twice."""
    rows: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for path in track(paths, "hearing"):
        clip = load_audio(speech / path)
        sounds = {path: clip, path + CALL: by_telephone(at_half_scale(clip))}
        found: list[tuple[Any, ...]] = []
        for name, sound in sounds.items():
            listened = listened_to((sound, SAMPLE_RATE_HZ))
            answers = [listened.by(model.encoder) for model in models.values()]
            vectors = [answer.vector for answer in answers if isinstance(answer, Heard)]
            quality = listened.quality
            found.append((name, quality.speech_s, quality.is_narrowband, *vectors))
        if all(len(values) == len(COLUMNS) for values in found):
            for values in found:
                for own, value in zip(rows.values(), values, strict=True):
                    own.append(value)
    return {name: np.array(own) for name, own in rows.items()}


def called(homes: pd.DataFrame, n_enrolled: int, *, asked: bool) -> pd.DataFrame:
    """``homes`` with the first ``n_enrolled`` of a member's clips, and what is asked, as calls."""
    is_enrolled = homes["role"] == "enroll"
    nth = homes.groupby(["household", "speaker", "role"]).cumcount()
    calls = (is_enrolled & (nth < n_enrolled)) | (~is_enrolled & asked)
    return homes.assign(path=homes["path"] + np.where(calls, CALL, ""))


def measure(data: Data) -> Figures:
    """Guests and misses by model, kind of home and rate; and what is taken for narrowband."""
    manifest = read_manifest(data / "speech" / "manifest.csv")
    manifest = manifest[
        (manifest["split"] == "test") & manifest["corpus"].isin(["speechocean762", "commonvoice"])
    ]
    manifest = manifest[manifest.groupby("speaker")["path"].transform("size") >= LEAST_CLIPS]
    models = {name: Model.load(name) for name in ("small", "accurate")}
    place = RUNS / f"telephones_{'_'.join(model.fingerprint for model in models.values())}.npz"
    paths = manifest["path"].tolist()
    kept = kept_arrays(place, lambda: heard(data / "speech", paths, models))
    said = pd.DataFrame({name: kept[name] for name in COLUMNS[:3]})
    clips = usable(said.merge(manifest, on="path"))
    figures: Figures = {name: {} for name in models}
    for kind in KINDS:
        rng = np.random.default_rng([SEED, KINDS.index(kind)])
        own = clips[clips["corpus"] == CORPUS.get(kind, "speechocean762")]
        homes = simulated(own, kind, SIZE, N_CLIPS, rng).drop(columns="speech_s")
        for name, model in models.items():
            table, calibration = table_of(kept, name, model), model.to_decide()
            plain = replace(calibration, narrowband_margin=0.0)
            for words, (n_enrolled, asked) in HOMES.items():
                probes = score_homes(called(homes, n_enrolled, asked=asked), table, calibration)
                rows = figures[name].setdefault(words, {}).setdefault(kind, {})
                for rate in RATES:
                    shipped = home_figures(probes, calibration, fpir=rate)
                    without = home_figures(probes, plain, fpir=rate)
                    rows[f"{rate:g}"] = {
                        "guests": shipped.shipped_fpir,
                        "missed": shipped.shipped_fnir,
                        "guests_without": without.shipped_fpir,
                        "missed_without": without.shipped_fnir,
                    }
    is_call = said["path"].str.endswith(CALL)
    calls = read_manifest(data / "extra" / "protocols" / "households_sessions_phone.csv")
    real = [
        listened_to(data / "extra" / path).quality.is_narrowband
        for path in track(sorted(set(calls["path"])), "real calls")
    ]
    return {
        "models": {name: model.fingerprint for name, model in models.items()},
        "n_clips": len(said) // 2,
        "n_real_calls": len(real),
        "taken_for_narrowband": {
            "as recorded": float(said["is_narrowband"][~is_call].mean()),
            "by telephone": float(said["is_narrowband"][is_call].mean()),
            "real calls": float(np.mean(real)),
        },
        "margins": {name: model.to_decide().narrowband_margin for name, model in models.items()},
        "homes": figures,
    }


BENCHMARK = Benchmark("telephones", measure, (telephones,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
