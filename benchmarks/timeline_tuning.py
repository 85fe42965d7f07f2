"""Which windows, cuts and costs make the best timeline? On training speakers alone.

    python -m benchmarks.timeline_tuning --data DIR [--homes N]

The homes are as in the timeline study, but made of held-out training speakers, whom the encoder
never heard, and of other noises than there. What is shipped (`enrollment.timeline.USUAL_SMOOTHING`)
was chosen here. Half an hour on two cores.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.noises import things
from benchmarks.harness.recordings import Home, errors, shares, simulated
from benchmarks.harness.unheard import FOLD
from benchmarks.pages.system_tables import timeline_tuning
from enrollment.timeline import USUAL_SMOOTHING, Smoothing, listen, segments_of
from spkid.data.manifest import read_manifest
from spkid.encoder.encoder import SpeakerEncoder
from spkid.training.data.corpus import is_held_out

WINDOWS_S = ((2.0, 1.0), (3.0, 1.0))  # length and step
NEW_VOICES = (0.2, 0.5)  # probability
COSTS = (2.0, 5.0)
NEW_VOICE_SHARES = (0.3, 1.0)  # of these costs, where a new voice is heard
MEMORIES_S = (1.0,)
DOUBTFUL_SHARES = (0.25, 0.5)


def homes_to_tune_on(manifest: pd.DataFrame, n_homes: int, seed: int) -> pd.DataFrame:
    """Homes as in the protocols, of training speakers that the encoder never heard."""
    rng = np.random.default_rng(seed)
    table = manifest[(manifest["split"] == "train") & (manifest["corpus"] == "speechocean762")]
    own = {who: list(part["path"]) for who, part in table.groupby("speaker") if is_held_out(who)}
    rows = []
    for size, number in itertools.product((2, 4, 6), range(n_homes)):
        people = list(rng.permutation(sorted(own))[: 2 * size])
        for place, who in enumerate(people):
            paths = list(rng.permutation(own[who])[:8])
            roles = ["enroll"] * 3 + ["member"] * 5 if place < size else ["guest"] * 5
            named = zip(roles, paths, strict=False)
            rows += [(f"t{size}-{number}", size, role, who, path) for role, path in named]
    return pd.DataFrame(rows, columns=["household", "size", "role", "speaker", "path"])


def tried(homes: list[Home]) -> list[Figures]:
    """The error of each setting, the best first."""
    encoder = SpeakerEncoder.load()
    found = []
    cuts = list(itertools.product(NEW_VOICES, WINDOWS_S))
    settings = list(itertools.product(COSTS, NEW_VOICE_SHARES, MEMORIES_S, DOUBTFUL_SHARES))
    for new_voice, (window_s, step_s) in track(cuts, description="Tuning"):
        cut = Smoothing(new_voice=new_voice, window_s=window_s, step_s=step_s)
        heard = [listen(home.path, encoder, cut) for home in homes]
        for cost, of_it, memory_s, share in settings:
            own = replace(
                cut,
                switch_cost=cost,
                new_voice_cost=of_it * cost,
                memory_s=memory_s,
                doubtful_share=share,
            )
            counts: Counter[str] = Counter()
            for home, windows in zip(homes, heard, strict=True):
                counts += errors(home.recording, segments_of(windows, home.judge, own))
            is_shipped = own == USUAL_SMOOTHING
            found.append({"smoothing": asdict(own), "is_shipped": is_shipped, **shares(counts)})
    return sorted(found, key=lambda row: float(row["error_with_false_alarm"]))


def measure(data: Data, homes: int = 20, seed: Seed = 0) -> Figures:
    """Every setting and its error; ``homes`` of each size."""
    speech = data / "speech"
    manifest = read_manifest(speech / "manifest.csv")
    protocol = homes_to_tune_on(manifest, homes, seed)
    noises = things(data / "noise", FOLD["held-out"])
    with tempfile.TemporaryDirectory() as folder:
        recorded = list(simulated(protocol, speech, noises, Path(folder), seed))
        return {"homes_of_each_size": homes, "settings": tried(recorded)}


BENCHMARK = Benchmark("timeline_tuning", measure, (timeline_tuning,))

if __name__ == "__main__":
    BENCHMARK.main()
