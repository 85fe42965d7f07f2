"""30: 3 kB of FLAC were an hour and were heard through; what is too long is refused at once."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spkid.audio import ears, reading
from spkid.audio.reading import LONGEST_CLIP_S, audio_blocks, load_audio
from spkid.errors import SpkidError

ROOT = Path(__file__).parents[2]
HOUR_S = 3_600


def silent_flac(path: Path, seconds: int, *, n_channels: int = 1) -> Path:
    """Silence, a few bytes a second."""
    with soundfile.SoundFile(path, "w", 8_000, n_channels, format="FLAC") as file:
        minute = np.zeros((60 * 8_000, n_channels), dtype=np.int16)
        for _ in range(seconds // 60):
            file.write(minute)
    return path


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    return silent_flac(tmp_path_factory.mktemp("long") / "hour.flac", HOUR_S)


def test_every_verb_but_the_timeline_refuses_an_hour_before_it_listens(
    home, model, hour, monkeypatch
):
    def deaf():
        raise AssertionError("the ears were asked")

    monkeypatch.setattr(ears, "_session", deaf)
    assert hour.stat().st_size < 200_000
    for act in (
        lambda: home.identify(hour),
        lambda: home.identify(hour.read_bytes()),
        lambda: home.verify("Ana", hour),
        lambda: home.enroll("Ana", [hour], consent=True),
        lambda: model.encoder.embed_file(hour),
        lambda: home.identify((np.zeros(HOUR_S * 8_000, dtype=np.int16), 8_000)),
    ):
        with pytest.raises(SpkidError, match="longer than 600 s") as caught:
            act()
        assert caught.value.code == "too_long"


def silent_on_its_length(flac: bytes) -> bytes:
    """The file with the number of samples, 36 bits of the stream's description, set to unknown."""
    content = bytearray(flac)
    assert content[:4] == b"fLaC"
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def test_the_length_is_counted_while_reading_where_the_header_is_silent(hour):
    blocks = audio_blocks(silent_on_its_length(hour.read_bytes()))
    n_read = 0

    def count() -> None:
        nonlocal n_read
        for block in blocks:
            n_read += len(block)

    with pytest.raises(SpkidError) as caught:
        count()
    assert caught.value.code == "too_long"
    assert 0 < n_read <= LONGEST_CLIP_S * 16_000


def test_a_recording_of_more_than_a_day_is_refused_at_once(home, hour, monkeypatch):
    monkeypatch.setattr("enrollment.timeline.LONGEST_RECORDING_S", HOUR_S - 1.0)
    started = time.monotonic()
    with pytest.raises(SpkidError, match="longer than") as caught:
        home.timeline(hour)
    assert caught.value.code == "too_long"
    assert time.monotonic() - started < 5
    assert reading.LONGEST_RECORDING_S == 24 * HOUR_S


def test_ten_minutes_are_heard(voice):
    file = io.BytesIO()
    soundfile.write(file, np.resize(voice, int(LONGEST_CLIP_S) * 16_000), 16_000, format="FLAC")
    for content in (file.getvalue(), silent_on_its_length(file.getvalue())):
        assert len(load_audio(content)) == LONGEST_CLIP_S * 16_000


def test_an_hour_in_eight_channels_take_little_time_and_memory(tmp_path):
    path = silent_flac(tmp_path / "hour.flac", HOUR_S, n_channels=8)
    path.write_bytes(silent_on_its_length(path.read_bytes()))
    program = f"""
import resource, sys
from spkid.audio.reading import load_audio
from spkid.errors import SpkidError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_audio({str(path)!r})
except SpkidError as error:
    print(error.code)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    code, grown_kib = result.stdout.split()
    assert code == "too_long"
    assert int(grown_kib) < 200_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - started < 20
