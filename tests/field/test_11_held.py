"""11: what was held and must stay: odd encodings and names, and the same answer every time."""

from __future__ import annotations

import gc
import io
import resource
import struct

import numpy as np
import pytest
import soundfile

# container, subtype, rate
ENCODINGS = [
    ("WAV", "PCM_U8", 16_000),
    ("WAV", "PCM_24", 48_000),
    ("WAV", "DOUBLE", 16_000),
    ("WAV", "ALAW", 8_000),
    ("WAV", "ULAW", 8_000),
    ("WAV", "GSM610", 8_000),
    ("WAV", "IMA_ADPCM", 16_000),
    ("WAV", "MS_ADPCM", 16_000),
    ("WAVEX", "PCM_16", 16_000),
    ("AIFF", "PCM_16", 44_100),
    ("CAF", "PCM_16", 16_000),
    ("W64", "PCM_16", 16_000),
    ("RF64", "PCM_16", 16_000),
    ("AU", "PCM_16", 16_000),
]


@pytest.mark.parametrize(("container", "subtype", "rate_hz"), ENCODINGS)
def test_every_encoding_is_heard(home, voice, tmp_path, container, subtype, rate_hz):
    import soxr

    file = tmp_path / "clip"
    samples = soxr.resample(voice, 16_000, rate_hz)
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    assert home.identify(file).member == "Ana"


def test_one_live_channel_of_eight(home, voice):
    for live in (0, 5):
        samples = np.zeros((len(voice), 8), dtype=np.float32)
        samples[:, live] = voice
        assert home.identify((samples, 16_000)).member == "Ana"


def test_a_long_header(home, voice):
    file = io.BytesIO()
    soundfile.write(file, voice, 16_000, format="WAV")
    wav = file.getvalue()
    content = wav[:36] + b"junk" + struct.pack("<I", 200_000) + bytes(200_000) + wav[36:]
    assert home.identify(content).member == "Ana"


def test_odd_names_and_links(home, path, tmp_path):
    for name in ("wrong ending.wav", "no ending", "🎤 Ana, zu Hause.opus", "-"):
        file = tmp_path / name
        file.write_bytes(path.read_bytes())
        assert home.identify(file).member == "Ana"
    (tmp_path / "link").symlink_to(tmp_path / "no ending")
    assert home.identify(tmp_path / "link").member == "Ana"


def test_twenty_repeats_are_identical_and_nothing_grows(home, path, voice):
    first = home.identify(path)
    for _ in range(20):
        assert home.identify(path) == first
    gc.collect()
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        home.identify(voice[:16_000])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20_000
