"""32: half a file was taken for a whole one in many containers; a comment refused a good one."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from spkid.audio.reading import load_audio
from spkid.errors import SpkidError

CONTAINERS = {
    "WAV": "PCM_16",
    "WAVEX": "PCM_16",
    "RF64": "PCM_16",
    "W64": "PCM_16",
    "AIFF": "PCM_16",
    "AU": "PCM_16",
    "VOC": "PCM_16",
    "CAF": "PCM_16",
    "NIST": "PCM_16",
    "SVX": "PCM_16",
    "FLAC": "PCM_16",
    "OGG": "VORBIS",
}


def written(voice: np.ndarray, container: str, subtype: str, **options: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, voice, 16_000, format=container, subtype=subtype, **options)
    return file.getvalue()


def with_chunks(wav: bytes, chunk: bytes) -> bytes:
    """A WAV with more before its sound."""
    content = wav[:36] + chunk + wav[36:]
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def assert_cut(content: bytes) -> None:
    with pytest.raises(SpkidError) as caught:
        load_audio(content)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_half_a_file_is_refused_and_the_whole_is_read(voice, tmp_path, container, kept):
    content = written(voice, container, CONTAINERS[container])
    assert len(load_audio(content)) == len(voice)
    assert_cut(content[: int(kept * len(content))])
    (tmp_path / "half").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(SpkidError, match=r"truncated|damaged"):
        load_audio(tmp_path / "half")


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_either_order_of_bytes(voice, order):
    for container in ("WAV", "AU"):
        content = written(voice, container, "PCM_16", endian=order)
        assert len(load_audio(content)) == len(voice)
        assert_cut(content[: len(content) // 2])


def test_chunks_before_the_sound_hide_nothing(voice):
    wav = written(voice, "WAV", "PCM_16")
    many = with_chunks(wav, 100 * (b"junk" + struct.pack("<I", 6) + bytes(6)))
    assert len(load_audio(many)) == len(voice)
    assert_cut(many[: len(many) // 2])


def test_a_comment_that_looks_like_libsndfiles_log_does_no_harm(voice):
    text = b"\ndata : 160000 (should be 59956)\n\0"
    comment = b"INFOICMT" + struct.pack("<I", len(text)) + text
    wav = with_chunks(
        written(voice, "WAV", "PCM_16"), b"LIST" + struct.pack("<I", len(comment)) + comment
    )
    assert len(load_audio(wav)) == len(voice)
    assert_cut(wav[: len(wav) // 2])


def pages(content: bytes) -> list[bytes]:
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


def test_pages_missing_in_the_middle_of_an_ogg_are_missed(voice, path):
    for content in (written(np.resize(voice, 480_000), "OGG", "VORBIS"), path.read_bytes()):
        parts = pages(content)
        assert len(parts) > 5
        assert len(load_audio(b"".join(parts))) > 0
        for missing in (slice(3, 4), slice(2, -1), slice(-1, None)):
            kept = [part for part in parts if part not in parts[missing]]
            assert_cut(b"".join(kept))


def test_an_mp3_without_a_tag_that_ends_within_a_frame(voice):
    content = written(
        voice, "MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.5
    )
    tag = max(content.find(b"Xing"), content.find(b"Info"))
    frames = content[content.index(content[:2], tag) :]
    for untagged in (frames, frames + b"TAG" + bytes(125), frames + bytes(50)):
        assert len(load_audio(untagged)) == pytest.approx(len(voice), rel=0.1)
    for n_kept in (len(frames) // 2 + 5, len(frames) // 2 + 40, len(frames) - 10):
        assert_cut(frames[:n_kept])
