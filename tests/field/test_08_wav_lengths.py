"""8: a WAV header that says 0, or one byte more than there is, refused a clip that is all there."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from spkid.audio.reading import load_audio
from spkid.errors import SpkidError


@pytest.fixture(scope="module")
def wav(voice):
    file = io.BytesIO()
    soundfile.write(file, voice, 16_000, format="WAV")
    content = file.getvalue()
    assert content[36:40] == b"data"
    return content


def stating(wav: bytes, stated: int, riff: int | None = None) -> bytes:
    """The file with another length of the sound in its header."""
    whole = 36 + stated if riff is None else riff
    header = wav[:4] + struct.pack("<I", whole % 2**32) + wav[8:40] + struct.pack("<I", stated)
    return header + wav[44:]


@pytest.mark.parametrize("add", [1, 0, -1])
def test_one_byte_off_is_all_there(home, voice, wav, tmp_path, add):
    content = stating(wav, len(wav) - 44 + add)
    (tmp_path / "clip.wav").write_bytes(content)
    for sound in (content, tmp_path / "clip.wav"):
        assert abs(len(load_audio(sound)) - len(voice)) <= 1
    assert home.identify(content).member == "Ana"


@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF])
@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF])
def test_a_length_that_nobody_filled_in_is_all_that_follows(voice, wav, tmp_path, stated, riff):
    content = stating(wav, stated, riff)
    (tmp_path / "clip.wav").write_bytes(content)
    for sound in (content, tmp_path / "clip.wav"):
        np.testing.assert_allclose(load_audio(sound), voice, atol=1e-4)


def test_what_the_header_promises_and_is_not_there_is_missed(wav):
    for content in (stating(wav, len(wav)), wav[: len(wav) // 2], wav[:-100]):
        with pytest.raises(SpkidError, match="truncated"):
            load_audio(content)
    with pytest.raises(SpkidError, match="truncated"):
        load_audio(stating(wav[:44], 0))


def test_a_stream_that_a_program_wrote_into_a_pipe_is_heard(voice, wav):
    program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    content = stating(wav, 0)
    piped = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True
    ).stdout
    np.testing.assert_allclose(load_audio(piped), voice, atol=1e-4)
