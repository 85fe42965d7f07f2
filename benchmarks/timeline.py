"""Who spoke when: how much of the speech of simulated homes gets the right name.

    python -m benchmarks.timeline --data DIR [--homes N]

The homes are those of the protocol of new speakers of speechocean762, of which guests speak half
of the time; the noises are those that the ears were not trained on. What a recording is, where its
truth comes from and what counts as an error stands in `harness/recordings.py`. Ten minutes on one
core.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.noises import things
from benchmarks.harness.recordings import (
    NOISE_BELOW_DB,
    OVERLAP_S,
    OVERLAP_SHARE,
    PAUSE_S,
    Home,
    at_once,
    errors,
    one_for_two,
    shares,
    simulated,
)
from benchmarks.harness.unheard import FOLD
from benchmarks.harness.whole_process import whole_process, write_repeated
from benchmarks.pages.system_tables import timeline
from enrollment.timeline import USUAL_SMOOTHING, listen, segments_of
from enrollment.timeline import timeline as timeline_of
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.data.manifest import read_manifest
from spkid.encoder.encoder import SpeakerEncoder

PROTOCOL = Path("protocols") / "households_new_speechocean762.csv"


def chosen_homes(protocol: pd.DataFrame, n_homes: int, seed: int) -> pd.DataFrame:
    """``n_homes`` of each size, drawn at random."""
    names = protocol.drop_duplicates("household").groupby("size")["household"]
    drawn = names.sample(n_homes, random_state=seed)
    return protocol[protocol["household"].isin(set(drawn))]


def score(homes: Iterator[Home], n_homes: int) -> dict[str, dict[str, float]]:
    """The error over all homes, by size, and with and without noise."""
    encoder = SpeakerEncoder.load()
    counts: dict[str, Counter[str]] = {}
    for home in track(homes, total=n_homes, description="Homes"):
        heard = listen(home.path, encoder, USUAL_SMOOTHING)
        own = errors(home.recording, segments_of(heard, home.judge, USUAL_SMOOTHING))
        both = (at_once(home.recording), SAMPLE_RATE_HZ)
        own += one_for_two(timeline_of(both, encoder, home.judge))
        noise = "noisy" if home.is_noisy else "quiet"
        for row in ("all", f"{home.n_members} members", noise):
            counts[row] = counts.get(row, Counter()) + own
    return {row: shares(own) | one_named(own) for row, own in sorted(counts.items())}


def one_named(counts: Counter[str]) -> dict[str, float]:
    """Of what is heard of two voices at once, the share with one sure name."""
    return {"one_sure_name_for_two": round(counts["one_named"] / max(counts["heard"], 1), 4)}


def hour_long(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of the command on an hour of one home's recording."""
    recording = min(folder.glob("*.flac"))
    hour = folder / "hour.wav"
    write_repeated(hour, load_audio(recording), seconds=3600)
    words = ["timeline", "--household", recording.stem]
    store = str(recording.with_suffix(".sqlite3"))
    return whole_process([*words, "--store", store, str(hour)], n_runs=1)


def measure(data: Data, homes: int = 20, seed: Seed = 0) -> Figures:
    """Errors over ``homes`` of each size, with and without noise, and what an hour costs."""
    speech = data / "speech"
    protocol = chosen_homes(read_manifest(speech / PROTOCOL), homes, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorded = simulated(protocol, speech, things(data / "noise", FOLD["test"]), folder, seed)
        return {
            "homes_of_each_size": homes,
            "overlap_share_of_clips": OVERLAP_SHARE,
            "overlap_s": OVERLAP_S,
            "pause_s": PAUSE_S,
            "noise_below_speech_db": NOISE_BELOW_DB,
            "smoothing": asdict(USUAL_SMOOTHING),
            "errors": score(recorded, protocol["household"].nunique()),
            "an_hour": hour_long(folder),
        }


BENCHMARK = Benchmark("timeline", measure, (timeline,))

if __name__ == "__main__":
    BENCHMARK.main()
