"""7: what phones and browsers record was "not audio"; with the formats extra it is heard."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest

from spkid.audio.reading import load_audio
from spkid.data.sources import read_source
from spkid.errors import SpkidError

# ending -> container, codec, rate
FORMATS = {
    "m4a": ("mp4", "aac", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "aac": ("adts", "aac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "mka": ("matroska", "libopus", 48_000),
    "wma": ("asf", "wmav2", 44_100),
    "3gp": ("3gp", "libopencore_amrnb", 8_000),
    "amr": ("amr", "libopencore_amrnb", 8_000),
}
STATES_ITS_LENGTH = ("m4a", "mp4", "mka", "wma", "3gp")


def recorded(voice: np.ndarray, ending: str) -> bytes:
    """The voice as such a file."""
    av = pytest.importorskip("av")
    container, codec, rate_hz = FORMATS[ending]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        bit_rate = {"b": "12200" if rate_hz == 8_000 else "64000"}
        stream = writer.add_stream(codec, rate=rate_hz, layout="mono", options=bit_rate)
        samples = np.round(32767 * voice).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate = 16_000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate_hz)
        queue = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            queue.write(part)
        n_frame = stream.codec_context.frame_size or 1_024
        while part := queue.read(n_frame) or queue.read(0, partial=True):
            writer.mux(stream.encode(part))
        writer.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("ending", FORMATS)
def test_the_voice_is_heard(home, voice, tmp_path, ending):
    content = recorded(voice, ending)
    file = tmp_path / f"clip.{ending}"
    file.write_bytes(content)
    assert len(load_audio(file)) == pytest.approx(len(voice), abs=2_000)
    for sound in (file, content, io.BytesIO(content)):
        assert home.identify(sound).member == "Ana"
    (tmp_path / "renamed.wav").write_bytes(content)
    assert home.identify(tmp_path / "renamed.wav").member == "Ana"


@pytest.mark.parametrize("ending", FORMATS)
def test_half_a_file_is_refused_where_it_states_its_length(voice, ending):
    content = recorded(voice, ending)
    for half in (content[: len(content) // 2], content[:100]):
        try:
            waveform = load_audio(half)
        except SpkidError as error:
            assert error.code == "unreadable"  # noqa: PT017
        else:
            assert ending not in STATES_ITS_LENGTH
            assert len(waveform) < 0.6 * len(voice)


def test_damaged_files_are_read_or_refused_and_nothing_else(voice):
    rng = np.random.default_rng(0)
    for ending in FORMATS:
        content = recorded(voice[:8_000], ending)
        for _ in range(15):
            changed = bytearray(content)
            for place in rng.integers(12, len(content), size=20):
                changed[place] = rng.integers(256)
            try:
                assert np.isfinite(load_audio(bytes(changed))).all()
            except SpkidError as error:
                assert error.code in ("unreadable", "too_long")  # noqa: PT017


def test_a_playlist_opens_no_other_file(path, tmp_path):
    """FFmpeg itself would follow these."""
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{path}'\n",
        "list.m4a": f"#EXTM3U\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(SpkidError) as caught:
            load_audio(tmp_path / name)
        assert caught.value.code == "unreadable"


def test_without_the_extra_its_name_is_said(monkeypatch, voice):
    content = recorded(voice, "m4a")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name)
    )
    with pytest.raises(SpkidError, match=r"spkid\[formats\]") as caught:
        load_audio(content)
    assert caught.value.code == "no_formats"


def test_a_folder_to_train_on_takes_the_same_and_says_what_it_leaves_out(tmp_path: Path):
    for name in ("Ana/1.wav", "Ana/2.M4A", "Ben/1.webm", "Ben/2.amr", "Ben/notes.txt", "flat.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = read_source(tmp_path)
    assert list(source.clips["path"]) == ["Ana/1.wav", "Ana/2.M4A", "Ben/1.webm", "Ben/2.amr"]
    assert "2 files (1 .txt, 1 in no speaker's folder)" in source.left_out
    (tmp_path / "Ben" / "notes.txt").unlink()
    (tmp_path / "flat.wav").unlink()
    assert read_source(tmp_path).left_out == ""
