"""Does it know voices or microphones? The trial lists with every clip through another microphone.

    python -m benchmarks.microphones --data DIR [--peers]

Each clip has a microphone of its own: band limits and a spectral tilt, as wide as training
draws them. EER of raw cosines on each list: clips as they are, the test side through its
microphone, both sides each through its own. `--peers` measures Resemblyzer on the same clips
(`pip install resemblyzer`). `DIR` (default: $SPKID_DATA) holds `speech/`. Two to four minutes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from benchmarks.harness.protocols import Protocols, heard_as
from benchmarks.harness.record import RESULTS, write_result
from benchmarks.model.teacher import resemblyzer_vectors
from spkid.audio.reading import load_audio
from spkid.encoder.encoder import SpeakerEncoder
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import score_trials
from spkid.training.data.augment import AugmentConfig, channel_gains

SEED = 0
CONDITIONS = {"as_recorded": (), "test_side": ("test",), "both_sides": ("enroll", "test")}
RANGES = AugmentConfig()


def through_microphone(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``waveform`` ``[samples]`` with band limits and a tilt that ``rng`` draws."""
    drawn = [rng.uniform(*RANGES.lowest_hz), rng.uniform(*RANGES.highest_hz)]
    drawn.append(rng.uniform(-RANGES.tilt_db, RANGES.tilt_db))
    spectrum = np.fft.rfft(waveform)
    gains = channel_gains(*(torch.tensor([value]) for value in drawn), len(spectrum))[0]
    return np.fft.irfft(spectrum * gains.numpy(), n=len(waveform)).astype(np.float32)


def both_vectors(
    path: Path, number: int, systems: dict[str, Callable[[np.ndarray], np.ndarray]]
) -> dict[str, np.ndarray]:
    """Vectors ``[2, dim]`` of a clip by system: as it is, and through its microphone."""
    waveform = load_audio(path)
    other = through_microphone(waveform, np.random.default_rng([SEED, number]))
    return {name: np.stack([embed(waveform), embed(other)]) for name, embed in systems.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("SPKID_DATA"))
    parser.add_argument("--peers", action="store_true", help="Resemblyzer too")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data or set SPKID_DATA")
    speech = Path(arguments.data) / "speech"
    systems: dict[str, Callable[[np.ndarray], np.ndarray]] = {"spkid": SpeakerEncoder.load().embed}
    if arguments.peers:
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
    figures: dict[str, dict] = {name: {} for name in lists}
    for system in systems:
        plain, other = np.stack([clip[system] for clip in vectors], axis=1)
        table = heard_as(EmbeddingTable(row_of, plain, ""), EmbeddingTable(row_of, other, ""))
        for name, trials in lists.items():
            label = trials["label"].to_numpy(dtype=bool)
            figures[name][system] = {}
            for condition, moved in CONDITIONS.items():
                heard = trials.assign(**{side: "heard:" + trials[side] for side in moved})
                scores = score_trials(heard, table)
                error = equal_error_rate(scores[label], scores[~label])
                figures[name][system][condition] = error
            print(system, name, figures[name][system])
    command = "python -m benchmarks.microphones" + (" --peers" if arguments.peers else "")
    write_result(RESULTS / "microphones.json", figures, command=command, seed=SEED)


if __name__ == "__main__":
    main()
