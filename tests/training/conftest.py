"""Seeded speech-like clips, a tiny network and a corpus on disk for the training floor."""

from __future__ import annotations

import csv
from importlib.util import find_spec

import numpy as np
import pytest

SAMPLE_RATE_HZ = 16_000

# without the train extra this floor has nothing to test
collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def synthesise(seconds: float, *, pitch_hz: float, seed: int) -> np.ndarray:
    """Harmonics of a wandering pitch under formants, in syllables, with a little noise."""
    rng = np.random.default_rng(seed)
    n_samples = int(seconds * SAMPLE_RATE_HZ)
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    pitch = pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * rng.uniform(1, 3) * time_s))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
    formants_hz = np.array([500.0, 1500.0, 2500.0]) * rng.uniform(0.8, 1.2, 3)
    voice = np.zeros(n_samples)
    for harmonic in range(1, int(6000 / pitch_hz)):
        distance_hz = formants_hz - harmonic * pitch_hz
        voice += np.exp(-((distance_hz / 300.0) ** 2)).sum() * np.sin(harmonic * phase) + (
            0.01 * np.sin(harmonic * phase)
        )
    syllables = 0.1 + np.sin(2 * np.pi * rng.uniform(3, 5) * time_s + rng.uniform(0, 6)) ** 2
    sound = voice * syllables / np.abs(voice).max() + 0.01 * rng.standard_normal(n_samples)
    return (0.4 * sound).astype(np.float32)


@pytest.fixture(scope="session")
def speech():
    """``speech(seconds, pitch_hz=, seed=)`` -> float32 ``[samples]``."""
    return synthesise


@pytest.fixture(scope="session")
def tiny_config():
    from spkid.training.networks.attentive import EncoderConfig

    return EncoderConfig(
        n_stem_channels=4,
        n_channels=16,
        n_heads=2,
        n_conv_blocks=1,
        n_attention_blocks=1,
        embedding_dim=8,
    )


@pytest.fixture
def make_encoder(tiny_config, speech):
    """``make_encoder(pooling=)`` -> tiny network whose normalisation has seen some speech."""
    from dataclasses import replace

    import torch

    from spkid.training.networks.attentive import SelfAttentiveEncoder

    def make(*, seed: int = 0, **changes):
        torch.manual_seed(seed)
        encoder = SelfAttentiveEncoder(replace(tiny_config, **changes))
        voices = [speech(0.5, pitch_hz=90 + 40 * index, seed=index) for index in range(4)]
        encoder.train()
        with torch.no_grad():
            for _ in range(10):
                encoder(torch.from_numpy(np.stack(voices)))
        return encoder.eval()

    return make


@pytest.fixture(scope="session")
def speakers_by_role():
    """Five speakers to train on (the last has one clip) and two held out, by the name rule."""
    from spkid.training.data.corpus import is_held_out

    names = [f"speaker-{number:03d}" for number in range(60)]
    kept = [name for name in names if not is_held_out(name)][:5]
    held_out = [name for name in names if is_held_out(name)][:2]
    return kept, held_out


@pytest.fixture(scope="session")
def speech_root(tmp_path_factory, speakers_by_role):
    """A folder with ``manifest.csv`` and 16 clips of about a second, as a corpus is laid out."""
    import soundfile

    root = tmp_path_factory.mktemp("speech")
    kept, held_out = speakers_by_role
    rows = []
    for number, speaker in enumerate([*kept, *held_out]):
        n_clips = 1 if speaker == kept[-1] else 2
        rows += [
            {
                "path": f"alpha/{speaker}-{clip}.wav",
                "speaker": speaker,
                "split": "train",
                "corpus": "alpha",
            }
            for clip in range(n_clips)
        ]
        for clip in range(n_clips):
            voice = synthesise(0.9, pitch_hz=80 + 25 * number, seed=10 * number + clip)
            (root / "alpha").mkdir(exist_ok=True)
            soundfile.write(root / rows[clip - n_clips]["path"], voice, SAMPLE_RATE_HZ)
    for clip in range(2):
        nobody = {"path": f"alpha/nobody-{clip}.wav", "speaker": "", "split": "unlabelled"}
        rows.append({**nobody, "corpus": "alpha"})
        voice = synthesise(0.9, pitch_hz=110 + 60 * clip, seed=900 + clip)
        soundfile.write(root / rows[-1]["path"], voice, SAMPLE_RATE_HZ)
    # a row of another split must not even be opened
    rows.append({"path": "alpha/missing.wav", "speaker": kept[0], "split": "test", "corpus": ""})
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "speaker", "split", "corpus"])
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def noise_root(tmp_path_factory):
    """Two clips of coloured noise in folders, and a text file to be passed over."""
    import soundfile

    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(77)
    for path, options in (
        ("rain/one.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("street/one.wav", {}),
    ):
        (root / path).parent.mkdir()
        sound = np.convolve(rng.standard_normal(SAMPLE_RATE_HZ), np.ones(4) / 4, mode="same")
        soundfile.write(root / path, 0.1 * sound, SAMPLE_RATE_HZ, **options)
    (root / "ATTRIBUTION.txt").write_text("made up\n")
    return root


@pytest.fixture
def stop_at(monkeypatch):
    """``stop_at(step)``: the next run is interrupted when it begins that step."""
    from spkid.training import train as training

    original = training.train_step

    def set_stop(last: int | None) -> None:
        def step_or_stop(step, *rest):
            if step == last:
                raise KeyboardInterrupt
            return original(step, *rest)

        monkeypatch.setattr(training, "train_step", step_or_stop)

    return set_stop
