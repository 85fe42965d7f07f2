"""Does it know voices or microphones? The trial lists with every clip through another microphone.

    python -m benchmarks.microphones --data DIR [--peers]

Each clip has a microphone of its own: band limits and a spectral tilt, as wide as training
draws them. EER of raw cosines on each list: clips as they are, the test side through its
microphone, both sides each through its own. `--peers` measures Resemblyzer on the same clips
(`pip install resemblyzer`). Two to four minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import Protocols, heard_as, list_error
from benchmarks.model.teacher import resemblyzer_vectors
from benchmarks.pages.accuracy_tables import microphones
from spkid.audio.reading import Waveform, load_audio
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.trials import score_trials
from spkid.training.data.augment import AugmentConfig, channel_gains

Embed = Callable[[Waveform], NDArray[np.float32]]
SEED = 0
CONDITIONS = {"as_recorded": (), "test_side": ("test",), "both_sides": ("enroll", "test")}
RANGES = AugmentConfig()


def through_microphone(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """``waveform`` ``[samples]`` with band limits and a tilt that ``rng`` draws."""
    lowest_hz, highest_hz, tilt_db = (
        torch.tensor([rng.uniform(*ends)])
        for ends in (RANGES.lowest_hz, RANGES.highest_hz, (-RANGES.tilt_db, RANGES.tilt_db))
    )
    spectrum = np.fft.rfft(waveform)
    gains = channel_gains(lowest_hz, highest_hz, tilt_db, len(spectrum))[0]
    return np.fft.irfft(spectrum * gains.numpy(), n=len(waveform)).astype(np.float32)


def both_vectors(
    path: Path, number: int, systems: dict[str, Embed]
) -> dict[str, NDArray[np.float32]]:
    """Vectors ``[2, dim]`` of a clip by system: as it is, and through its microphone."""
    waveform = load_audio(path)
    other = through_microphone(waveform, np.random.default_rng([SEED, number]))
    return {name: np.stack([embed(waveform), embed(other)]) for name, embed in systems.items()}


def measure(data: Data, peers: bool = False) -> Figures:
    """EER of each list, system and condition."""
    speech = data / "speech"
    systems: dict[str, Embed] = {"spkid": SpeakerEncoder.load().embed}
    if peers:
        systems["Resemblyzer"] = lambda waveform: resemblyzer_vectors([waveform], exact=True)[0]
    lists = Protocols.read(speech).verify
    sides = [trials[side] for trials in lists.values() for side in ("enroll", "test")]
    paths = sorted(set().union(*sides))
    with ThreadPoolExecutor() as pool:
        found = pool.map(
            lambda numbered: both_vectors(speech / numbered[1], numbered[0], systems),
            enumerate(paths),
        )
        vectors = list(track(found, "embedding", total=len(paths)))
    row_of = {path: row for row, path in enumerate(paths)}
    figures: Figures = {name: {} for name in lists}
    for system in systems:
        plain, other = np.stack([clip[system] for clip in vectors], axis=1)
        table = heard_as(EmbeddingTable(row_of, plain, ""), EmbeddingTable(row_of, other, ""))
        for name, trials in lists.items():
            heard = {
                condition: trials.assign(**{side: "heard:" + trials[side] for side in moved})
                for condition, moved in CONDITIONS.items()
            }
            figures[name][system] = {
                condition: list_error(trials, score_trials(own, table))
                for condition, own in heard.items()
            }
    return figures


BENCHMARK = Benchmark("microphones", measure, (microphones,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
